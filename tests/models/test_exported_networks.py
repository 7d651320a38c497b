"""Exported networks and their rollouts, against the Keras network and a plain loop over it."""

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from forecaster.config.schema import Activation, Model
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.weights import dump_weights, load_weights
from forecaster.training.export import export_onnx
from tests.helpers import networks
from tests.helpers.fake_network import one_answer, roll_out

pytestmark = pytest.mark.slow

LENGTH = 9


def randomised(model: Model, ahead: int):
    return networks.randomised(model, LENGTH, ahead)


def random_network(model: Model, ahead: int):
    return networks.random_network(model, LENGTH, ahead)


WINDOWS = np.random.default_rng(4).normal(size=(6, LENGTH)).astype("float32")
CELLS = ["simple_rnn", "lstm", "gru"]


@pytest.mark.parametrize("units", [[5], [5, 3]], ids=["one", "stacked"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("decoder", ["rollout", "dense"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_exported_graphs_agree_with_keras(cell, decoder, bidirectional, units):
    model = Model(cell=cell, decoder=decoder, bidirectional=bidirectional, units=units)
    ahead = 4 if decoder == "dense" else 1
    network, served = randomised(model, ahead)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        *({"activation": name, "recurrent_activation": name} for name in get_args(Activation)),
        {"unroll": True},
        {"dropout": 0.3, "recurrent_dropout": 0.2},
    ],
    ids=str,
)
def test_the_exported_graphs_agree_with_keras_under_every_option(options):
    network, served = randomised(Model(cell="gru", units=[3], **options), 1)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("cell", CELLS)
def test_sliding_is_a_plain_loop_over_the_keras_network(cell, bidirectional):
    network, served = randomised(Model(cell=cell, units=[5, 3], bidirectional=bidirectional), 1)
    answer = tf.function(lambda windows: network(Inputs(windows))[..., 0], autograph=False)
    expected = WINDOWS
    for _ in range(12):
        expected = np.concatenate([expected, answer(tf.constant(expected[:, -LENGTH:]))], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 12, "slide"), expected[:, LENGTH:], atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_carrying_is_the_keras_network_reading_everything_from_the_start(cell):
    network, served = randomised(Model(cell=cell, units=[5, 3], output="sequence"), 1)
    expected = WINDOWS
    for _ in range(12):
        expected = np.concatenate([expected, network(Inputs(expected))[..., 0]], axis=1)
    np.testing.assert_allclose(roll_out(served, WINDOWS, 12, "carry"), expected[:, LENGTH:], atol=1e-5)


def test_weights_written_and_read_back_make_the_same_network():
    model = Model(cell="lstm", units=[5, 3], bidirectional=True)
    network = random_network(model, 1)
    other = build_network(model, LENGTH, 1)
    load_weights(other, dump_weights(network))
    np.testing.assert_array_equal(network(Inputs(WINDOWS)), other(Inputs(WINDOWS)))


def test_weights_of_another_shape_are_refused():
    network = random_network(Model(units=5), 1)
    with pytest.raises(ValueError, match="shape"):
        load_weights(build_network(Model(units=4), LENGTH, 1), dump_weights(network))


def test_a_network_is_exported_though_an_optimisation_of_its_graph_fails(monkeypatch):
    def fail(*_):
        raise RuntimeError("no such node")

    monkeypatch.setattr("tf2onnx.optimizer.IdentityOptimizer.optimize", fail)
    network = random_network(Model(units=(3,), decoder="dense"), 2)
    served = OnnxNetwork(*export_onnx(network, LENGTH))
    windows = np.ones((2, LENGTH), np.float32)
    np.testing.assert_allclose(one_answer(served, windows), network(Inputs(windows), training=False), atol=1e-6)
