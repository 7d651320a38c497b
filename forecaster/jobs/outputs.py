"""The files that a job writes: its forecast, a picture, and the mark of a forecast that is not the newest."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.data import Series
from forecaster.errors import Stop
from forecaster.extras import require_extra
from forecaster.forecast import ColumnNames, Forecast, forecasts_to_csv, forecasts_to_json, forecasts_to_parquet
from forecaster.jobs.job import Job

_MARK = ".stale"  # behind the name of the output


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
        mark = _get_mark(job.output)
        with convert_write_errors(mark):
            mark.unlink(missing_ok=True)


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


def mark_stale(job: Job, error: Stop, since: datetime, newest: str | None, age: float | None) -> None:
    """Mark the output of a job as one that could not be replaced, by a file next to it.

    Args:
        job: whose output stays as it is.
        error: why there is no new one.
        since: when that began, where it has not been marked yet.
        newest: the newest timestamp of the data.
        age: of it, in seconds.

    Raises:
        CannotCreate, InputOutputFailed: the mark cannot be written.
    """
    if job.output is None or not job.output.exists():
        return
    mark = _get_mark(job.output)
    values: dict[str, str | int | None] = {
        "since": _read_since(mark) or since.isoformat(timespec="seconds"),
        "newest": newest,
    }
    values |= {"age_seconds": None if age is None else round(age), "reason": str(error)}
    write_atomically(mark, json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n", follow=False)


def _read_since(mark: Path) -> str | None:
    """Read since when an output is marked; None where it is not."""
    try:
        return datetime.fromisoformat(json.loads(mark.read_bytes())["since"]).isoformat(timespec="seconds")
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _get_mark(output: Path) -> Path:
    return output.with_name(output.name + _MARK)
