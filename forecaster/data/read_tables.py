"""From a source to its cells, its series and its covariates, by the paths of text and of typed columns."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from forecaster.data.assembly.blocks import open_csv, open_table
from forecaster.data.assembly.build_rows import parse_rows
from forecaster.data.assembly.out_of_core import read_large
from forecaster.data.assembly.regular_grid import build_panel
from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.sort_rows import sort_rows
from forecaster.data.assembly.typed_path import read_csv_rows, read_typed_series, read_typed_table
from forecaster.data.dialect import UNKNOWN, Dialect
from forecaster.data.options import Reading
from forecaster.data.panel import Panel
from forecaster.data.sources.files import Paths, check_unchanged
from forecaster.data.sources.source import Source, resolve_source
from forecaster.data.sources.text_table import Table, read_table
from forecaster.errors import DataError
from forecaster.time.grid import find_part


def read_source(source: Source, reading: Reading, dialect: Dialect) -> Panel:
    """Read the series of a source; arguments and problems as for `read_series`."""
    if source.is_typed:
        return read_typed_series(source, dialect, reading)
    if source.is_large:
        return read_large(open_csv(source, dialect), reading)
    rows = read_csv_rows(source, dialect, reading)
    return parse_series(read_table(source, dialect), reading) if rows is None else build_panel(rows, reading)


def read_cells(path: Paths, dialect: Dialect = UNKNOWN, where: Mapping[str, Sequence[str]] | None = None) -> Table:
    """Read all cells of a source as text, of the rows that `Reading.where` asks for; raises as `read_series`."""
    source = resolve_source(path)
    table = read_typed_table(source, dialect) if source.is_typed else read_table(source, dialect)
    return table.require_rows(where or {})


def list_cells(path: Paths, column: str, dialect: Dialect, where: Mapping[str, Sequence[str]]) -> list[str]:
    """List the distinct cells of a column as text, in the order of their first rows, of the rows that `where` asks for.

    Memory does not grow with the number of rows. Raises as `read_series`, and `DataError` where a column is absent.
    """
    source, names = resolve_source(path), [*dict.fromkeys((column, *where))]
    with ExitStack() as stack:
        if source.is_typed:
            blocks = stack.enter_context(open_table(source, dialect.unit))
            blocks.head.require(names)
            tables: Iterable[Table] = (block.to_text() for block in blocks.read(names))
        elif source.content is None and source.size is not None:
            stack.enter_context(check_unchanged(source.files))
            tables = (block.to_text() for block in open_csv(source, dialect).read(()))
        else:
            tables = [read_table(source, dialect)]
        found: dict[str, None] = {}
        for table in tables:
            table.require(names)
            found |= dict.fromkeys(table.keep_rows(where).columns[column].unique().tolist())
    return list(found)


def parse_series(table: Table, reading: Reading) -> Panel:
    """Build the series of a table of text; problems as in `read_series`."""
    return build_panel(parse_rows(table, reading), reading)


def read_columns(path: Paths, reading: Reading, dialect: Dialect = UNKNOWN) -> dict[str, Rows]:
    """Read the rows of covariates alone, of a file that needs no target: by the name of their series, "" for one alone.

    Raises as `read_series`, and `DataError` where a timestamp is repeated in a series.
    """
    table = read_cells(path, dialect)
    where = {name: cells for name, cells in reading.where.items() if name in table.columns}
    rows = parse_rows(table, replace(reading, target=None, gaps="mask", domains=(), static=(), where=where))
    if problems := rows.list_problems():
        raise DataError(problems)
    found = sort_rows(rows, "error")
    if repeated := rows.list_problems(found.issues.problems):
        raise DataError(repeated)
    return {name: found.rows.select_rows(find_part(found.ends, number)) for number, name in enumerate(rows.names)}
