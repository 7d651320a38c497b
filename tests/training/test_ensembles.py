"""Several networks in one run: their configs, how their answers are combined, and training them through the real command."""

import json
import pickle
import re
import signal
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from forecaster import runs
from forecaster.config import load_values
from forecaster.config.ensemble import get_member, list_members
from forecaster.data import Series
from forecaster.errors import DataError, Diverged, ForecasterError, Interrupted, RunError, UsageError
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.distributions import NegativeBinomial, Normal, Point, Samples
from forecaster.forecasting.predictive_distribution import EnsembleDistribution, NetworkDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.parallel import run_in_processes
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.preprocessing.scaling import Scaler
from forecaster.problems import Problem
from tests.helpers import jobs
from tests.helpers.command import TINY, write_hourly_csv
from tests.helpers.fake_network import Fake
from tests.helpers.logs import keep_log


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def loaded(ensemble, **sections):
    document = {"data": {"path": "x.csv"}, "window": {"length": 24, "horizon": 2}, "ensemble": ensemble, **sections}
    return load_values(document, "x.yaml")


def members(ensemble, **sections):
    found = loaded(ensemble, **sections)
    assert not found.problems
    return list_members(found.config)


def test_each_member_has_its_own_seed():
    assert [m.training.seed for m in members({"size": 3}, training={"seed": 7})] == [7, 8, 9]
    assert [m.training.seed for m in members({"size": 2}, training={"seed": 2**31 - 1})] == [2**31 - 1, 0]


def test_without_an_ensemble_a_config_is_its_own_member():
    for ensemble in (None, {"size": 1}):
        config = loaded(ensemble).config
        assert list_members(config) == [config]


@pytest.mark.parametrize(
    ("size", "model", "season", "lengths"),
    [
        (2, {}, 1, [24, 12]),
        (5, {}, 1, [24, 21, 18, 15, 12]),
        (3, {"segment": 4}, 1, [24, 16, 12]),  # 18 is as near to 16 as to 20
        (3, {"decoder": "dense", "normalization": "seasonal"}, 20, [24, 22, 22]),  # a season and two steps
        (3, {"decoder": "dense", "normalization": "profile", "segment": 4}, 9, [24, 20, 20]),  # two seasons are 18
        (3, {"decoder": "context"}, 6, [24, 18, 12]),
        (2, {"dilation": True, "units": [4] * 5}, 1, [24, 17]),  # the fifth layer continues from 16 steps before
    ],
)
def test_windows_fall_evenly_to_half_as_far_as_the_network_reads_them(size, model, season, lengths):
    found = members({"size": size, "vary": "window"}, model=model, data={"path": "x.csv", "season": season})
    assert [member.window.length for member in found] == lengths
    for member in found:
        assert not load_values(member.model_dump(mode="json"), "x").problems


def test_losses_come_in_turn_behind_the_configured_one():
    found = members({"size": 5, "vary": "loss"}, training={"loss": "huber"})
    assert [member.loss for member in found] == ["huber", "mse", "mae", "log_cosh", "huber"]


def test_every_second_network_learns_sign_flipped():
    found = members({"size": 4, "vary": "sign_flip"})
    assert [member.training.sign_flip for member in found] == [False, True, False, True]


@pytest.mark.parametrize(
    ("head", "size", "pretrained", "flipped"),
    [
        ("point", 4, [True, True, False, False], [False, True, False, True]),
        ("point", 3, [True, True, False], [False, True, False]),
        ("log_normal", 4, [True, True, False, False], [False] * 4),
    ],
)
def test_half_of_the_networks_start_from_the_zero_shot_forecast(head, size, pretrained, flipped):
    found = members({"size": size, "vary": "start"}, model={"decoder": "dense", "pretrained": True, "head": head})
    assert [member.model.pretrained for member in found] == pretrained
    assert [member.training.sign_flip for member in found] == flipped


def test_snapshots_are_equal_cycles_of_a_cosine():
    first, *_ = found = members({"size": 4, "vary": "snapshot"}, training={"epochs": 20, "early_stopping": None})
    assert len(found) == 4
    assert (first.training.epochs, first.training.schedule.name, first.training.schedule.minimum) == (5, "cosine", 0)


@pytest.mark.parametrize(
    ("ensemble", "sections", "message"),
    [
        ({"size": 1, "vary": "window"}, {}, "ensemble.vary: window varies several networks, and size is 1"),
        ({"size": 2, "processes": 3}, {}, "more than there are networks; use ensemble.processes: 2 or fewer"),
        ({"size": 2, "vary": "loss"}, {"model": {"head": "normal"}}, "loss cannot go with head: normal"),
        (
            {"size": 2, "vary": "sign_flip"},
            {"model": {"head": "categorical"}},
            "head categorical has no values of the other sign",
        ),
        (
            {"size": 2, "vary": "sign_flip"},
            {"training": {"sign_flip": True}},
            "training.sign_flip: ensemble.vary: sign_flip trains every second network",
        ),
        (
            {"size": 2, "vary": "start"},
            {},
            "ensemble.vary: half of the networks would start from the zero-shot forecast, which model.pretrained turns",
        ),
        ({"size": 2, "vary": "window"}, {"model": {"segment": 12}}, "reads no window shorter than 24 steps"),
        ({"size": 2, "vary": "shards"}, {}, "ensemble.vary: shards share series among networks"),
        (
            {"size": 2, "vary": "shards"},
            {"data": {"path": "x.csv", "series": "shop"}, "model": {"embedding": 4}},
            "model.embedding: a network that is trained on some of the series has no vectors",
        ),
        ({"size": 5, "vary": "snapshot"}, {}, "training.early_stopping: snapshot trains each cycle to its end"),
        ({"size": 4, "vary": "snapshot"}, {}, "training.epochs: 50 do not divide into 4 cycles"),
        ({"size": 5, "vary": "snapshot", "processes": 2}, {}, "snapshot continues from one network to the next"),
        ({"size": 5, "vary": "snapshot"}, {"training": {"schedule": {"name": "cosine"}}}, "a cosine for each cycle"),
        ({"size": 5, "vary": "snapshot"}, {"training": {"averaging": {"name": "ema"}}}, "use training.averaging: null"),
    ],
)
def test_ensembles_that_make_no_sense_are_refused(ensemble, sections, message):
    assert any(message in str(problem) for problem in loaded(ensemble, **sections).problems)


def test_a_member_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="--member 3: this run has 2 networks"):
        get_member(loaded({"size": 2}).config, 3)


# Outlooks of three networks on two steps of one series; scaled · 2 + 10.
SCALER = Scaler(10.0, 2.0)


def prediction(distribution, counts=False):
    return NetworkDistribution(distribution, SCALER, counts)


def points(combine):
    return EnsembleDistribution(
        [prediction(Point(np.array([[[a], [b]]]))) for a, b in ((0, 1), (1, 2), (5, 9))], combine
    )


def test_means_are_combined_step_by_step():
    np.testing.assert_allclose(points("median").mean, [[12, 14]])
    np.testing.assert_allclose(points("mean").mean, [[14, 18]])


def test_conformal_residuals_and_intervals_are_those_of_the_combination():
    combined = points("mean")
    np.testing.assert_allclose(combined.compute_residuals(np.array([[15.0, 10.0]])), [[0.5, -4.0]])  # in units of 2
    found = combined.compute_conformal_quantiles(Calibration(np.array([[1.0, 2.0]] * 9)), [80])
    np.testing.assert_allclose(found[0.1], [[12, 14]])
    np.testing.assert_allclose(found[0.9], [[16, 22]])


def test_quantiles_are_combined_at_each_probability():
    normals = [prediction(Normal(np.array([[place]]))) for place in ([0.0, 1.0], [1.0, 2.0], [5.0, 9.0])]
    z = 1.2815515655446004  # of 0.9, from tables
    mean, median = (EnsembleDistribution(normals, combine).compute_quantiles([80]) for combine in ("mean", "median"))
    np.testing.assert_allclose(mean[0.9], [[10 + 2 * (2 + 4 * z)]])  # the normal of the mean place and the mean spread
    np.testing.assert_allclose(median[0.1], [[10 + 2 * (1 - 2 * z)]])  # between -z and 5 - 9 z
    np.testing.assert_allclose(EnsembleDistribution(normals, "mean").spread, [[8.0]])


def test_combined_counts_stay_whole():
    heads = [prediction(NegativeBinomial(np.array([[[mean, 0.1]]]), 1.0), counts=True) for mean in (3.0, 4.0)]
    found = EnsembleDistribution(heads, "mean").compute_quantiles([50, 80])
    assert all(values % 1 == 0 for values in found.values())


def test_paths_come_from_each_network_in_even_shares():
    draws = [prediction(Samples(np.full((1, 2, 10), value))) for value in (0.0, 1.0, 2.0)]
    paths = EnsembleDistribution(draws, "median").draw_paths(
        10, Calibration(np.zeros((3, 2))), np.random.default_rng(0)
    )
    assert paths.shape == (10, 1, 2)
    values, counts = np.unique(paths[:, 0, 0], return_counts=True)
    np.testing.assert_array_equal(values, [10, 12, 14])
    assert sorted(counts) == [3, 3, 4]


def test_paths_of_values_alone_are_errors_around_the_combination():
    paths = points("median").draw_paths(5, Calibration(np.array([[1.0, -1.0]])), np.random.default_rng(0))
    np.testing.assert_allclose(paths, np.broadcast_to([[14, 12]], (5, 1, 2)))


class Oldest(Fake):
    """Answers the first value of the window that it reads."""

    def read(self, windows):
        return [windows[:, :1]]

    def answer(self, states, previous):
        return states[0], states


def test_each_network_reads_the_last_steps_of_the_longest_window():
    config = loaded({"size": 2, "vary": "window", "combine": "mean"}).config
    predictor = Predictor.from_networks([Oldest(), Oldest()], config, Preprocessing({"y": Scaler(0.0, 1.0)}))
    series = Series("y", "y", "t", np.arange(24), np.arange(24.0), "step")
    found = predictor.predict([series], np.arange(24.0)[None], 1)
    assert found.mean == pytest.approx((0 + 12) / 2)


FILES = dict.fromkeys(("config.yaml", "preprocessing.json", "residuals.npy", "calibration.json"), b"x")
GRAPHS = {f"members/{number}/{name}.onnx": b"g" for number in (1, 2) for name in ("encode", "decode")}


def test_a_version_of_several_networks_is_whole_or_refused(tmp_path):
    with runs.lock_run(tmp_path):
        version = runs.write_version(tmp_path, FILES | GRAPHS, {"members": 2})
        runs.promote(tmp_path, version.path.name)
    version = runs.load_version(tmp_path)
    assert version.members == ["members/1/", "members/2/"]
    assert version.read("members/2/decode.onnx") == b"g"
    (version.path / "members/2/decode.onnx").write_bytes(b"h")
    with pytest.raises(RunError, match="SHA-256 differs"):
        runs.load_version(tmp_path)


@pytest.mark.parametrize("count", [3, 0, -1, 10**12, "2", None, [1]])
def test_a_manifest_of_another_number_of_networks_is_damaged(tmp_path, count):
    with runs.lock_run(tmp_path):
        version = runs.write_version(tmp_path, FILES | GRAPHS, {"members": count})
        runs.promote(tmp_path, version.path.name)
    with pytest.raises(RunError, match="damaged"):
        runs.load_version(tmp_path)


def test_errors_cross_from_one_process_to_another():
    stopped = pickle.loads(pickle.dumps(Interrupted(Problem("interrupted"), 15)))
    assert (str(stopped), stopped.exit_code) == ("interrupted: there was nothing to save", 143)
    problems = (Problem("no-rows", "a.csv"), Problem("no-match", "b.csv"))
    assert pickle.loads(pickle.dumps(DataError(problems))).problems == problems


def test_jobs_are_done_in_their_order_and_logged():
    with keep_log() as records:
        assert run_in_processes(jobs.work, [1, 2, 3], 2, []) == [2, 4, 6]
    assert sorted(record.getMessage() for record in records) == ["job 1", "job 2", "job 3"]


def test_a_job_that_fails_stops_the_others():
    with pytest.raises(Diverged, match="values became infinite"):
        run_in_processes(jobs.work, ["wait", "fail", "wait"], 2, [])


def test_a_process_that_dies_is_reported():
    with pytest.raises(ForecasterError, match="was killed, perhaps because memory ran out"):
        run_in_processes(jobs.work, ["die"], 1, [])


def test_a_signal_stops_all_jobs():
    received: list[int] = []
    threading.Timer(1, received.append, [15]).start()
    with pytest.raises(Interrupted, match="resume with the same command") as stopped:
        run_in_processes(jobs.work, ["wait", "wait", "wait"], 2, received)
    assert stopped.value.exit_code == 143


# Through the real command.

TWO = TINY.replace("epochs: 2, batch_size: 64", "epochs: 12, batch_size: 16, early_stopping: null")
TWO = TWO.replace("units: 4", "units: 4, dropout: 0.2") + "ensemble: {size: 2, vary: window}\n"


def version_of(run: Path) -> Path:
    return run / "versions" / (run / "current").read_text().strip()


def weights(run: Path, number: int) -> dict[str, np.ndarray]:
    """Those of a member by path."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(version_of(run) / f"members/{number}/network.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.fixture(scope="module")
def in_turn(tmp_path_factory, forecast) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write_hourly_csv(folder / "load.csv")
    (folder / "two.yaml").write_text(TWO)
    result = forecast("train", "two.yaml", cwd=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    return folder


@pytest.mark.slow
def test_one_run_holds_all_networks_and_forecasts_once(forecast, in_turn):
    run = in_turn / "runs/two"
    assert sorted(path.name for path in run.iterdir()) == [".lock", "current", "promotions.jsonl", "versions"]
    for number in ("1", "2"):
        names = sorted(path.name for path in (version_of(run) / "members" / number).iterdir())
        assert names == ["decode.onnx", "encode.onnx", "history.csv", "network.weights.h5"]
    metrics = json.loads((version_of(run) / "metrics.json").read_text())
    assert [(each["seed"], each["window"]) for each in metrics["members"]] == [(0, 12), (1, 6)]
    assert all(each["validation_loss"] > 0 for each in metrics["members"])
    assert np.any(weights(run, 1)["head/dense/kernel"] != weights(run, 2)["head/dense/kernel"])
    result = forecast("predict", "runs/two", cwd=in_turn)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 7


def write_shops(path: Path, numbers) -> Path:
    """Hours of some shops, below each other."""
    hours = np.datetime64("2026-01-01T00:00:00") + np.arange(120).astype("timedelta64[h]")
    rows = [
        f"{hour},{number},{10 * number + np.sin(place / 4) + np.cos(number * place):.3f}"
        for number in numbers
        for place, hour in enumerate(hours)
    ]
    path.write_text("\n".join(["time,shop,load", *rows]) + "\n")
    return path


SHOPS = TINY.replace("path: load.csv", "path: shops.csv, series: shop, season: 24").replace(
    "epochs: 2", "epochs: 1, seed: 3"
)


@pytest.mark.slow
def test_a_network_over_a_shard_is_that_of_its_series_alone(forecast, tmp_path):
    write_shops(tmp_path / "shops.csv", range(1, 6))
    write_shops(tmp_path / "second.csv", [2, 4])
    (tmp_path / "shards.yaml").write_text(SHOPS + "ensemble: {size: 2, vary: shards}\n")
    (tmp_path / "second.yaml").write_text(SHOPS.replace("shops.csv", "second.csv").replace("seed: 3", "seed: 4"))
    both = ["train", "shards.yaml", "--run", "runs/both", "--set", "ensemble.processes=2"]
    for command in (["train", "shards.yaml"], ["train", "second.yaml"], both):
        result = forecast(*command, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
    alone = (version_of(tmp_path / "runs/second") / "network.weights.h5").read_bytes()
    for run in ("shards", "both"):
        folder = version_of(tmp_path / "runs" / run) / "members"
        assert (folder / "2" / "network.weights.h5").read_bytes() == alone
        assert (folder / "1" / "network.weights.h5").read_bytes() != alone
    shown = forecast("predict", "runs/shards", cwd=tmp_path).stdout
    assert len(shown.splitlines()) == 1 + 5 * 6  # every series, by both networks
    assert forecast("predict", "runs/both", cwd=tmp_path).stdout == shown
    more = forecast("train", "shards.yaml", "--set", "ensemble.size=6", cwd=tmp_path)
    assert more.returncode == 2
    assert (
        "ensemble.size: 6 networks would share 5 series, of which each needs one; use ensemble.size: 5" in more.stderr
    )


@pytest.mark.slow
def test_members_trained_together_and_interrupted_are_those_trained_in_turn(forecast, in_turn):
    together = ["train", "two.yaml", "--run", "runs/both", "--set", "ensemble.processes=2", "-v"]
    second = (lambda stderr: "member 2 of 2: epoch 2" in stderr), signal.SIGTERM
    stopped = forecast(*together, cwd=in_turn, signal_when=second)
    assert stopped.returncode == 143, stopped.stderr
    assert "the checkpoint of each network is saved; resume with the same command and --resume" in stopped.stderr
    resumed = forecast("train", "two.yaml", "--run", "runs/both", "--resume", "-v", cwd=in_turn)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"member 2 of 2: resuming after epoch \d+, batch \d+", resumed.stderr)
    assert not list((in_turn / "runs/both").glob("checkpoint*"))
    for number in (1, 2):
        ours, theirs = (weights(in_turn / run, number) for run in ("runs/both", "runs/two"))
        assert ours.keys() == theirs.keys()
        for name, values in ours.items():
            np.testing.assert_array_equal(values, theirs[name])
