"""Trainings recorded for TensorBoard and in MLflow; MLflow itself is replaced, since it is no package of the tests."""

import importlib
import logging
import struct
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest

import forecaster
from forecaster.runs import load_version
from forecaster.tracking.training_record import TrainingRecord
from tests.helpers.command import ROOT

RUNS = ROOT / "tests/runs/format-4"


def test_a_record_holds_config_scores_and_the_curves_of_each_network():
    version = load_version(RUNS / "load")
    record = TrainingRecord.from_version(version)
    assert (record.run, record.version) == ("load", version.path.name)
    assert (record.parameters["window.length"], record.parameters["model.units"]) == ("12", "[2]")
    assert record.scores["model/mase"] == version.metrics["scores"]["model"]["mase"]
    assert record.curves["loss"][0] == (1, 0.7560065127255624)
    assert set(record.curves) == {"loss", "validation_loss", "learning_rate"}
    members = TrainingRecord.from_version(load_version(RUNS / "shops")).curves
    assert {"member_1/loss", "member_2/loss"} <= set(members)


def read_events(path: Path) -> list:
    """The events of a file: each between its length and check sums."""
    from tensorflow.core.util.event_pb2 import Event

    content, place, events = path.read_bytes(), 0, []
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        events.append(Event.FromString(content[place + 12 : place + 12 + length]))
        place += 16 + length
    return events


def test_tensorboard_gets_curves_scores_and_config(tmp_path: Path):
    from tensorflow.core.framework.tensor_pb2 import TensorProto
    from tensorflow.python.framework.tensor_util import MakeNdarray

    from forecaster.tracking.tensorboard import track

    version = load_version(RUNS / "load")
    assert "tensorboard --logdir" in track(version, tmp_path)
    [path] = (tmp_path / "load" / version.path.name).iterdir()
    found: dict[str, list[tuple[int, TensorProto]]] = {}
    plugins = {}
    for event in read_events(path):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.tensor))
            plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
    record = TrainingRecord.from_version(version)
    losses = [(step, float(MakeNdarray(tensor))) for step, tensor in found["loss"]]
    assert losses == [(step, pytest.approx(value)) for step, value in record.curves["loss"]]
    assert {f"test/{name}" for name in record.scores} <= set(found)
    assert (plugins["loss"], plugins["config"]) == ("scalars", "text")


class Recorder:
    """What MLflow is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __call__(self, name: str):
        return lambda *arguments, **options: self.calls.append((name, *arguments, options))


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder, module = Recorder(), ModuleType("mlflow")
    for name in ("set_tracking_uri", "set_experiment", "log_params", "log_metrics", "log_metric", "log_artifact"):
        setattr(module, name, recorder(name))

    class Run:
        info = SimpleNamespace(run_id="1a2b")

        def __enter__(self):
            return self

        def __exit__(self, *error):
            recorder.calls.append(("end",))

    module.start_run = lambda **options: recorder.calls.append(("start_run", options)) or Run()
    module.pyfunc = SimpleNamespace(log_model=recorder("log_model"), PythonModel=object)
    module.models = SimpleNamespace(set_model=recorder("set_model"))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    for name in ("forecaster.tracking.mlflow", "forecaster.tracking.pyfunc_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return recorder


def test_mlflow_gets_parameters_curves_files_and_the_model(mlflow: Recorder, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    version = load_version(RUNS / "load")
    assert (
        importlib.import_module("forecaster.tracking.mlflow").track(version).startswith((tmp_path / "mlruns").as_uri())
    )
    calls = mlflow.calls
    assert calls[:3] == [
        ("set_tracking_uri", (tmp_path / "mlruns").as_uri(), {}),
        ("set_experiment", "load", {}),
        ("start_run", {"run_id": None, "run_name": version.path.name}),
    ]
    parameters = [call[1] for call in calls if call[0] == "log_params"]
    assert max(map(len, parameters)) <= 100
    assert {key: value for part in parameters for key, value in part.items()} == TrainingRecord.from_version(
        version
    ).parameters
    assert ("log_metric", "loss", 0.7560065127255624, {"step": 1}) in calls
    assert ("log_artifact", str(version.path / "metrics.json"), {}) in calls
    (model,) = (call[-1] for call in calls if call[0] == "log_model")
    assert model["artifacts"] == {"version": str(version.path)}
    assert Path(model["python_model"]).name == "pyfunc_model.py"
    assert calls[-1] == ("end",)


class Client:
    """A client of MLflow that may refuse one of its calls."""

    def __init__(self, recorder: Recorder, refuses: str = "") -> None:
        self._recorder, self._refuses = recorder, refuses

    def create_run(self, experiment_id: str, run_name: str) -> SimpleNamespace:
        if self._refuses == "create_run":
            raise ConnectionError("the server does not answer\nin three lines")
        return SimpleNamespace(info=SimpleNamespace(run_id="live"))

    def log_metric(self, *arguments: object, **options: object) -> None:
        self._recorder.calls.append(("live_metric", *arguments, options))

    def set_terminated(self, *arguments: object) -> None:
        self._recorder.calls.append(("terminated", *arguments))


def prepare_live(mlflow: Recorder, refuses: str = "") -> ModuleType:
    module = sys.modules["mlflow"]
    module.set_experiment = lambda name: SimpleNamespace(experiment_id="1")
    module.set_tag = mlflow("set_tag")
    module.MlflowClient = lambda: Client(mlflow, refuses)
    return importlib.import_module("forecaster.tracking.mlflow")


EPOCH = SimpleNamespace(epoch=1, loss=0.75, validation_loss=None, learning_rate=0.001, seconds=2.0)


def test_mlflow_gets_each_epoch_while_a_training_runs(mlflow: Recorder, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracking, version = prepare_live(mlflow), load_version(RUNS / "load")
    with tracking.LiveRun("load") as live:
        live.observe("", EPOCH)
    sent = [call[1:] for call in mlflow.calls if call[0] == "live_metric"]
    assert sent == [("live", "loss", 0.75, {"step": 1}), ("live", "learning_rate", 0.001, {"step": 1})]
    live.record(version)
    assert ("start_run", {"run_id": "live", "run_name": version.path.name}) in mlflow.calls
    later = [(call[1], call[3]["step"]) for call in mlflow.calls if call[0] == "log_metric"]
    assert ("validation_loss", 1) in later
    assert ("loss", 2) in later
    assert ("loss", 1) not in later
    with pytest.raises(KeyboardInterrupt), tracking.LiveRun("load"):
        raise KeyboardInterrupt
    assert mlflow.calls[-1] == ("terminated", "live", "KILLED")


def test_a_failure_of_mlflow_is_a_warning(mlflow: Recorder, tmp_path: Path, monkeypatch, caplog):
    log = logging.getLogger("forecaster")
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    monkeypatch.chdir(tmp_path)
    with prepare_live(mlflow, "create_run").LiveRun("load") as live:
        live.observe("", EPOCH)
    assert live.record(load_version(RUNS / "load")) == ""
    assert caplog.messages == ["MLflow: the training is not recorded completely: the server does not answer"]
    assert not [call for call in mlflow.calls if call[0] in {"start_run", "live_metric"}]


def test_the_server_of_the_environment_is_used(mlflow: Recorder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    importlib.import_module("forecaster.tracking.mlflow").track(load_version(RUNS / "load"))
    assert mlflow.calls[0] == ("set_tracking_uri", "http://mlflow.example:5000", {})


def test_the_model_of_mlflow_forecasts_as_the_run(mlflow: Recorder):
    module = importlib.import_module("forecaster.tracking.pyfunc_model")
    (model,) = (call[1] for call in mlflow.calls if call[0] == "set_model")
    assert isinstance(model, module.RunModel)
    version = load_version(RUNS / "load")
    frame = pd.read_csv(RUNS / "load.csv")
    context = SimpleNamespace(artifacts={"version": str(version.path)})
    pd.testing.assert_frame_equal(model.predict(context, frame), forecaster.predict(frame, RUNS / "load"))


def test_a_missing_mlflow_is_reported_before_the_training(forecast, tmp_path: Path):
    pytest.importorskip("tensorflow")
    if importlib.util.find_spec("mlflow"):
        pytest.skip("MLflow is installed")
    result = forecast("train", "absent.csv", "--track", "mlflow", cwd=tmp_path)
    assert (result.returncode, "recurrent-forecast[mlflow]" in result.stderr) == (2, True)


def test_a_training_is_tracked_by_the_command(forecast, project: Path):
    result = forecast("train", "tiny.yaml", "--track", "tensorboard", "--verbose", cwd=project, fitted=False)
    assert result.returncode == 0, result.stderr
    assert "tensorboard --logdir tensorboard" in result.stderr
    assert len(list((project / "tensorboard/tiny").iterdir())) == 1
