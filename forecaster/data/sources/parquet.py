"""The columns of Parquet files, with their types; pyarrow is an optional dependency."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from forecaster.data.sources.arrow_columns import Stored, check_names
from forecaster.data.sources.files import STDIN, check_unchanged, name_source, read_bytes, report_unreadable
from forecaster.data.sources.issues import Places, report_columns
from forecaster.errors import DataError, InputOutputFailed
from forecaster.extras import import_extra
from forecaster.problems import Problem

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

ROWS = 1 << 20  # that are read at once


def read_parquet(name: str, files: Sequence[str], names: Sequence[str]) -> Iterator[Stored]:
    """Read some columns of Parquet files that have the same columns, below each other, some rows at a time.

    Raises:
        DataError, InputOutputFailed: one is damaged; one cannot be read.
        Changing: one changed while it was read.
    """
    with _open_files(files) as opened:
        import pyarrow as pa  # noqa: PLC0415  which is there once a file is open

        starts = itertools.accumulate((file.metadata.num_rows for file in opened[:-1]), initial=0)
        places = Places(name, tuple(zip(starts, map(name_source, files), strict=True)), header_line=0, counts_rows=True)
        for file in opened:
            for batch in file.iter_batches(ROWS, columns=list(names)):
                yield Stored(pa.Table.from_batches([batch]), places)


def read_parquet_head(name: str, files: Sequence[str], rows: int) -> Stored:
    """Read the first rows of Parquet files with all of their columns.

    Raises:
        DataError: one is damaged or has other columns than the first, or they have no rows.
        MissingExtra: pyarrow is not installed.
        Changing, InputOutputFailed: as for `read_parquet`.
    """
    with _open_files(files) as opened:
        import pyarrow as pa  # noqa: PLC0415  which is there once a file is open

        columns = [_list_columns(file) for file in opened]
        first = next((batch for file in opened for batch in file.iter_batches(rows) if len(batch)), None)
    check_names(name, columns[0])
    shown = list(map(name_source, files))
    if different := [
        (file, each) for file, each in zip(shown, columns, strict=True) if sorted(each) != sorted(columns[0])
    ]:
        raise DataError([report_columns(file, shown[0], names, columns[0]) for file, names in different])
    if first is None:
        raise DataError(Problem("no-rows", name))
    places = Places(name, ((0, name),), header_line=0, counts_rows=True)
    return Stored(pa.Table.from_batches([first]).select(columns[0]), places)


def _list_columns(file: "ParquetFile") -> list[str]:
    """List the columns without an unnamed index of numbers, which pandas writes where rows were left out."""
    import pyarrow as pa  # noqa: PLC0415

    unnamed = [field for field in file.schema_arrow if field.name.startswith("__index_level_")]
    counting = {field.name for field in unnamed if pa.types.is_integer(field.type)}
    return [name for name in file.schema_arrow.names if name not in counting]


@contextmanager
def _open_files(files: Sequence[str]) -> Iterator[list["ParquetFile"]]:
    """Open files that are read within."""
    with import_extra("parquet", f"{name_source(files[0])}: reading Parquet"):
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    at = files[0]
    with ExitStack() as stack:
        try:
            stack.enter_context(check_unchanged([name for name in files if name != STDIN]))
            opened = []
            for at in files:
                opened.append(stack.enter_context(ParquetFile(BytesIO(read_bytes(at)) if at == STDIN else at)))
            yield opened
        except (OSError, pa.ArrowException) as error:
            if isinstance(error, OSError) and error.errno:
                raise InputOutputFailed(report_unreadable(name_source(at), error)) from None
            raise DataError(Problem("damaged-file", name_source(at), detail={"reason": str(error)})) from None
