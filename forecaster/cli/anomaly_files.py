"""Files of anomalies that verbs write: the options, and CSV, JSON or a picture by the ending of a name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import is_picture
from forecaster.errors import UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.evaluation.anomalies import Anomalies

AnomalyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--anomalies",
        help="Write which observed values are outside of their interval, as CSV, JSON, PNG, SVG or PDF; repeatable.",
        show_default=False,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", help="Share of ordinary values that --anomalies may flag; 0.01 unless given.", show_default=False
    ),
]


def check_anomaly_files(paths: Sequence[Path] | None, rate: float | None) -> float:
    """Check the options before any work is done, and return the rate.

    Raises:
        UsageError: a name has another ending, or the rate is not between 0 and 0.5 or has no file.
    """
    for path in paths or ():
        if path.suffix.lower() not in {".csv", ".json"} and not is_picture(path):
            raise UsageError(
                Problem("not-an-anomaly-file", f"--anomalies {path}", detail={"instead": f"{path.stem}.csv"})
            )
    if rate is None:
        return 0.01
    if not 0 < rate <= 0.5:
        detail = {"expected": "a share from 0.000001 to 0.5, such as 0.01"}
        raise UsageError(Problem("invalid-option", f"--rate {rate:g}", detail=detail))
    if not paths:
        raise UsageError(Problem("rate-without-anomalies", f"--rate {rate:g}"))
    return rate


def write_anomalies(found: "Mapping[str, Anomalies]", paths: Sequence[Path], is_of_jobs: bool = False) -> None:
    """Write anomalies to each file, and log what they are.

    Args:
        found: of each run, file or job, by its name.
        paths: of the files; a picture of several jobs has {name}.
        is_of_jobs: whether tables name the job.
    """
    from forecaster.evaluation.anomalies import anomalies_to_csv, anomalies_to_text

    for name, each in found.items():
        log = console.log.info if each.checked else console.log.warning
        log("%s: %s", name, each.describe())
        for event in each.events[:5]:
            console.log.info("  %s %s: %.6g, forecast %.6g", event.series, event.span, event.actual, event.mean)
    for path in paths:
        match path.suffix.lower():
            case ".csv":
                console.write_result(anomalies_to_csv(found, is_of_jobs), str(path))
            case ".json":
                console.write_result(anomalies_to_text(found, is_of_jobs), str(path))
            case _:
                from forecaster.evaluation.plots import plot_anomalies

                for name, each in found.items():
                    console.write_picture(plot_anomalies(each, name), Path(str(path).replace("{name}", name)))
