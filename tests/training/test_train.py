"""Training through the real command: the textbook case, interruption and resumption, crashes, divergence."""

import csv
import json
import logging
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from forecaster.config import load_config
from forecaster.errors import Interrupted, Locked, RunError, UsageError
from forecaster.evaluation import held_out
from forecaster.evaluation.tables import format_error_table
from forecaster.evaluation.verdict import describe_verdict
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.predict import predict
from forecaster.preprocessing.plan import plan_training
from forecaster.runs import lock_run
from forecaster.training import build
from forecaster.training.train import train
from tests.helpers.command import FORECAST, ROOT, TINY, write_hourly_csv
from tests.helpers.fake_network import roll_out
from tests.helpers.fast_trainings import run_untraced
from tests.helpers.fork_server import CHECKPOINT_SECONDS, SIGNAL_AT_BATCH, UNFITTED, write_command

pytestmark = pytest.mark.slow

LONGER = TINY.replace("epochs: 2, batch_size: 64", "epochs: 6, batch_size: 8").replace(
    "units: 4", "units: 4, dropout: 0.2"
)
BATCHES = 39  # of 8 windows, in an epoch


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def weights(run: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(version_of(run) / "network.weights.h5") as file:
        file.visititems(
            lambda name, item: found.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return found


def version_of(run: Path) -> Path:
    return run / "versions" / (run / "current").read_text().strip()


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])


@pytest.fixture
def longer(project: Path) -> Path:
    (project / "longer.yaml").write_text(LONGER)
    return project


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(FORECAST), "train", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, process: subprocess.Popen[str], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLOW_DOWN = ["--set", "training.epochs=400", "--set", "training.early_stopping=null"]


def interrupt(forecast, folder: Path, number: signal.Signals, *options: str) -> tuple[int, str]:
    """Train on longer.yaml, which gets a signal in its third epoch; the exit code and what was output."""
    signalled = os.environ | {SIGNAL_AT_BATCH: f"{number}:{2 * BATCHES + 3}"}
    result = forecast("train", "longer.yaml", *options, cwd=folder, env=signalled, timeout=60)
    return result.returncode, result.stderr


def test_a_code_for_missing_values_is_a_warning_before_training(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    write_hourly_csv(tmp_path / "load.csv", 200)
    lines = (tmp_path / "load.csv").read_text().splitlines()
    for number in (40, 90, 91):
        lines[number] = lines[number].partition(",")[0] + ",-9999"
    (tmp_path / "load.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "load.yaml").write_text(TINY.replace("load.csv", str(tmp_path / "load.csv")))

    def stop(*_):
        raise InterruptedError

    monkeypatch.setattr("forecaster.training.train._build_tasks", stop)  # what follows the warning is the training
    plan = plan_training(load_config(tmp_path / "load.yaml"))
    with pytest.raises(InterruptedError):
        train(plan, tmp_path / "run", [])
    assert "load.csv: -9999 occurs 3 times, far from all other values" in caplog.text


def test_an_interrupted_and_resumed_training_gives_the_weights_of_an_uninterrupted_one(forecast, longer):
    settings = ["training.epochs=4", "training.early_stopping=null"]
    few = [part for setting in settings for part in ("--set", setting)]
    code, stderr = interrupt(forecast, longer, signal.SIGTERM, *few, "--log-format", "json")
    assert code == 143, stderr
    assert "resume with the same command and --resume" in stderr
    assert (longer / "runs/longer/checkpoint").exists()
    assert not (longer / "runs/longer/current").exists()

    resumed = forecast("train", "longer.yaml", *few, "--resume", "--verbose", cwd=longer)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch 2, batch 3" in resumed.stderr
    assert not (longer / "runs/longer/checkpoint").exists()
    plan = plan_training(load_config(longer / "longer.yaml", settings))
    with lock_run(longer / "runs/whole"):
        train(plan, longer / "runs/whole", [])
    assert_same_weights(longer / "runs/longer", longer / "runs/whole")


def test_a_checkpoint_of_other_settings_a_damaged_one_and_one_of_other_data_are_not_resumed(
    forecast, longer, monkeypatch, caplog
):
    def resume(*settings: str) -> None:
        """What the command does with --resume, stopped before the first batch."""
        plan = plan_training(load_config(Path("longer.yaml"), [*SLOW_DOWN[1::2], *settings]))
        with lock_run(Path("runs/longer")):
            train(plan, Path("runs/longer"), [signal.SIGTERM], resume=True)

    code, stderr = interrupt(forecast, longer, signal.SIGINT, *SLOW_DOWN)
    assert code == 130, stderr
    monkeypatch.chdir(longer)
    checkpoint = longer / "runs/longer/checkpoint"
    kept = checkpoint.read_bytes()
    with pytest.raises(UsageError, match=r"has a different config \(model.cell\)") as other:
        resume("model.cell=gru")
    assert other.value.exit_code == 2
    assert checkpoint.read_bytes() == kept
    checkpoint.write_bytes(kept[:-100])
    with pytest.raises(RunError, match="damaged; train without --resume") as damaged:
        resume()
    assert damaged.value.exit_code == 6
    checkpoint.write_bytes(kept)
    caplog.set_level("INFO", "forecaster")
    with pytest.raises(Interrupted):
        resume()
    assert "resuming after epoch 2, batch 3" in caplog.text
    caplog.clear()
    write_hourly_csv(longer / "load.csv", rows=401)
    with pytest.raises(Interrupted):
        resume()
    assert "data have changed since the interrupted training" in caplog.text
    assert "resuming after" not in caplog.text


def test_a_training_stops_at_its_time_limit_with_its_checkpoint(forecast, longer):
    endless = ["longer.yaml", "--set", "training.epochs=100000", "--set", "training.early_stopping=null"]
    result = forecast("train", *endless, "--timeout", "1s", cwd=longer, fitted=False)
    assert result.returncode == 143, result.stderr
    first, second = result.stderr.splitlines()
    assert first == "--timeout 1s: the time limit was reached"
    assert "the checkpoint is saved; resume with the same command and --resume" in second
    assert (longer / "runs/longer/checkpoint").exists()


@pytest.mark.parametrize(
    "library", ["numpy/_core/_multiarray_umath", "libtensorflow_framework"], ids=["before TensorFlow", "with it"]
)
def test_a_signal_at_any_moment_stops_training_without_noise(project, library):
    process = start(project, "tiny.yaml", "--set", "training.epochs=100000", "--set", "training.early_stopping=null")
    loaded = Path(f"/proc/{process.pid}/maps")
    wait_for(lambda: library in loaded.read_text(), process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert re.fullmatch(r"interrupted.*\n", stderr)


def test_a_network_whose_forecasts_explode_is_not_promoted(forecast, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    before = forecast("predict", "runs/tiny", cwd=tmp_path).stdout
    wild = "{cell: simple_rnn, units: 4, activation: linear, decoder: rollout}"
    result = forecast(
        "train",
        "tiny.yaml",
        "--set",
        f"model={wild}",
        "--set",
        "window={length: 12, horizon: 30}",
        "--set",
        "training.epochs=1",
        "--set",
        "training.optimizer={name: sgd, learning_rate: 1000.0, clip_norm: 1.0}",
        cwd=tmp_path,
    )
    assert result.returncode == 7, result.stderr
    assert "the old version stays" in result.stderr
    assert forecast("predict", "runs/tiny", cwd=tmp_path).stdout == before


def test_a_killed_training_leaves_the_last_version_and_its_checkpoint(forecast, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    before = forecast("predict", "runs/tiny", cwd=tmp_path).stdout
    endless = ("--set", "training.epochs=100000", "--set", "training.early_stopping=null")
    saved = (lambda stderr: (tmp_path / "runs/tiny/checkpoint").exists()), signal.SIGKILL
    often = os.environ | {CHECKPOINT_SECONDS: "0.1"}
    killed = forecast("train", "tiny.yaml", *endless, cwd=tmp_path, env=often, signal_when=saved, fitted=False)
    assert killed.returncode == -signal.SIGKILL
    assert forecast("predict", "runs/tiny", cwd=tmp_path).stdout == before
    again = forecast("train", "tiny.yaml", cwd=tmp_path, fitted=False)
    assert again.returncode == 0  # the lock went with the process


def test_a_second_training_of_the_same_run_exits_75(forecast, longer):
    def is_locked(stderr: str) -> bool:
        if "layer" not in stderr:
            return False
        with pytest.raises(Locked), lock_run(longer / "runs/longer"):
            pass
        return True

    first = forecast("train", "longer.yaml", *SLOW_DOWN, "-v", cwd=longer, signal_when=(is_locked, signal.SIGKILL))
    assert first.returncode == -signal.SIGKILL
    with lock_run(longer / "runs/longer"):
        second = forecast("train", "longer.yaml", cwd=longer)
    assert second.returncode == 75
    assert "locked by another process" in second.stderr


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(longer):
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        plan = plan_training(load_config(longer / "longer.yaml", [f"training.seed={seed}", "training.epochs=2"]))
        with lock_run(longer / run):
            train(plan, longer / run, [])
    assert_same_weights(longer / "a", longer / "b")
    assert any(np.any(values != weights(longer / "c")[name]) for name, values in weights(longer / "a").items())


def test_a_loss_that_explodes_exits_7_and_the_old_version_stays(forecast, trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    before = forecast("predict", "runs/tiny", cwd=tmp_path).stdout
    result = forecast(
        "train",
        "tiny.yaml",
        *("--set", "training.optimizer={name: sgd, learning_rate: 1e30, clip_norm: null}"),
        *("--set", "model.activation=relu", "--set", "model.cell=simple_rnn"),
        cwd=tmp_path,
    )
    assert result.returncode == 7
    assert re.search(r"became (nan|inf) in epoch 1(, batch \d+ of \d+)?; the old version stays", result.stderr)
    assert "learning_rate" in result.stderr
    assert forecast("predict", "runs/tiny", cwd=tmp_path).stdout == before


def test_a_terminal_sees_progress(longer, fork_server):
    write_command(longer / "forecast", fork_server(True).address)
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [str(longer / "forecast"), "train", "longer.yaml"],
        cwd=longer,
        stdout=subprocess.DEVNULL,
        stderr=writer,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", UNFITTED: "1"},
    )
    os.close(writer)
    shown = b""
    try:
        while chunk := os.read(reader, 65536):
            shown += chunk
    except OSError:  # how Linux reports that the other end of a terminal is closed
        pass
    os.close(reader)
    assert process.wait(60) == 0
    text = shown.decode()
    assert re.search(r"epoch \d/6", text)
    assert "validation" in text
    assert "seasonal naive" in text


@pytest.fixture(scope="module")
def sine(tmp_path_factory, forecast) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("sine")
    result = forecast("train", ROOT / "configs/sine.yaml", "--verbose", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "runs/sine", result.stderr


def test_the_textbook_network_has_461_parameters_and_35_samples(sine):
    _, output = sine
    assert re.search(r"simple_rnn_1 +20 +20 +400 +20 +440", output)
    assert re.search(r"head +1 +20 +0 +1 +21", output)
    assert re.search(r"total +40 +400 +21 +461", output)
    assert "windows: 35, of which 30 training, 5 validation" in output


def test_the_textbook_network_learns_down_to_the_noise(sine):
    run, _ = sine
    rows = list(csv.DictReader((version_of(run) / "history.csv").read_text().splitlines()))
    losses, validation = ([float(row[name]) for row in rows] for name in ("loss", "validation_loss"))
    assert len(rows) == 100
    noise = 0.3**2
    assert losses[-1] < losses[0] / 3
    assert validation[-1] < validation[0]
    assert losses[-1] < 1.3 * noise
    assert validation[-1] < 1.3 * noise


def test_the_textbook_rollout_follows_the_sine_without_its_noise(sine):
    run, _ = sine
    x, y = np.loadtxt(ROOT / "configs/data/sine.csv", delimiter=",", skiprows=1).T
    version = version_of(run)
    network = OnnxNetwork((version / "encode.onnx").read_bytes(), (version / "decode.onnx").read_bytes())
    rollout = roll_out(network, y[None, :15], 35, "slide")[0]
    assert np.sqrt(np.mean((rollout - np.sin(x[15:])) ** 2)) < 0.3
    assert np.corrcoef(rollout, np.sin(x[15:]))[0, 1] > 0.9


SHIPPED = sorted({path.stem for path in (ROOT / "configs").glob("*.yaml")} - {"sine", "impute"})


# Without a trace each recurrent step is run operation by operation: windows of two days instead of a week, for example.
SHORTER = {
    **dict.fromkeys(["attention", "context", "language", "latent", "power", "quantile"], 48),
    **{"stack": 28, "bidirectional": 24, "seq2seq": 72, "segrnn": 96, "stores": 14, "visitors": 14, "counts": 14},
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_runs(tmp_path, name, monkeypatch):
    monkeypatch.setattr(held_out, "MOST_STEPS_READ", 0)  # few origins
    monkeypatch.setattr(build, "_VALIDATION_WINDOWS", 64)
    few = [
        *("training.epochs=1", "training.schedule={name: constant}", "model.warmup=0"),
        *("training.batches_per_epoch=1", "training.batch_size=8", "forecast.samples=10"),
        *([f"window.length={SHORTER[name]}"] if name in SHORTER else []),
    ]
    with lock_run(tmp_path / name), run_untraced():
        version = train(plan_training(load_config(ROOT / f"configs/{name}.yaml", few)), tmp_path / name, []).version
    metrics = json.loads(version.read("metrics.json"))
    assert metrics["origins"] > 1
    assert describe_verdict(metrics) in format_error_table(metrics)
    forecasts = predict(version).forecasts
    assert [len(each.mean) for each in forecasts] == metrics["series"] * [metrics["horizon"]]


def test_a_network_learns_a_season_that_the_seasonal_naive_cannot_do_better(forecast, tmp_path):
    write_hourly_csv(tmp_path / "load.csv", rows=800)
    (tmp_path / "learn.yaml").write_text(
        "data: {path: load.csv}\nwindow: {length: 24, horizon: 24}\nmodel: {cell: gru, units: 12, decoder: dense}\n"
        "training: {optimizer: {learning_rate: 0.02}, epochs: 8}\n"
    )
    assert forecast("train", "learn.yaml", cwd=tmp_path).returncode == 0
    scores = json.loads((version_of(tmp_path / "runs/learn") / "metrics.json").read_text())["scores"]
    # The seasonal naive repeats yesterday's noise: its MAE is sqrt(2) times that of the noise alone.
    assert scores["model"]["mae"] < 0.85 * scores["seasonal_naive"]["mae"]
