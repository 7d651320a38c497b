"""The formats in which forecasts are written, and where."""

import contextlib
import io
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.errors import UsageError
from forecaster.problems import Problem
from forecaster.threads import count_threads

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

    from forecaster.forecast import ColumnNames, Forecast
    from forecaster.forecasting.predict import Prediction, Receiver
    from forecaster.store.forecast_table import ForecastTable

_BYTES_IN_MEMORY = 1 << 24  # of an output that is not written yet
_BYTES_AT_ONCE = 1 << 20


class OutputFormat(StrEnum):
    """How the forecast is written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    NIXTLA = "nixtla"


class TableRows(StrEnum):
    """What happens to the other rows of a table."""

    APPEND = "append"
    REPLACE = "replace"


IfExists = Annotated[
    TableRows | None,
    typer.Option(
        "--if-exists", help="Whether other rows of a table stay (append), or are removed (replace).", show_default=False
    ),
]


class ForecastOutput:
    """Where a forecast is written, and how. Use it as a context, which ends what is held of it.

    Args:
        output: a file, `-` for stdout, or the URL of a database with a table.
        samples: the CSV of sample paths.
        plot: the picture.
        format: of the output.
        decimal_comma: as `forecasts_to_csv`.
        others: files that are written elsewhere.
        if_exists: what happens to the rows of a table that exists; None where nobody asks.

    Raises:
        UsageError: options do not go together, or two outputs are one file.
    """

    def __init__(
        self,
        output: str,
        samples: Path | None,
        plot: Path | None,
        format: OutputFormat,
        decimal_comma: bool,
        others: Sequence[Path] = (),
        if_exists: TableRows | None = None,
    ) -> None:
        from forecaster.extras import require_extra

        if decimal_comma and format not in {OutputFormat.CSV, OutputFormat.NIXTLA}:
            detail = {"expected": "--format csv or nixtla"}
            raise UsageError(Problem("invalid-option", "--decimal-comma", detail=detail))
        if format is OutputFormat.PARQUET:
            require_extra("parquet", "forecast predict --format parquet")
        self._table = _find_table(output, format, decimal_comma, if_exists)
        self._replaces = if_exists is TableRows.REPLACE
        named = [str(path) for path in (output, samples, plot, *others) if path not in {None, "-"}]
        if len(set(named)) < len(named):
            raise UsageError(Problem("same-output", detail={"names": named}))
        self._output, self._samples, self._plot = output, samples, plot
        self._format, self._decimal_comma = format, decimal_comma
        # Excel takes a file without the mark for its local encoding.
        self._encoding = "utf-8-sig" if decimal_comma else "utf-8"
        is_streamed = self._table is None and plot is None and samples is None
        self._batches: _WrittenBatches | None = None
        if is_streamed and format is OutputFormat.CSV:
            self._batches = _WrittenCsv(decimal_comma, self._encoding)
        elif is_streamed and format is OutputFormat.PARQUET:
            self._batches = _WrittenParquet()

    def __enter__(self) -> "ForecastOutput":
        return self

    def __exit__(self, *error: object) -> None:
        if self._batches:
            self._batches.close()

    def stream(self, names: "ColumnNames") -> "Receiver | None":
        """Return what takes the forecasts of each batch of series; None where all are needed at once.

        Args:
            names: of the columns of quantiles.
        """
        if self._batches is None:
            return None
        self._batches.names = names
        return self._batches.write_behind

    def write(self, found: "Prediction", names: "ColumnNames", title: str) -> None:
        """Write a forecast, its paths and its picture.

        Args:
            found: the forecasts, none where the batches have them.
            names: of the columns of quantiles.
            title: of the picture.

        Raises:
            CannotCreate, InputOutputFailed: a file cannot be written.
        """
        from forecaster.atomic_files import write_atomically
        from forecaster.forecast import samples_to_csv

        if self._table is not None:
            from forecaster.store.forecast_table import write_forecast_table

            rows = write_forecast_table(self._table, found.forecasts, names, self._replaces)
            console.log.info("%s: %s rows in the table %s", self._table.url, f"{rows:,}", self._table.name)
        else:
            content = self._batches.read() if self._batches else self._format_forecasts(found.forecasts, names)
            console.write_result(content, self._output, self._encoding)
        if self._samples is not None:
            samples = samples_to_csv(found.forecasts, self._decimal_comma)
            write_atomically(self._samples, samples.encode(self._encoding))
        if self._plot is not None:
            from forecaster.forecasting.plots import plot_future

            console.write_picture(plot_future(found.panel, found.forecasts, title), self._plot)

    def _format_forecasts(self, forecasts: "Sequence[Forecast]", names: "ColumnNames") -> str | bytes:
        from forecaster import forecast

        match self._format:
            case OutputFormat.CSV:
                return forecast.forecasts_to_csv(forecasts, names, self._decimal_comma)
            case OutputFormat.JSON:
                return forecast.forecasts_to_json(forecasts, names)
            case OutputFormat.PARQUET:
                return forecast.forecasts_to_parquet(forecasts, names)
            case OutputFormat.NIXTLA:
                return forecast.forecasts_to_nixtla(forecasts, self._decimal_comma)


def _find_table(
    output: str, format: OutputFormat, decimal_comma: bool, if_exists: TableRows | None
) -> "ForecastTable | None":
    """Find the table of a database that the output names; None where it is a file or stdout.

    Raises:
        UsageError: the URL names no table, or options do not go with the output.
    """
    if "://" not in output:
        if if_exists is not None:
            detail = {"expected": "--output with the URL of a database and a table"}
            raise UsageError(Problem("invalid-option", "--if-exists", detail=detail))
        return None
    from forecaster.store.forecast_table import ForecastTable

    if format is not OutputFormat.CSV or decimal_comma:
        detail = {"expected": "neither --format nor --decimal-comma: a table of a database has typed columns"}
        raise UsageError(Problem("invalid-option", "--output", detail=detail))
    return ForecastTable.from_url(output)


class _WrittenBatches(ABC):
    """The rows of forecasts as a file, which leave memory for one without a name where they are many.

    Attributes:
        names: of the columns of quantiles.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY)  # noqa: SIM115  `close` does
        self.names: ColumnNames = "levels"
        self._pool = ThreadPoolExecutor(1)
        self._behind: Future[None] | None = None

    def write_behind(self, forecasts: "Sequence[Forecast]") -> None:
        """Write the rows of some forecasts in another thread, once those before are written."""
        if count_threads() == 1:
            self.add(forecasts)
            return
        self._wait()
        self._behind = self._pool.submit(self.add, forecasts)

    def _wait(self) -> None:
        """Wait for the rows that are being written; raise what went wrong with them."""
        if self._behind is not None:
            self._behind.result()

    @abstractmethod
    def add(self, forecasts: "Sequence[Forecast]") -> None:
        """Write the rows of some forecasts."""

    def read(self) -> Iterator[bytes]:
        """Read the file in parts, once.

        Raises:
            InputOutputFailed: its last rows cannot be written, or it cannot be read.
        """
        from forecaster.spool import report_failures

        self._wait()
        with report_failures():
            self._complete()
            self._file.seek(0)
        while part := self._read_part():
            yield part

    def _complete(self) -> None:  # noqa: B027  nothing is missing in some formats
        """Write what follows the last rows."""

    def _read_part(self) -> bytes:
        from forecaster.spool import report_failures

        with report_failures():
            return self._file.read(_BYTES_AT_ONCE)

    def close(self) -> None:
        """Remove the file."""
        self._pool.shutdown()
        with contextlib.suppress(OSError):  # rows that the disk did not accept, which has been reported
            self._file.close()


class _WrittenCsv(_WrittenBatches):
    """The rows as a CSV, the first after a header.

    Args:
        decimal_comma: as `forecasts_to_csv`.
        encoding: of the CSV.
    """

    def __init__(self, decimal_comma: bool, encoding: str) -> None:
        super().__init__()
        self._decimal_comma, self._encoding, self._is_empty = decimal_comma, encoding, True

    def add(self, forecasts: "Sequence[Forecast]") -> None:
        """Write the rows of some forecasts."""
        from forecaster.forecast import write_csv
        from forecaster.spool import report_failures

        text, is_first = io.StringIO(), self._is_empty
        self._is_empty = False
        write_csv(text, forecasts, self.names, self._decimal_comma, is_first)
        with report_failures():
            self._file.write(text.getvalue().encode(self._encoding if is_first else "utf-8"))


class _WrittenParquet(_WrittenBatches):
    """The rows as Parquet, with a row group for each batch."""

    def __init__(self) -> None:
        super().__init__()
        self._writer: ParquetWriter | None = None

    def add(self, forecasts: "Sequence[Forecast]") -> None:
        """Write the rows of some forecasts."""
        from pyarrow.parquet import ParquetWriter

        from forecaster.forecast import forecasts_to_table
        from forecaster.spool import report_failures

        table = forecasts_to_table(forecasts, self.names)
        with report_failures():
            if self._writer is None:
                self._writer = ParquetWriter(self._file, table.schema)
            self._writer.write_table(table.cast(self._writer.schema))

    def _complete(self) -> None:
        if self._writer is not None:
            self._writer.close()
