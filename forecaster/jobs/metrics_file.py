"""The state of every job as a file of metrics, which Prometheus's textfile collector reads.

The format is the text format of Prometheus, version 0.0.4; names follow its conventions: base units, `_ratio` for
fractions, `_timestamp_seconds` for times.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from forecaster.atomic_files import write_atomically

SUFFIX = ".prom"  # the collector reads no other file


def _convert_time(value: Any) -> float:
    """Convert an ISO time to seconds since 1970; one without a zone is local."""
    return datetime.fromisoformat(value).timestamp()


# Key of a job in status.json: name of the metric, its help, and how a value becomes a number.
JOB_METRICS: Mapping[str, tuple[str, str, Callable[[Any], float]]] = {
    "last_success": ("last_success_timestamp_seconds", "Time of the last success.", _convert_time),
    "last_attempt": ("last_attempt_timestamp_seconds", "Time of the last attempt.", _convert_time),
    "exit_code": ("exit_code", "Exit code of the last attempt; 0 is success, any other a failure.", float),
    "seconds": ("duration_seconds", "Duration of the last attempt.", float),
    "data_age_seconds": ("data_age_seconds", "Age of the newest row of data at the last attempt.", float),
    "rows": ("rows", "Rows of data at the last attempt.", float),
    "stale": ("stale", "1 where the output is older than the freshness limit, else 0.", float),
    "error_now": ("recent_mase_ratio", "Scaled error (MASE) of recent forecasts against actuals.", float),
    "error_then": ("test_mase_ratio", "Scaled error (MASE) on the test part of the training.", float),
    "skill": ("skill_ratio", "Skill of recent forecasts against the seasonal naive forecast; 1 is perfect.", float),
    "coverage": ("coverage_ratio", "Share of recent actuals within the forecast intervals.", float),
    "fallback_share": ("fallback_ratio", "Share of series that the fallback forecasts.", float),
    "drift": ("drift", "1 where drift was found, else 0.", lambda found: float(bool(found))),
}


def write_metrics(path: Path, status: Mapping[str, Any], jobs_file: Path) -> None:
    """Replace the metrics file with the state of all jobs.

    Args:
        path: of the file; its name ends in `.prom`.
        status: the content of status.json.
        jobs_file: whose absolute path is a label, so that two jobs files on a machine never write the same metric.

    Raises:
        CannotCreate, InputOutputFailed: it cannot be written; the old file stays.
    """
    write_atomically(path, format_metrics(status, str(jobs_file.resolve())).encode())


def format_metrics(status: Mapping[str, Any], jobs_file: str) -> str:
    """Format the state of all jobs; a value that a job does not have is left out."""
    file = {"jobs_file": jobs_file}
    jobs = {name: {"name": name, **file} for name in status["jobs"]}  # not `job`, which is the scrape's own label
    lines = [
        *_format_metric("forecast_runs_total", "counter", "Runs of the jobs file.", [(file, float(status["runs"]))]),
        *_format_metric(
            "forecast_updated_timestamp_seconds",
            "gauge",
            "Time of the last change of the status.",
            [(file, _convert_time(status["updated"]))],
        ),
    ]
    for key, (name, text, convert) in JOB_METRICS.items():
        samples = [
            (jobs[job], convert(state[key])) for job, state in status["jobs"].items() if state.get(key) is not None
        ]
        if samples:
            lines += _format_metric(f"forecast_job_{name}", "gauge", text, samples)
    return "".join(f"{line}\n" for line in lines)


def _format_metric(
    name: str, kind: str, text: str, samples: Sequence[tuple[Mapping[str, str], float]]
) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"{name}{{{pairs}}} {_format_number(value)}"


def _escape(text: str) -> str:
    """Escape the value of a label."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _format_number(value: float) -> str:
    """Format a number so that nothing is lost; infinities as the text format writes them."""
    return repr(value).replace("inf", "Inf").replace("nan", "NaN").removesuffix(".0")
