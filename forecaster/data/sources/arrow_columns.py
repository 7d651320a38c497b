"""Columns that have types, as Arrow has them; pyarrow is an optional dependency."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from forecaster.data.sources.issues import Places
from forecaster.errors import DataError
from forecaster.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa


class Stored(NamedTuple):
    """Columns that have types, (rows,) each, and the places of their rows."""

    columns: "pa.Table"
    places: Places


def check_names(source: str, names: Sequence[str]) -> None:
    """Raise `DataError` for columns of one name."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError([Problem("duplicate-column", source, detail={"name": name}) for name in twice])


def concat_tables(parts: Sequence["pa.Table"]) -> "pa.Table":
    """Join tables of the same columns; all as text where the cells of a column have types that do not go together."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException:
        texts = [pa.table({name: column_to_text(part[name], None) for name in parts[0].column_names}) for part in parts]
        return pa.concat_tables(texts)


def convert_column(column: "pa.ChunkedArray", kind: "pa.DataType") -> "pa.ChunkedArray":
    """Convert a column, exactly, to numbers, timestamps, or a dictionary of texts; or raise `ArrowException`."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_dictionary(kind):
        return column_to_text(column).dictionary_encode()
    plain = _decode_dictionary(column)
    # Arrow divides a decimal by a power of ten, which misses the nearest float at times.
    exact = pa.types.is_decimal(plain.type) or not (pa.types.is_primitive(plain.type) or pa.types.is_null(plain.type))
    return (column_to_text(plain, missing=None) if exact else plain).cast(kind)


def column_to_text(column: "pa.ChunkedArray", missing: str | None = "") -> "pa.ChunkedArray":
    """Write a column as the text of a CSV: `1` and `0` for true and false, nothing for no value.

    Durations are written with their units, since Arrow's text is their number of microseconds, or whatever they count.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    plain = _decode_dictionary(column)
    if pa.types.is_boolean(plain.type):
        plain = plain.cast(pa.int8())
    elif pa.types.is_floating(plain.type):
        plain = plain.cast(pa.float64())  # whose shortest text reads back as the same number
    try:
        texts = _format_timestamps(plain) if pa.types.is_timestamp(plain.type) else plain.cast(pa.string())
    except pa.ArrowException:  # lists, bytes that are no text
        texts = None
    if texts is None or pa.types.is_duration(plain.type):
        texts = pa.chunked_array([[None if cell is None else str(cell) for cell in plain.to_pylist()]], pa.string())
    trimmed = compute.utf8_trim_whitespace(texts)
    return trimmed if missing is None else trimmed.fill_null(missing)


def _decode_dictionary(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa  # noqa: PLC0415

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _format_timestamps(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Write timestamps as `2026-01-31 13:45:00`, with fractions where one has any, offsets where they have a zone."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    if column.type.tz is None:
        try:
            return column.cast(pa.timestamp("s")).cast(pa.string())
        except pa.ArrowInvalid:  # fractions of a second
            return column.cast(pa.string())
    cells = column.to_pandas()  # which finds zones where Arrow does not
    local = cells.dt.tz_localize(None)
    offsets = local - cells.dt.tz_convert("UTC").dt.tz_localize(None)
    zones = ((offset, datetime.timezone(offset)) for offset in offsets.dropna().unique())
    texts = offsets.map({offset: datetime.datetime(2000, 1, 1, tzinfo=zone).isoformat()[19:] for offset, zone in zones})
    written = _format_timestamps(pa.chunked_array([pa.array(local)]))
    return compute.binary_join_element_wise(written, pa.array(texts, pa.string(), from_pandas=True), "")


def to_datetimes(column: "pa.ChunkedArray") -> pd.DatetimeIndex:
    """Convert timestamps as their texts would be: in the offset from UTC that all have, in UTC for several."""
    naive = pd.DatetimeIndex(column.to_numpy(), copy=False)
    if column.type.tz is None:
        return naive
    zoned = naive.tz_localize("UTC")
    offsets = (zoned.tz_convert(column.type.tz).tz_localize(None) - naive).unique()
    return zoned if len(offsets) > 1 else zoned.tz_convert(datetime.timezone(offsets[0].to_pytimedelta()))
