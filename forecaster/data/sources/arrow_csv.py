"""Plain CSV through pyarrow, many times faster than cell by cell; pyarrow is an optional dependency."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from forecaster.data.dialect import Dialect
from forecaster.formats.number_formats import MISSING, NaValues

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 22  # bytes that are converted at once
_MISSING = sorted({form for text in MISSING for form in (text, text.upper(), text.title(), "NaN", "NaT")})


class NotPlain(Exception):
    """A source has something that only the text path reads, or reports."""


def require_plain(plain: object) -> None:
    """Leave the typed path, by `NotPlain`, where something is not plain."""
    if not plain:
        raise NotPlain


def decode_csv(
    text: bytes, names: Sequence[str], types: Mapping[str, "pa.DataType"], dialect: Dialect, na_values: NaValues
) -> "pa.Table":
    """Decode the typed columns of CSV, each row a line; the other columns are read as text, to look at them, too.

    Args:
        text: whole records, without a header.
        names, types: of all columns; of those that are decoded.

    Raises:
        NotPlain: there are no rows, or a cell spans lines or holds a zero byte.
        ArrowException: a cell is not of its column's type.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    texts = [text for text in na_values if isinstance(text, str)]
    forms = [form for text in texts for form in (text, text.lower(), text.upper(), text.title())]
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(column_names=list(names), block_size=BLOCK),
        csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=b'"' in text, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()) | dict(types),
            null_values=[*_MISSING, *forms],
            strings_can_be_null=False,
            timestamp_parsers=[csv.ISO8601],
            decimal_point=dialect.decimal,
        ),
    )
    require_plain(len(table) and not any(map(_has_breaks, table.columns)))
    return table.select(list(types))


def _has_breaks(column: "pa.ChunkedArray") -> bool:
    """Whether a cell of a column of texts holds the end of a line, or a zero byte."""
    parts = [getattr(part, "dictionary", part) for part in column.chunks]
    texts = [part.buffers()[2] for part in parts if str(part.type) == "string"]
    return any(b"\n" in text or b"\0" in text for text in (buffer.to_pybytes() for buffer in texts if buffer))
