"""Files of anomalies that verbs write: CSV, JSON or a picture by the ending of a name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forecaster.cli import console

if TYPE_CHECKING:
    from forecaster.evaluation.anomalies import Anomalies


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
