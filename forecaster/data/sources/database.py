"""The columns of a query of a database, with their types; SQLAlchemy and pyarrow are optional dependencies."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from forecaster.data.sources.arrow_columns import Stored, check_names
from forecaster.data.sources.files import Query
from forecaster.data.sources.issues import Places
from forecaster.database import READ_ONLY, connect, find_reason
from forecaster.errors import DataError, InputOutputFailed
from forecaster.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000  # that are converted at once


def read_query(query: Query) -> Generator[Stored]:
    """Read the rows of a query, some at a time; the connection cannot write, and never commits.

    Raises:
        DataError: the database refuses it, or it gives no rows.
        InputOutputFailed: there is no connection.
        UsageError: the URL is none, or a package that it needs is not installed.
    """
    places = Places(query.url, ((0, query.url),), header_line=0, counts_rows=True)
    with connect(query.url, "reading a database") as connection:
        import pyarrow as pa  # noqa: PLC0415
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError  # noqa: PLC0415

        # Without parameters a `%` or a `:` in the statement is left to the database. Of the query alone: a server
        # streams what is a query, and refuses any other statement.
        options = {"stream_results": True, "no_parameters": True}
        rows = None
        try:
            for statement in READ_ONLY.get(connection.dialect.name, ()):
                connection.exec_driver_sql(statement)
            result = connection.exec_driver_sql(query.text, execution_options=options)
            names = list(result.keys())
            check_names(query.url, names)
            for rows in result.partitions(ROWS):
                yield Stored(pa.table([_build_column(cells) for cells in zip(*rows, strict=True)], names), places)
        except SQLAlchemyError as error:
            detail = {"reason": find_reason(error)}
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise InputOutputFailed(Problem("connection-lost", query.url, detail=detail)) from None
            raise DataError(Problem("query-failed", query.url, "data.query", detail=detail)) from None
    if rows is None:
        raise DataError(Problem("no-rows", query.url, "data.query"))


def _build_column(cells: Sequence[Any]) -> "pa.Array":
    """Build a column of Python's values by their type, as text where they have several."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        return pa.array(cells)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
