"""Networks that read covariates: what they learn from them, and rollouts that read the features of each step."""

import numpy as np
import pytest

from forecaster.config.schema import Model
from forecaster.forecasting.rollout import Rollout
from forecaster.inputs import Inputs
from forecaster.models import build_network
from tests.helpers.networks import fitted, randomised

pytestmark = pytest.mark.slow

LENGTH, AHEAD = 12, 6
FEW, NEXT = 8, 4  # steps read and forecast where networks learn
DECODERS = {
    "dense": Model(cell="lstm", units=[8], decoder="dense"),
    "positional": Model(cell="lstm", units=[8], decoder="positional", segment=2),
    "seq2seq": Model(cell="gru", units=[8], decoder="seq2seq", segment=2),
    "context": Model(cell="lstm", units=[8], decoder="context"),
    "rollout": Model(cell="lstm", units=[8]),
    "sequence": Model(cell="lstm", units=[8], output="sequence"),
}


def driven_by_features(has_past: bool, ahead: int):
    """The value of a step is its known feature, plus a past feature at the end of the window, if there is one.

    With a past feature the window is noise, so that neither can be read off the other values.
    """

    def batch(generator):
        features = generator.normal(size=(64, FEW + ahead, 1 + has_past)).astype("float32")  # the known one last
        values = features[..., -1] + (features[:, FEW - 1 : FEW, 0] if has_past else 0)
        window = generator.normal(size=(64, FEW)).astype("float32") if has_past else values[:, :FEW]
        return Inputs(window, features[:, :FEW], features[:, FEW:, -1:]), values[:, FEW:]

    return batch


@pytest.mark.parametrize("name", DECODERS)
def test_a_network_learns_from_the_past_and_the_known_future_of_covariates(name):
    model = DECODERS[name]
    is_rollout = model.decoder == "rollout"  # which reads nothing that is known of the past only
    ahead, past = (model.segment, 0) if is_rollout else (NEXT, 1)
    batch = driven_by_features(bool(past), ahead)
    network = build_network(model, FEW, ahead, season=4, past_width=past, known_width=1)
    network = fitted(network, batch, steps=60 + 20 * past, rate=0.04)
    inputs, targets = batch(np.random.default_rng(9))
    assert np.mean((np.asarray(network(inputs))[..., 0] - targets) ** 2) < 0.15  # 1 without one of them


@pytest.mark.parametrize("kind", ["slide", "carry"])
@pytest.mark.parametrize("segment", [1, 2])
def test_a_rollout_reads_the_features_of_each_step_it_gives(kind, segment):
    network, served = randomised(Model(units=3, segment=segment), LENGTH, segment, known_width=2)
    generator = np.random.default_rng(1)
    window, features = (generator.normal(size=size).astype("float32") for size in ((2, LENGTH), (2, LENGTH + 5, 2)))
    found = Rollout(served, kind)(Inputs(window, features[:, :LENGTH], features[:, LENGTH:]), 5).mean
    known = window
    while known.shape[1] < LENGTH + 5:  # through Keras: all that is known by then is read again
        end = known.shape[1]
        first = end - LENGTH if kind == "slide" else 0
        future = features[:, end:][:, [0, 1 if end + 1 < LENGTH + 5 else 0][:segment]]
        answer = network(Inputs(known[:, first:], features[:, first:end], future))[..., 0]
        known = np.concatenate([known, answer], axis=1)
    np.testing.assert_allclose(found, known[:, LENGTH:][:, :5], atol=1e-5)


def test_a_sequence_to_sequence_reads_the_features_of_each_step():
    network, served = randomised(
        Model(units=3, decoder="seq2seq", segment=2), LENGTH, AHEAD, past_width=1, known_width=2
    )
    generator = np.random.default_rng(1)
    window, features = (generator.normal(size=size).astype("float32") for size in ((2, LENGTH), (2, LENGTH + AHEAD, 3)))
    inputs = Inputs(window, features[:, :LENGTH], features[:, LENGTH:, 1:])
    found = Rollout(served, "carry")(inputs, AHEAD).mean
    np.testing.assert_allclose(found, network(inputs)[..., 0], atol=1e-5)
    other = inputs._replace(
        future=inputs.future + np.array([0, 0, 0, 0, 1, 1], "float32")[:, None]
    )  # the third segment
    np.testing.assert_allclose(Rollout(served, "carry")(other, AHEAD).mean[:, :4], found[:, :4], atol=1e-6)
    assert not np.allclose(
        Rollout(served, "carry")(other.select(slice(None)), AHEAD).mean[:, 4:], found[:, 4:], atol=1e-3
    )
