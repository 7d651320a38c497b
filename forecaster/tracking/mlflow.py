"""A training in MLflow: parameters, curves, scores, files, and the run as a model of the flavour pyfunc."""

import os
from pathlib import Path

import mlflow

from forecaster import __version__
from forecaster.extras import DISTRIBUTION
from forecaster.runs import Version
from forecaster.tracking.training_record import TrainingRecord

FOLDER = "mlruns"
_MOST_CHARACTERS, _AT_ONCE = 6000, 100  # of a parameter, and parameters of one call, that a server takes
_FILES = ("README.md", "config.yaml", "metrics.json", "forecast.png", "loss.png")


def track(version: Version) -> str:
    """Record a version as a run of the experiment with the name of its run folder.

    It goes to the server or the database of `MLFLOW_TRACKING_URI`, or else into the folder `mlruns`.

    Returns:
        How it is looked at.

    Raises:
        RunError: a file of the version is damaged.
    """
    record = TrainingRecord.from_version(version)
    place = os.environ.get("MLFLOW_TRACKING_URI") or (Path.cwd() / FOLDER).as_uri()
    if place.startswith("file:"):
        # MLflow advises databases, which need the whole package, and refuses folders unless it is asked.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(place)
    mlflow.set_experiment(record.run)
    with mlflow.start_run(run_name=record.version) as run:
        items = [(key, value[:_MOST_CHARACTERS]) for key, value in record.parameters.items()]
        for first in range(0, len(items), _AT_ONCE):
            mlflow.log_params(dict(items[first : first + _AT_ONCE]))
        mlflow.log_metrics(dict(record.scores))
        for name, curve in record.curves.items():
            for epoch, value in curve:
                mlflow.log_metric(name, value, step=epoch)
        for name in _FILES:
            if name in version.manifest["files"]:
                mlflow.log_artifact(str(version.path / name))
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"version": str(version.path)},
            pip_requirements=[f"{DISTRIBUTION}=={__version__}"],
        )
    return f"{place}: run {run.info.run_id}; mlflow ui --backend-store-uri {place}"
