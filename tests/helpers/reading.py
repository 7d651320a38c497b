"""Read a CSV by plain arguments, as tests like to write them."""

from forecaster.data import read, read_tables
from forecaster.data.dialect import UNKNOWN
from forecaster.data.options import Reading
from forecaster.data.sources import text_table
from forecaster.data.sources.source import resolve_source


def read_series(path, *asked, dialect=UNKNOWN, **further):
    """The panel of a file; the first arguments are those of `Reading`, in its order."""
    return read.read_series(path, Reading(*asked, **further), dialect)


def series_of(table, *asked, **further):
    """The panel of a table."""
    return read_tables.parse_series(table, Reading(*asked, **further))


def read_columns(path, time, series, columns, categorical=(), frequency="auto", dialect=UNKNOWN, **further):
    """Covariates alone."""
    reading = Reading(time, None, frequency, series=series, columns=columns, categorical=categorical, **further)
    return read_tables.read_columns(path, reading, dialect)


def read_table(path, dialect=UNKNOWN):
    """The cells of a file as text."""
    return text_table.read_table(resolve_source(path), dialect)
