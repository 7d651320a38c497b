"""Contributions to forecasts and importance, of fake networks whose answers are known."""

import dataclasses
import io
import itertools
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.config import load_values
from forecaster.data import Series
from forecaster.data.panel import Columns
from forecaster.data.series import Column
from forecaster.explain.contributions import format_contributions, format_contributions_csv
from forecaster.explain.explain_forecasts import explain_panel
from forecaster.explain.importance import measure_importance_of
from forecaster.explain.shapley import compute_shapley
from forecaster.explain.window_components import find_reference, name_parts, split_windows
from forecaster.forecasting.calibration import Calibration
from forecaster.forecasting.fallback import Fallback
from forecaster.forecasting.onnx_network import DecodedSteps
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.covariate_features import Encoding, Features
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split
from forecaster.preprocessing.transforms import Transform
from tests.helpers.fake_network import Fake
from tests.helpers.members import only

RUNS = Path(__file__).parent.parent / "runs" / "format-4"


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def play(function):
    """The game whose value is a function of who has joined."""
    return lambda coalitions: np.array([[function(*row)] for row in coalitions.tolist()], float)


def list_shapley_values(function, players):
    """Shapley values by their definition: the mean over all orders."""
    values = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        joined = [False] * players
        for player in order:
            before = function(*joined)
            joined[player] = True
            values[player] += (function(*joined) - before) / len(orders)
    return values


def test_shapley_values_are_means_over_all_orders():
    def unequal(a, b, c, d):
        return 5 + 2 * a - b + 3 * a * c + a * b * c * d

    baseline, values = compute_shapley(play(unequal), 4)
    assert baseline.tolist() == [5]
    np.testing.assert_allclose(values[:, 0], list_shapley_values(unequal, 4), rtol=1e-12)
    # the glove game: a left glove and one of two right ones make a pair (Shapley & Shubik)
    _, gloves = compute_shapley(play(lambda left, one, other: left and (one or other)), 3)
    np.testing.assert_allclose(gloves[:, 0], [2 / 3, 1 / 6, 1 / 6], rtol=1e-12)


def test_sampled_shapley_values_add_up_and_are_exact_without_interactions():
    calls = []

    def game(coalitions):
        calls.append(coalitions)
        return coalitions @ np.arange(12.0)[:, None] + 7

    baseline, values = compute_shapley(game, 12, most=100)
    assert len(calls) == 1
    assert len(np.unique(calls[0], axis=0)) == len(calls[0]) <= 100
    np.testing.assert_allclose(values[:, 0], np.arange(12), atol=1e-12)
    baseline, values = compute_shapley(play(lambda *joined: sum(joined) ** 2), 12, most=100)
    np.testing.assert_allclose(baseline + values.sum(axis=0), 144)
    np.testing.assert_allclose(values[:, 0], 12)  # an order and its reverse: (2k - 1 + 2(13 - k) - 1) / 2


def test_a_window_is_the_sum_of_its_components():
    season = np.array([3.0, -1, -2])
    values = np.tile(season, 8)[None] + 10 + 0.5 * np.arange(24)
    components = split_windows(values, values, np.array([4.0]), Scaler(np.array([[0.0]]), np.array([[2.0]])), 12, [3])
    every = np.ones(1, bool), np.ones(1, bool), np.ones((1, 5), bool)
    np.testing.assert_allclose(components.compose(*every), values)
    np.testing.assert_allclose(components.season, np.tile(season, 8)[None] / 2, atol=1e-12)  # the trend is no season
    newest_mean = 10 + 0.5 * np.arange(12, 24).mean()
    np.testing.assert_allclose(components.level, [[(newest_mean - 4) / 2]])
    assert components.parts.tolist() == [4] * 12 + [3] * 3 + [2] * 3 + [1] * 3 + [0] * 3
    none = np.zeros(1, bool)
    np.testing.assert_allclose(components.compose(none, none, np.zeros((1, 5), bool)), 4)
    assert name_parts(components.parts, "h") == [
        "newest 3 hours",
        "4 to 6 hours back",
        "7 to 9 hours back",
        "10 to 12 hours back",
        "13 to 24 hours back",
    ]


def test_components_of_transformed_values_stay_in_the_domain_and_missing_values_stay_missing():
    values = np.array([[1.0, 100, np.nan, 100, 1, 100]])
    scaler = Scaler(np.array([[0.0]]), np.array([[1.0]]), Transform("log", np.array([[1.0]])))
    components = split_windows(values, values, np.array([math.log(5)]), scaler, 6, [2])
    parts = np.array([[True, False, False, False]])
    composed = components.compose(np.zeros(1, bool), np.zeros(1, bool), parts)
    assert np.isnan(composed[0, 2])
    assert (composed[0, [0, 1, 3, 4, 5]] > 0).all()
    np.testing.assert_allclose(components.season[0], [-math.log(10), math.log(10)] * 3, rtol=1e-3)


def test_the_reference_is_the_mean_of_whole_seasons():
    assert find_reference(np.array([50.0, 1, 2, 3, 1, 2, 3]), 3) == 2
    assert find_reference(np.full(7, 0.1), 3) == 0.1


class Linear(Fake):
    """Forecasts the mean of the window plus a weighted sum of the covariates at the step ahead."""

    known_steps = 2
    weights = (2.0, 0.0)

    def encode(self, inputs):
        return [inputs.window.mean(axis=1, keepdims=True)]

    def decode(self, states, previous, future=None, noise=None):
        values = states[0] + self.combine(future[:, :2])  # (batch, steps)
        return DecodedSteps(values[..., None].astype(np.float32), states)

    def combine(self, future):
        return future @ np.array(self.weights)


class Product(Linear):
    """Adds the product of two covariates, half of which each contributes."""

    def combine(self, future):
        return future[..., 0] * future[..., 1]


def build_predictor(network, features=None, scaler=None, season=None, **sections):
    document = {
        "data": {"path": "x.csv", "season": season or 1},
        "window": {"length": 8, "horizon": 2},
        "model": {"decoder": "dense"},
        "split": {"validation": 30, "test": 10},
        **sections,
    }
    config = load_values(document, "x").config
    return Predictor.from_network(network, config, Preprocessing({"y": scaler or Scaler(1.0, 2.0)}, None, features))


def build_series(values, **covariates):
    columns = {name: Column(np.asarray(cells, float)) for name, cells in covariates.items()}
    times = pd.date_range("2026-01-01", periods=len(values), freq="h")
    return Series("y", "y", "t", times, np.asarray(values, float), "h", covariates=columns)


TWO = Features(future=(Encoding("a", 10.0, 2.0), Encoding("b", 1.0, 4.0)))


def explain_series(predictor, series):
    prepared = predictor.prepare([series], 2)
    assert not prepared.problems
    (found,) = explain_panel(predictor, prepared.panel, prepared.features, [series])
    (forecast,) = predictor.forecast([series], 2, [])
    np.testing.assert_allclose(found.forecast, forecast.mean, rtol=1e-6)
    np.testing.assert_allclose(found.baseline.sum(axis=0) + found.totals.sum(axis=0), forecast.mean, rtol=1e-6)
    return found, {group.name: total for group, total in zip(found.groups, found.totals, strict=True)}


def test_a_linear_network_has_contributions_in_closed_form():
    values = np.arange(20.0)
    series = build_series(values, a=[10] * 20 + [14, 6], b=[1] * 20 + [9, 5])
    found, totals = explain_series(build_predictor(Linear(), TWO), series)
    np.testing.assert_allclose(found.baseline, [[9.5, 9.5]], rtol=1e-6)  # the mean of the series
    np.testing.assert_allclose(totals["level"], 15.5 - 9.5, rtol=1e-6)
    np.testing.assert_allclose(totals["a"], [8, -8], rtol=1e-6)  # 2 (a - 10) / 2, in units of 2
    np.testing.assert_allclose(totals["b"], 0, atol=1e-6)  # the forecast does not depend on it
    # the mean of the window is its level; the parts cancel: 7 / 4, 3 / 4, -5 / 4 ... of a quarter of the window each
    np.testing.assert_allclose(totals["newest 2 hours"], 3 / 4, rtol=1e-5)
    np.testing.assert_allclose(totals["7 to 8 hours back"], -3 / 4, rtol=1e-5)


def test_an_interaction_is_shared():
    series = build_series(np.ones(20), a=[10] * 20 + [14, 12], b=[1] * 20 + [9, 13])
    _, totals = explain_series(build_predictor(Product(), TWO), series)
    np.testing.assert_allclose(totals["a"], [2 * 2 * 2 / 2, 2 * 1 * 3 / 2], rtol=1e-6)
    np.testing.assert_allclose(totals["b"], totals["a"], rtol=1e-6)


class LastSeason(Fake):
    """Repeats the steps of four hours ago."""

    def encode(self, inputs):
        return [inputs.window]

    def decode(self, states, previous, future=None, noise=None):
        return DecodedSteps(states[0][:, -4:-2, None], states)


def test_a_seasonal_series_is_its_season_alone():
    predictor = build_predictor(LastSeason(), season=4)
    found, totals = explain_series(predictor, build_series(np.tile([5.0, 7, 1, 3], 10)))
    np.testing.assert_allclose(found.baseline, [[4, 4]], rtol=1e-6)
    np.testing.assert_allclose(totals.pop("season"), [1, 3], rtol=1e-6)
    np.testing.assert_allclose(list(totals.values()), 0, atol=1e-6)


def test_a_stepped_network_is_explained_at_each_step():
    class AddTwoBack(Fake):
        """Forecasts the last value plus one, step by step."""

        def read(self, windows):
            return [windows[:, -1:]]

        def answer(self, states, previous):
            return previous + np.float32(0.5), [previous]

    series = build_series([0.0] * 19 + [20])
    predictor = build_predictor(AddTwoBack(), model={"decoder": "seq2seq"})
    found, totals = explain_series(predictor, series)
    np.testing.assert_allclose(found.baseline, [[1 + 1, 1 + 2]], rtol=1e-6)  # the mean, and a scaled 0.5 each step
    np.testing.assert_allclose(totals["level"], 20 / 8 - 1, rtol=1e-5)
    np.testing.assert_allclose(totals["newest 2 hours"], 20 - 20 / 8, rtol=1e-5)


def test_a_blend_is_explained_by_forecaster():
    predictor = build_predictor(LastSeason(), season=4, model={"decoder": "dense"})
    fallback = Fallback(("network", "naive"), {"y": (0.75, 0.25)}, (1.0, 0.0))
    predictor = Predictor(
        predictor.rollout, predictor.config, predictor.preprocessing, calibration=Calibration(fallback=fallback)
    )
    found, _ = explain_series(predictor, build_series(np.tile([5.0, 7, 1, 3], 10)))
    assert found.forecasters == ("network", "naive")
    assert found.weights.tolist() == [0.75, 0.25]
    np.testing.assert_allclose(found.baseline, [[3, 3], [1, 1]], rtol=1e-6)
    season = [group.name for group in found.groups].index("season")
    np.testing.assert_allclose(found.values[:, season], [[0.75, 2.25], [-0.25, -0.25]], rtol=1e-6)
    table = found.to_frame()
    assert len(table) == 2 * 2 * (1 + len(found.groups))
    np.testing.assert_allclose(table.groupby("step")["contribution"].sum(), found.forecast)
    text = format_contributions([found])
    assert text.startswith("y: the 2 hours after 2 January 2026 15:00\n")
    assert "network         75%" in text
    lines = format_contributions_csv([found]).splitlines()
    assert lines[0] == "series,origin,timestamp,step,forecaster,group,kind,contribution"
    assert lines[1].startswith("y,2026-01-02 15:00:00,2026-01-02 16:00:00,1,network,baseline,baseline,3.0")


def test_the_error_grows_where_what_the_network_reads_is_permuted():
    generator = np.random.default_rng(0)
    a, b = generator.normal(10, 2, 202), generator.normal(1, 4, 202)
    values = 1 + 2 * (a - 10)[:200]  # in scaled units (a - 10), which the network forecasts by weight 2 of (a - 10) / 2
    series = build_series(values, a=a, b=b)

    class Exact(Linear):
        def encode(self, inputs):
            return [np.zeros((len(inputs.window), 1))]

    predictor = build_predictor(Exact(), TWO, split={"validation": 60, "test": 10})
    split = Split(130, 190, 200)
    members = only(series, split, Scaler(1.0, 2.0))
    columns = Columns(series.covariates, np.array([202]))
    members = dataclasses.replace(members, panel=dataclasses.replace(members.panel, columns=columns))
    found = measure_importance_of(Plan(predictor.config, members, None, TWO), predictor)
    assert found.mase == pytest.approx(0, abs=1e-6)
    increases = dict(zip(found.table["group"], found.table["increase"], strict=True))
    assert found.table["group"].iloc[0] == "a"
    # the mean distance of two independent values over that of two neighbours, both of the same distribution
    assert increases.pop("a") == pytest.approx(1, abs=0.3)
    np.testing.assert_allclose(list(increases.values()), 0, atol=1e-6)


def test_channels_that_are_read_together_contribute_to_each_other():
    class Crossed(Fake):
        """Forecasts each of two series by the last value of the other."""

        width = 2

        def encode(self, inputs):
            return [inputs.window[:, -2:]]

        def decode(self, states, previous, future=None, noise=None):
            return DecodedSteps(np.repeat(states[0][:, None, ::-1], 2, axis=1).reshape(-1, 4, 1), states)

    document = {
        "data": {"path": "x.csv", "target": ["y", "z"], "season": 1},
        "window": {"length": 8, "horizon": 2},
        "model": {"decoder": "dense", "channels": "joint"},
    }
    scalers = {"y": Scaler(0.0, 1.0), "z": Scaler(0.0, 1.0)}
    predictor = Predictor.from_network(Crossed(), load_values(document, "x").config, Preprocessing(scalers))
    one = build_series([1.0] * 12 + [3])
    other = dataclasses.replace(one, name="z", target="z", values=one.values * 10)
    prepared = predictor.prepare([one, other], 2)
    first, second = explain_panel(predictor, prepared.panel, prepared.features, [one, other])
    np.testing.assert_allclose([first.forecast, second.forecast], [[30, 30], [3, 3]])
    for found, name, size in ((first, "z", 10), (second, "y", 1)):
        totals = {group.name: total for group, total in zip(found.groups, found.totals, strict=True)}
        np.testing.assert_allclose(totals.pop(name), size * (3 - 15 / 13), rtol=1e-5)
        np.testing.assert_allclose(list(totals.values()), 0, atol=1e-6)


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(RUNS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_contributions_of_a_run_add_up_to_what_predict_forecasts(forecast, folder):
    options = ["--data", "shops.csv", "-o", "out.csv", "--plot", "out.png"]
    result = forecast("explain", "shops", *options, cwd=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    table = pd.read_csv(folder / "out.csv")
    sums = table.groupby(["series", "step"])["contribution"].sum()
    expected = pd.read_csv(folder / "shops-expected.csv").set_index(["series", "step"])["mean"]
    pd.testing.assert_series_equal(sums, expected, check_names=False, rtol=1e-5)
    assert set(table["kind"]) == {"baseline", "level", "season", "window"}
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")


def test_importance_of_a_run_is_a_table_or_a_csv(forecast, folder):
    result = forecast("explain", "shops", "--data", "shops.csv", "--show", "importance", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("validation: MASE 0.7912 at 21 origins\npermuted ")
    options = ["--show", "importance", "-o", "-", "--plot", "importance.png"]
    result = forecast("explain", "shops", "--data", "shops.csv", *options, cwd=folder)
    table = pd.read_csv(io.StringIO(result.stdout))
    assert list(table.columns) == ["group", "kind", "increase", "deviation", "percent"]
    assert table["group"].iloc[0] == "season"  # a week, which the data were made with
    assert table["increase"].iloc[0] > 4 * table["increase"].iloc[1]


def test_a_file_is_explained_without_training(forecast, folder):
    result = forecast("explain", "load.csv", "-o", "out.csv", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    sums = pd.read_csv(folder / "out.csv").groupby("step")["contribution"].sum()
    rows = pd.read_csv(io.StringIO(forecast("predict", "load.csv", cwd=folder).stdout)).set_index("step")["mean"]
    np.testing.assert_allclose(sums, rows, atol=0.02)  # the forecast is rounded


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shops", "--data", "shops.csv", "--series", "c"], "there is no series of the name c; expected a, b"),
        (["shops", "--show", "similar", "--plot", "x.png"], "there is no picture of --show similar"),
        (["shops.csv", "--show", "importance"], "this option needs a trained network"),
    ],
)
def test_what_cannot_be_explained_is_refused(forecast, folder, arguments, message):
    result = forecast("explain", *arguments, cwd=folder)
    assert result.returncode == 2
    assert message in result.stderr
