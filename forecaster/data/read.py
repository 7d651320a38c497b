"""From a source to its series."""

from collections.abc import Iterator

from forecaster.data.dialect import UNKNOWN, Dialect
from forecaster.data.options import Reading
from forecaster.data.panel import Panel
from forecaster.data.plain_csv import read_plain_csv
from forecaster.data.sources.files import Paths
from forecaster.data.sources.source import resolve_source


def read_series(path: Paths, reading: Reading, dialect: Dialect = UNKNOWN) -> Panel:
    """Read the series of a source, in the order of their first rows.

    Args:
        path: a CSV with a header, or Parquet; `-` for stdin; a pattern or a list for several of the same columns; or
            a query of a database.
        dialect: what is known of how a CSV is written.

    Raises:
        DataError: the file cannot be read as series; all problems at once.
        Changing: it changed while it was read.
        UsageError: a package that reads it is not installed.
    """
    source = resolve_source(path)
    if (panel := read_plain_csv(source, reading, dialect)) is not None:
        return panel
    from forecaster.data.read_tables import read_source  # noqa: PLC0415  with pandas

    return read_source(source, reading, dialect)


def read_series_in_groups(path: Paths, reading: Reading, dialect: Dialect = UNKNOWN) -> Iterator[Panel]:
    """Read the series of a source as `read_series`, but those of a large plain file some at a time.

    Memory does not grow with the number of rows then. Problems of gaps and steps are raised after the last panel.
    """
    source = resolve_source(path)
    if (panel := read_plain_csv(source, reading, dialect)) is not None:
        return iter([panel])
    from forecaster.data.assembly.typed_path import read_plain_groups  # noqa: PLC0415  with pandas
    from forecaster.data.read_tables import read_source  # noqa: PLC0415  with pandas

    groups = read_plain_groups(source, dialect, reading)
    return iter([read_source(source, reading, dialect)]) if groups is None else groups
