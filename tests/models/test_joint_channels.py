"""Several series that are read and answered together: normalised separately, served as Keras has them."""

import numpy as np
import pytest
import tensorflow as tf

from forecaster.config.schema import Model
from forecaster.forecasting.distributions import select_distribution
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.normalization import build_normalization
from tests.helpers.networks import fitted, randomised

pytestmark = pytest.mark.slow

LENGTH, AHEAD = 12, 6


def interleaved(*channels) -> np.ndarray:
    """(steps,) each -> (1, steps * channels)."""
    return np.stack(channels, axis=-1).reshape(1, -1).astype("float32")


@pytest.mark.parametrize("name", ["none", "last", "mean", "revin", "seasonal", "profile"])
def test_each_channel_is_normalised_as_it_would_be_alone(name):
    generator = np.random.default_rng(0)
    windows = [10 * generator.random(8) - 3, generator.random(8)]
    joint, alone = build_normalization(name, 4, 2, 2), build_normalization(name, 4, 2)
    read, anchors = joint(tf.constant(interleaved(*windows)))
    offset, scale = joint.compute_affine(anchors, 2 * 6)
    for channel, window in enumerate(windows):
        expected, its_anchors = alone(tf.constant(window[None], tf.float32))
        np.testing.assert_allclose(read[:, channel::2], expected, atol=1e-5)
        one_offset, one_scale = alone.compute_affine(its_anchors, 6)
        for found, wanted in ((offset, one_offset), (scale, one_scale)):
            its = np.broadcast_to(found, (1, 12))[:, channel::2]
            np.testing.assert_allclose(its, np.broadcast_to(wanted, (1, 6)), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (Model(units=4, decoder="dense", normalization="last"), "direct"),
        (Model(cell="gru", units=4, decoder="positional", segment=3, normalization="revin"), "direct"),
        (Model(units=4, decoder="seq2seq", segment=2, normalization="seasonal"), "carry"),
        (Model(units=4, decoder="context", segment=2), "carry"),
    ],
)
def test_rows_of_channels_are_forecast_as_keras_has_them(model, kind):
    network, served = randomised(model, LENGTH, AHEAD, 4, channels=3, known_width=1)
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(6, LENGTH)).astype("float32")  # three channels of two windows
    features = np.repeat(generator.normal(size=(2, LENGTH + AHEAD, 1)).astype("float32"), 3, axis=0)
    found = Rollout(served, kind, channels=3)(Inputs(rows, features[:, :LENGTH], features[:, LENGTH:]), AHEAD).mean
    for first in (0, 3):
        inputs = Inputs(
            interleaved(*rows[first : first + 3]),
            features[first : first + 1, :LENGTH],
            features[first : first + 1, LENGTH:],
        )
        answer = np.asarray(network(inputs))[0, :, 0].reshape(AHEAD, 3)
        np.testing.assert_allclose(found[first : first + 3], answer.T, atol=1e-5)


@pytest.mark.parametrize("kind", ["slide", "carry"])
def test_a_rollout_of_channels_feeds_all_of_them_back(kind):
    network, served = randomised(Model(units=3, segment=2), LENGTH, 2, channels=2)
    rows = np.random.default_rng(1).normal(size=(2, LENGTH)).astype("float32")
    found = Rollout(served, kind, channels=2)(Inputs(rows), 5).mean  # two segments and a half
    known = interleaved(*rows)
    for _ in range(3):
        answer = network(Inputs(known[:, -2 * LENGTH :] if kind == "slide" else known))[..., 0]
        known = np.concatenate([known, answer], axis=1)
    np.testing.assert_allclose(found, known[0, 2 * LENGTH :].reshape(6, 2).T[:, :5], atol=1e-5)


def test_paths_of_channels_are_drawn_for_each():
    model = Model(units=4, decoder="seq2seq", head="normal")
    _, served = randomised(model, LENGTH, AHEAD, channels=2)
    found = Rollout(served, "carry", select_distribution(model, 1.0), 7, channels=2)(
        Inputs(np.zeros((4, LENGTH), "float32")), 3
    )
    assert found.parameters.shape == (4, 3, 7)


@pytest.mark.parametrize("decoder", ["dense", "positional", "seq2seq"])
def test_a_channel_that_follows_another_is_learnt_from_it(decoder):
    """The second channel is the first, `ahead` steps later; the first is noise."""
    length, ahead = 4, 3

    def batch(generator):
        noise = generator.normal(size=(64, length + 2 * ahead)).astype("float32")
        values = np.stack([noise[:, ahead:], noise[:, :-ahead]], axis=-1)  # (64, length + ahead, 2)
        return values[:, :length].reshape(64, -1), values[:, length:].reshape(64, -1)

    network = build_network(Model(cell="gru", units=[16], decoder=decoder), length, ahead, channels=2)
    network = fitted(network, batch, steps=150, rate=0.04)
    windows, targets = batch(np.random.default_rng(9))
    errors = ((np.asarray(network(Inputs(windows)))[..., 0] - targets) ** 2).reshape(64, ahead, 2).mean(axis=(0, 1))
    assert errors[1] < 0.4
    assert errors[0] > 0.8


WIDE = """\
data: {path: wide.csv, time: hour, target: "*", frequency: h, season: 24, covariates: {future: [open]}, calendar: [hour]}
window: {length: 6, horizon: 4}
model: {cell: gru, units: 4, decoder: seq2seq, attention: additive, channels: joint, normalization: last}
training: {epochs: 2, batch_size: 64}
forecast: {levels: [80]}
"""


def wide_csv(ragged: bool = True) -> str:
    """Two targets of which one begins later, and a covariate known three hours ahead."""
    rows = ["hour,load,solar,open"]
    for hour in range(203):
        time = np.datetime64("2026-01-01T00") + np.timedelta64(hour, "h")
        load = f"{100 + hour % 24}" if hour < 200 else ""
        solar = f"{max(0, 12 - abs(hour % 24 - 12))}" if 5 * ragged <= hour < 200 else ""
        rows.append(f"{str(time).replace('T', ' ')}:00:00,{load},{solar},{int(8 <= hour % 24 < 20)}")
    return "\n".join(rows) + "\n"


@pytest.mark.slow
def test_targets_of_a_wide_file_are_trained_forecast_and_explained_together(tmp_path, forecast):
    (tmp_path / "wide.csv").write_text(wide_csv())
    (tmp_path / "wide.yaml").write_text(WIDE)
    trained = forecast("train", "wide.yaml", "--verbose", cwd=tmp_path, fitted=False)
    assert trained.returncode == 0, trained.stderr
    assert "2 series: 390 hours, 2026-01-01 05:00:00 to" in trained.stderr  # from where both are known
    predicted = forecast("predict", "runs/wide", "--horizon", 3, "--samples", "paths.csv", cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    rows = [row.split(",") for row in predicted.stdout.splitlines()[1:]]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        (name, f"2026-01-09 {8 + step:02}:00:00", str(step + 1)) for name in ("load", "solar") for step in range(3)
    ]
    assert len((tmp_path / "paths.csv").read_text().splitlines()) == 1 + 2 * 200 * 3
    template = forecast("future", "runs/wide", "--horizon", 4, cwd=tmp_path)
    assert template.stdout.splitlines() == ["hour,open"] + [f"2026-01-09 {hour:02}:00:00,1" for hour in (8, 9, 10)] + [
        "2026-01-09 11:00:00,"
    ]
    explained = forecast("explain", "runs/wide", cwd=tmp_path)
    assert explained.returncode == 4  # the fourth step's covariate is not known
    features = forecast("predict", "runs/wide", "--data", "wide.csv", "--horizon", 4, cwd=tmp_path)
    assert features.returncode == 4
    assert "open: 1 cell is missing: 2026-01-09 11:00:00" in features.stderr
    assert "[series load]" in features.stderr
    diagnosed = forecast("diagnose", "runs/wide", cwd=tmp_path)
    assert diagnosed.returncode == 0, diagnosed.stderr


@pytest.mark.slow
def test_each_target_alone_is_forecast_through_one_network(tmp_path, forecast):
    (tmp_path / "wide.csv").write_text(wide_csv())
    (tmp_path / "wide.yaml").write_text(WIDE.replace("channels: joint, ", "").replace("additive", "none"))
    order = ["--set", "data.target=[solar, load]"]
    trained = forecast("train", "wide.yaml", "--verbose", *order, cwd=tmp_path, fitted=False)
    assert trained.returncode == 0, trained.stderr
    assert "395 hours" in trained.stderr  # each from its own beginning
    predicted = forecast("predict", "runs/wide", "--horizon", 3, cwd=tmp_path)
    assert [row.split(",")[0] for row in predicted.stdout.splitlines()[1:]] == 3 * ["solar"] + 3 * ["load"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.target=load"], "model.channels: joint reads several targets together"),
        (["model.series_scale=true"], "model.series_scale: distinguishes series, which channels: joint reads together"),
    ],
)
def test_what_cannot_be_read_together_is_refused(tmp_path, forecast, overrides, message):
    (tmp_path / "wide.csv").write_text(wide_csv())
    (tmp_path / "wide.yaml").write_text(WIDE)
    result = forecast("validate", "wide.yaml", *(x for each in overrides for x in ("--set", each)), cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr


def test_targets_without_a_common_step_are_refused(tmp_path, forecast):
    lines = wide_csv(ragged=False).splitlines()
    cut = [lines[0]]
    for number, line in enumerate(lines[1:]):
        hour, load, solar, opened = line.split(",")
        cut.append(f"{hour},{load if number < 90 else ''},{solar if number >= 100 else ''},{opened}")
    (tmp_path / "wide.csv").write_text("\n".join(cut) + "\n")
    (tmp_path / "wide.yaml").write_text(WIDE)
    result = forecast("validate", "wide.yaml", cwd=tmp_path)
    assert result.returncode == 4
    assert "load, solar: they have no step in common" in result.stderr


def test_ids_that_lack_a_target_are_refused_together(tmp_path, forecast):
    (tmp_path / "wide.csv").write_text("id,hour,load,solar\nx,1,1,2\nx,2,2,3\ny,1,5,\ny,2,6,\n")
    (tmp_path / "wide.yaml").write_text(
        "data: {path: wide.csv, time: hour, series: id, target: [load, solar], frequency: step, season: 1}\n"
        "window: {length: 2, horizon: 1}\nmodel: {decoder: dense, channels: joint}\n"
    )
    result = forecast("validate", "wide.yaml", cwd=tmp_path)
    assert result.returncode == 4
    assert "y/load: not every target has a number here; model.channels: joint reads load, solar" in result.stderr
