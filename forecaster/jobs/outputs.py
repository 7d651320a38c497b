"""The files that a job writes: its forecast and a picture."""

from collections.abc import Sequence
from pathlib import Path

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.data import Series
from forecaster.extras import require_extra
from forecaster.forecast import ColumnNames, Forecast, forecasts_to_csv, forecasts_to_json, forecasts_to_parquet
from forecaster.jobs.job import Job
from forecaster.jobs.stale_mark import remove_mark


def write_outputs(job: Job, forecasts: Sequence[Forecast], panel: Sequence[Series], names: ColumnNames) -> None:
    """Write the forecast and the picture of a job, and remove the mark of an old one.

    Args:
        job: whose output and plot are written, in folders that are created.
        forecasts: at least one.
        panel: the series that were forecast.
        names: of the columns of quantiles.

    Raises:
        CannotCreate, InputOutputFailed: one cannot be written; what was there stays.
        MissingExtra: a Parquet file needs a package that is not installed.
    """
    if job.plot is not None:
        # matplotlib takes a second to import, and most jobs draw nothing.
        from forecaster.forecasting.plots import plot_future  # noqa: PLC0415
        from forecaster.reporting.figures import render_figure  # noqa: PLC0415

        _write(job.plot, render_figure(plot_future(panel, forecasts, job.name), job.plot.suffix))
    if job.output is not None:
        _write(job.output, _format(forecasts, job.output.suffix.lower(), names))
        remove_mark(job.output)


def _format(forecasts: Sequence[Forecast], suffix: str, names: ColumnNames) -> bytes:
    if suffix == ".parquet":
        require_extra("parquet", "a forecast as Parquet file")
        return forecasts_to_parquet(forecasts, names)
    text = forecasts_to_json(forecasts, names) if suffix == ".json" else forecasts_to_csv(forecasts, names)
    return text.encode()


def _write(path: Path, content: bytes) -> None:
    with convert_write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
