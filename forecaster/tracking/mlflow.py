"""A training in MLflow: parameters, curves, scores, files, and the run as a model of the flavour pyfunc."""

import contextlib
import logging
import os
import threading
from collections.abc import Collection
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import mlflow

from forecaster import __version__
from forecaster.extras import DISTRIBUTION
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.tracking.training_record import TrainingRecord, list_curves

log = logging.getLogger("forecaster")

FOLDER = "mlruns"
_MOST_CHARACTERS, _AT_ONCE = 6000, 100  # of a parameter, and parameters of one call, that a server takes
_FILES = ("README.md", "config.yaml", "metrics.json", "forecast.png", "loss.png")
_PATIENCE = 20.0  # seconds, for what is left to be sent when a training ends


class LiveRun:
    """A run of MLflow that gets the curves of a training while it runs. Use it as a context of the training.

    A thread sends them, so that a slow server delays nothing. What MLflow raises is a warning, and no further
    epoch is sent; the training continues.

    Args:
        name: of the run folder, and of the experiment.
    """

    def __init__(self, name: str) -> None:
        self.run_id = ""
        self._name, self._queue = name, SimpleQueue[tuple[str, Any] | None]()
        self._sent: set[tuple[str, int]] = set()
        self._has_failed = False
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._queue.put(None)
        self._thread.join(_PATIENCE)
        if kind is not None and self.run_id and not self._thread.is_alive():
            with contextlib.suppress(Exception):
                status = "FAILED" if issubclass(kind, Exception) else "KILLED"
                mlflow.MlflowClient().set_terminated(self.run_id, status)

    def observe(self, prefix: str, epoch: Any) -> None:
        """Send an epoch of the network whose curves have a prefix, such as `member_2/`."""
        self._queue.put((prefix, epoch))

    def record(self, version: Version) -> str:
        """Record a version as this run, with what of its curves was not sent; as `track`.

        Returns:
            How it is looked at; empty where MLflow failed before, or does not answer, which is a warning.

        Raises:
            RunError: a file of the version is damaged.
        """
        if self._thread.is_alive():
            report_failure(f"it has not answered for {_PATIENCE:g} seconds after the training")
        return "" if self._thread.is_alive() or self._has_failed else track(version, self.run_id, self._sent)

    def _send(self) -> None:
        try:
            _choose_place()
            client = mlflow.MlflowClient()
            experiment = mlflow.set_experiment(self._name)
            self.run_id = client.create_run(experiment.experiment_id, run_name="training").info.run_id
            while (item := self._queue.get()) is not None:
                prefix, epoch = item
                for name, value in list_curves(vars(epoch)):
                    client.log_metric(self.run_id, f"{prefix}{name}", value, step=epoch.epoch)
                    self._sent.add((f"{prefix}{name}", epoch.epoch))
        except Exception as error:  # of any of its libraries, which must not end a training
            self._has_failed = True
            report_failure(error)


def report_failure(reason: object) -> None:
    """Log a warning that MLflow failed, in one line."""
    line = (str(reason).strip().splitlines() or [repr(reason)])[0]
    log.warning("%s", Problem("tracking-failed", "MLflow", detail={"reason": line}))


def _choose_place() -> str:
    """Choose the server or the database of `MLFLOW_TRACKING_URI`, or else the folder `mlruns`."""
    place = os.environ.get("MLFLOW_TRACKING_URI") or (Path.cwd() / FOLDER).as_uri()
    if place.startswith("file:"):
        # MLflow advises databases, which need the whole package, and refuses folders unless it is asked.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(place)
    return place


def track(version: Version, run_id: str = "", sent: Collection[tuple[str, int]] = ()) -> str:
    """Record a version as a run of the experiment with the name of its run folder.

    It goes to the server or the database of `MLFLOW_TRACKING_URI`, or else into the folder `mlruns`.

    Args:
        version: to record.
        run_id: of a run that has some of the curves; empty for a new one.
        sent: their names and epochs.

    Returns:
        How it is looked at.

    Raises:
        RunError: a file of the version is damaged.
    """
    record, place = TrainingRecord.from_version(version), _choose_place()
    mlflow.set_experiment(record.run)
    with mlflow.start_run(run_id=run_id or None, run_name=record.version) as run:
        if run_id:
            mlflow.set_tag("mlflow.runName", record.version)
        items = [(key, value[:_MOST_CHARACTERS]) for key, value in record.parameters.items()]
        for first in range(0, len(items), _AT_ONCE):
            mlflow.log_params(dict(items[first : first + _AT_ONCE]))
        mlflow.log_metrics(dict(record.scores))
        for name, curve in record.curves.items():
            for epoch, value in curve:
                if (name, epoch) not in sent:
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
