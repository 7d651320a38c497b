"""What is chosen for a CSV when nobody chose."""

import numpy as np
import pandas as pd
import pytest

from forecaster import default_config, regular_files
from forecaster.config import load, load_config
from forecaster.data.sources import files
from forecaster.default_config import load_or_propose
from forecaster.default_settings import _choose_batches, _choose_segment
from forecaster.errors import ConfigError, DataError
from forecaster.evaluation.baselines import BASELINES, BaselineForecast
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.preprocessing.plan import plan_training
from forecaster.preprocessing.read_data import read_data
from tests.helpers.command import write_hourly_csv


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


def csv(tmp_path, values, frequency="h"):
    path = tmp_path / "x.csv"
    times = pd.date_range("2020-01-01", periods=len(values), freq=frequency)
    pd.DataFrame({"time": times, "y": values}).to_csv(path, index=False)
    return path


def csv_with_covariate(tmp_path):
    path = csv(tmp_path, NOISE[:400] + np.sin(STEPS[:400] * 2 * np.pi / 7), "D")
    pd.read_csv(path).assign(x=NOISE[:400]).to_csv(path, index=False)
    return path


def propose(path, overrides=()):
    return default_config.propose(path, overrides).loaded.config


STEPS = np.arange(1500)
NOISE = np.random.default_rng(0).normal(size=1500)


@pytest.mark.parametrize(
    ("values", "normalization"),
    [
        (10 * np.sin(STEPS * 2 * np.pi / 24) + NOISE, "profile"),
        (np.tile(10 * np.sin(STEPS * 2 * np.pi / 24) + NOISE, 2), "seasonal"),
        (np.cumsum(NOISE), "last"),
        (NOISE, "mean"),
    ],
    ids=["a season", "a season of a long series", "a random walk", "noise"],
)
def test_the_normalization_is_the_anchor_that_forecasts_best(tmp_path, values, normalization):
    assert propose(csv(tmp_path, values)).model.normalization == normalization


@pytest.mark.parametrize(
    ("frequency", "length", "horizon"),
    [
        ("h", 336, 24),
        ("30min", 336, 48),
        ("D", 56, 14),
        ("B", 40, 10),
        ("W-MON", 364, 13),
        ("MS", 48, 12),
        ("QS", 32, 8),
    ],
)
def test_window_and_horizon_come_from_the_frequency(tmp_path, frequency, length, horizon):
    window = propose(csv(tmp_path, NOISE[: 1500 if frequency != "QS" else 400], frequency)).window
    assert (window.length, window.horizon) == (length, horizon)


@pytest.mark.parametrize("rows", [12, 20, 30, 50, 144])
def test_a_short_series_gets_a_plan_that_fits_it(tmp_path, forecast, rows):
    csv(tmp_path, NOISE[:rows], "MS")
    assert forecast("init", "x.csv", cwd=tmp_path).returncode == 0
    result = forecast("validate", "x.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_long_series_copies_its_days_and_a_short_one_is_forecast_by_several_networks(tmp_path):
    long, short = (propose(csv(tmp_path, np.tile(STEPS % 24 + NOISE, 2)[:rows])) for rows in (2500, 400))
    assert (long.model.segment, long.model.copy_segments, long.ensemble) == (24, True, None)
    assert (short.model.copy_segments, short.ensemble.size, short.ensemble.vary) == (False, 4, "start")


@pytest.mark.parametrize(
    ("season", "length", "segment"), [(24, 336, 24), (12, 35, 6), (12, 13, 1), (7, 20, 1), (1, 9, 1)]
)
def test_a_window_holds_two_segments_behind_its_first_season(season, length, segment):
    assert _choose_segment(season, length) == segment


def test_what_is_set_stays_as_set(tmp_path):
    config = propose(csv(tmp_path, NOISE), ["window.horizon=3", "model.cell=gru", "data.season=12"])
    assert (config.window.horizon, config.model.cell, config.data.season) == (3, "gru", 12)


def test_what_is_set_is_checked_against_what_is_found(tmp_path):
    config = propose(csv(tmp_path, NOISE), ["ensemble.vary=window", "model.copy_segments=false"])
    assert (config.ensemble.vary, config.ensemble.size) == ("window", 4)


@pytest.mark.parametrize(
    "override",
    [
        "data.covariates.future=[x]",
        "data.covariates.past=[x]",
        "data.covariates.missing.x=last",
        "ensemble.size=1",
        "ensemble.vary=snapshot",
        "training.sign_flip=true",
        "model.decoder=seq2seq",
        "model.output=sequence",
        "model.segment=5",
        "window.length=20",
        "window.length=3",
    ],
)
def test_what_is_chosen_changes_where_it_conflicts_with_what_is_set(tmp_path, override):
    columns = ["data.target=y", *(["data.covariates.past=[x]"] if "missing" in override else [])]
    loaded, panel = default_config.propose(csv_with_covariate(tmp_path), [*columns, override])
    config = plan_training(loaded, panel).config
    key, _, value = override.partition("=")
    kept = config
    for name in key.split("."):
        kept = kept[name] if isinstance(kept, dict) else getattr(kept, name)
    assert str(list(kept) if isinstance(kept, tuple) else kept).lower().replace("'", "") == value


def test_two_set_values_that_conflict_are_refused(tmp_path):
    overrides = ["data.target=y", "data.covariates.past=[x]", "model.decoder=rollout"]
    with pytest.raises(ConfigError, match="decoder rollout reads next"):
        propose(csv_with_covariate(tmp_path), overrides)


def test_check_takes_past_covariates_of_a_csv(tmp_path, forecast):
    overrides = ["--set", "data.target=y", "--set", "data.covariates.past=[x]"]
    assert forecast("check", str(csv_with_covariate(tmp_path)), *overrides).returncode == 0


@pytest.mark.parametrize(("head", "vary"), [("normal", "sign_flip"), ("categorical", "seed")])
def test_a_head_that_is_set_has_its_own_loss_and_networks_that_it_can_be_taught_by(tmp_path, head, vary):
    config = propose(csv(tmp_path, NOISE), [f"model.head={head}", "model.pretrained=false"])
    assert (config.training.loss, config.ensemble.vary) == ("auto", vary)
    assert propose(csv(tmp_path, NOISE), [f"model.head={head}"]).ensemble.vary == "start"


def test_a_wrong_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        propose(csv(tmp_path, NOISE), ["training.epoch=3"])


def count_calls(monkeypatch, owner, name) -> list:
    """Record the calls of a function, which still runs."""
    calls, real = [], getattr(owner, name)

    def counted(*given, **further):
        calls.append(given)
        return real(*given, **further)

    monkeypatch.setattr(owner, name, counted)
    return calls


@pytest.mark.parametrize("pattern", [False, True])
def test_data_are_found_once_read_once_and_the_config_is_validated_twice(tmp_path, monkeypatch, pattern):
    path = csv(tmp_path, NOISE)
    monkeypatch.chdir(tmp_path)
    looked_up = count_calls(monkeypatch, files, "exists")
    looked_up_as_pattern = count_calls(monkeypatch, regular_files, "exists")
    globbed = count_calls(monkeypatch, files, "find_matches")
    opened = count_calls(monkeypatch, files, "open_regular_file")
    validated = count_calls(monkeypatch, load, "_validate")
    loaded, config, panel = load_or_propose(tmp_path / "?.csv" if pattern else path)
    plan = plan_training(loaded, panel)
    assert (len(looked_up) + len(looked_up_as_pattern), len(globbed)) == ((1, 1) if pattern else (1, 0))
    assert len(opened) == 2  # for its kind, and for its content
    assert len(validated) == 2  # before the data are read, and after
    assert load_config(config).config == loaded.config
    again = read_data(plan.config)
    assert again.names == plan.members.panel.names
    np.testing.assert_array_equal(again.values, plan.members.panel.values)


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [([], True), (["model.head=log_normal", "scaling=mean"], False), (["data.gaps=seasonal"], False)],
)
def test_series_are_read_again_where_the_config_reads_them_otherwise(tmp_path, overrides, kept):
    panel = default_config.propose(csv(tmp_path, np.abs(NOISE) + 1), overrides).panel
    assert (panel is not None) == kept


def panel_csv(tmp_path, rows):
    """A row for each series."""
    path = tmp_path / "x.csv"
    longest = max(map(len, rows))
    lines = [",".join(["name", *(str(step + 1) for step in range(longest))])]
    lines += [",".join([f"s{number}", *map(str, row), *[""] * (longest - len(row))]) for number, row in enumerate(rows)]
    path.write_text("\n".join(lines))
    return path


def make_short_months(count=40):
    generator = np.random.default_rng(1)
    lengths = generator.integers(50, 130, count)
    season = 10 * np.sin(np.arange(130) * 2 * np.pi / 12)
    return [
        (10.0**place * (100 + season[:length] + 8 * generator.normal(size=length))).round(3)
        for place, length in zip(generator.integers(0, 5, count), lengths, strict=True)
    ]


def test_short_series_of_a_panel_share_their_season_and_are_all_trained_on(tmp_path):
    rows = make_short_months()
    loaded, panel = default_config.propose(panel_csv(tmp_path, rows), ["data.layout=rows"])
    plan = plan_training(loaded, panel)
    config = plan.config
    assert (config.data.season, config.window.horizon, config.model.normalization) == (12, 12, "profile")
    assert len(plan.members) == len(rows)
    assert config.window.min_length < config.window.length
    # The unit of the errors: each series' own change from a year before.
    changes = [np.abs(row[12:] - row[:-12]).mean() for row in rows]
    units = np.asarray(plan.members.scaler.scale)[:, 0]
    np.testing.assert_allclose(units / changes, 1, atol=0.3)


@pytest.mark.parametrize(
    ("lengths", "trained", "size"),
    [([120, 110, 100], 3, 4), ([120, 60, 40], 2, 3), ([60, 120], 2, 4), ([144, 144], 2, 4)],
    ids=["alike", "of many lengths", "half as long", "of one length"],
)
def test_two_to_four_series_have_settings_that_fit_them(tmp_path, lengths, trained, size):
    steps = np.arange(max(lengths))
    rows = [(100 + 10 * np.sin(steps * np.pi / 6) + NOISE[steps])[:length].round(3) for length in lengths]
    overrides = ["data.layout=rows", "data.season=12"]
    loaded, panel = default_config.propose(panel_csv(tmp_path, rows), overrides)
    plan = plan_training(loaded, panel)
    assert len(plan.members) == trained
    assert plan.config.ensemble.size == size  # 4 of series alike, 3 of a panel
    fewest = plan.config.window.min_length or plan.config.window.length
    assert fewest <= min(lengths)  # those that are not trained on are forecast, too


@pytest.mark.parametrize(("error", "pretrained"), [(0.0, True), (30.0, False)])
def test_a_panel_starts_from_the_zero_shot_forecast_where_that_beats_naive_ones(
    tmp_path, monkeypatch, error, pretrained
):
    asked = []

    def forecast(values, origins, horizon, seasons, levels):
        asked.append(origins)
        return BaselineForecast(values[origins[:, None] + np.arange(1, horizon + 1)] + error, {})

    monkeypatch.setitem(BASELINES, ZERO_SHOT, forecast)
    rows = [NOISE[first : first + 100] for first in range(0, 800, 100)]
    config = propose(panel_csv(tmp_path, rows), ["data.layout=rows", "data.season=12"])
    assert config.model.pretrained is pretrained
    # From one origin of each series, whose steps ahead end where the test part begins.
    assert [origins.tolist() for origins in asked] == 8 * [[99 - config.split.test - config.window.horizon]]


def test_a_panel_of_days_copies_them_without_a_zero_shot_forecast(tmp_path):
    rows = [10 * np.sin(STEPS[:800] * np.pi / 12) + NOISE[:800].round(3) for _ in range(5)]
    model = propose(panel_csv(tmp_path, rows), ["data.layout=rows", "data.season=24"]).model
    assert (model.copy_segments, model.pretrained) == (True, False)


def test_no_series_is_too_large_for_a_panel_whose_changes_grow_with_the_level(tmp_path):
    steps = np.arange(120)
    generator = np.random.default_rng(2)
    growing = [
        (50 * 1.02**steps * (1 + 0.2 * np.sin(steps * 2 * np.pi / 12)) * generator.lognormal(0, 0.02, 120)).round(3)
        for _ in range(8)
    ]
    assert propose(panel_csv(tmp_path, growing), ["data.layout=rows"]).data.transform == "log1p"
    assert propose(panel_csv(tmp_path, make_short_months()), ["data.layout=rows"]).data.transform == "none"


@pytest.mark.parametrize(
    ("windows", "batch_size", "batches", "epochs"),
    [(300, 16, None, 40), (3200, 32, None, 40), (47_000, 256, 100, 5), (2_000_000, 256, 100, 15)],
)
def test_batches_and_epochs_of_a_panel_come_from_its_windows(windows, batch_size, batches, epochs):
    assert _choose_batches(windows) == (batch_size, batches, epochs)


@pytest.mark.parametrize(
    ("rows", "batch_size", "batches", "rate"), [(5_000, 64, None, 0.003), (18_000, 256, 50, 0.008)]
)
def test_a_series_of_many_windows_is_trained_in_larger_batches_at_a_larger_rate(
    tmp_path, rows, batch_size, batches, rate
):
    training = propose(write_hourly_csv(tmp_path / "x.csv", rows)).training
    found = training.batch_size, training.batches_per_epoch, training.optimizer.learning_rate
    assert found == (batch_size, batches, rate)


@pytest.mark.parametrize("overrides", [[], ["data.time=null"]])
def test_a_file_with_a_series_in_each_row_is_refused_with_its_layout(tmp_path, overrides):
    path = panel_csv(tmp_path, make_short_months(6))
    with pytest.raises(DataError) as caught:
        propose(path, overrides)
    (problem,) = caught.value.problems
    (repair,) = problem.repairs
    assert (problem.code, repair) == ("series-in-rows", {"data.layout": "rows", "data.series": "name"})
    assert propose(path, [f"{key}={value}" for key, value in repair.items()]).data.layout == "rows"


def test_columns_after_dates_are_not_taken_for_steps(tmp_path):
    path = tmp_path / "x.csv"
    days = pd.date_range("2026-01-01", periods=60)
    pd.DataFrame({"day": days} | {f"s{number}": NOISE[:60] for number in range(1, 20)}).to_csv(path, index=False)
    assert propose(path, ["data.target=*"]).data.layout == "columns"


@pytest.mark.parametrize(("cumulated", "normalization"), [(True, "last"), (False, "mean")])
def test_the_normalization_of_a_panel_without_a_season_is_that_of_most_series(tmp_path, cumulated, normalization):
    generator = np.random.default_rng(5)
    rows = [generator.normal(size=90) for _ in range(8)]
    rows = [(row.cumsum() if cumulated else row).round(3) for row in rows]
    config = propose(panel_csv(tmp_path, rows), ["data.layout=rows"])
    assert (config.data.season, config.model.normalization) == (1, normalization)


@pytest.mark.parametrize(("error", "pretrained"), [(0.0, True), (30.0, False)])
def test_a_short_series_starts_from_the_zero_shot_forecast_where_that_beats_naive_ones(
    tmp_path, monkeypatch, error, pretrained
):
    def forecast(values, origins, horizon, seasons, levels):
        return BaselineForecast(values[origins[:, None] + np.arange(1, horizon + 1)] + error, {})

    monkeypatch.setitem(BASELINES, ZERO_SHOT, forecast)
    config = propose(csv(tmp_path, NOISE))
    assert (config.model.pretrained, config.ensemble.vary) == (pretrained, "start" if pretrained else "sign_flip")
    for value in (True, False):
        config = propose(csv(tmp_path, NOISE), [f"model.pretrained={value}".lower()])
        assert (config.model.pretrained, config.ensemble.vary) == (value, "start" if value else "sign_flip")
    config = propose(csv(tmp_path, NOISE), ["model.pretrained=true", "model.head=categorical"])
    assert config.ensemble.vary == "start"
    assert not propose(csv(tmp_path, NOISE), ["model.decoder=rollout"]).model.pretrained
    assert not propose(csv(tmp_path, NOISE), ["model.copy_segments=true"]).model.pretrained
    assert not propose(csv(tmp_path, np.tile(NOISE, 2))).model.pretrained  # a long series copies its days
