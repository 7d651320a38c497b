"""Exported networks and their rollouts, against the Keras network and a plain loop over it."""

from typing import get_args

import numpy as np
import onnx
import pytest
from onnx import helper

from forecaster.config.schema import Activation, Model
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.weights import dump_weights, load_weights
from forecaster.training.export import export_onnx, operators
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


# Every pair of decoder, directions and units is in one of them.
DENSE = [(False, [5, 3]), (True, [5])]
ROLLOUTS = [(False, [5]), (True, [5, 3])]


@pytest.mark.parametrize(("bidirectional", "units"), DENSE, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_exported_graphs_agree_with_keras(cell, bidirectional, units):
    network, served = randomised(Model(cell=cell, decoder="dense", bidirectional=bidirectional, units=units), 4)
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
@pytest.mark.parametrize("cell", ["gru", "peephole_lstm"])
def test_the_exported_graphs_agree_with_keras_under_every_option(cell, options):
    network = random_network(Model(cell=cell, units=[3], **options), 1)
    for variable in network.trainable_variables:
        variable.assign(variable / 2)  # so that states stay near 1 where an activation has no bound
    served = OnnxNetwork(*export_onnx(network, LENGTH))
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize(("bidirectional", "units"), ROLLOUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_sliding_is_a_plain_loop_over_the_keras_network(cell, bidirectional, units):
    network, served = randomised(Model(cell=cell, units=units, bidirectional=bidirectional), 1)
    found = roll_out(served, WINDOWS, 12, "slide")
    known = np.concatenate([WINDOWS, found], axis=1)
    np.testing.assert_allclose(found, networks.answer_windows(network, known, LENGTH, 12), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_carrying_is_the_keras_network_reading_everything_from_the_start(cell):
    network, served = randomised(Model(cell=cell, units=[5, 3], output="sequence"), 1)
    found = roll_out(served, WINDOWS, 12, "carry")
    known = np.concatenate([WINDOWS, found], axis=1)
    np.testing.assert_allclose(found, networks.answer_beginnings(network, known, LENGTH, 12), atol=1e-5)


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


NODES = {
    "simple_rnn": "Scan",
    "lstm": "LSTM",
    "peephole_lstm": "LSTM",
    "gru": "GRU",
    "slstm": "Scan",
}


@pytest.mark.parametrize(
    ("options", "operator"),
    [
        *(({"cell": cell}, operator) for cell, operator in NODES.items()),
        *(({"activation": name}, "LSTM") for name in ("linear", "relu", "hard_sigmoid")),
        *(({"activation": name}, "Scan") for name in ("silu", "selu")),
        ({"zoneout": 0.1}, "Scan"),
        ({"dropout": 0.1, "recurrent_dropout": 0.1, "unroll": True}, "LSTM"),
    ],
    ids=str,
)
def test_a_recurrent_layer_is_one_node(options, operator):
    encode, _ = export_onnx(random_network(Model(units=[3], **options), 1), LENGTH)
    found = [node.op_type for node in onnx.load_from_string(encode).graph.node]
    assert [each for each in found if each in {*NODES.values(), "Loop"}] == [operator]


def test_each_direction_is_a_node():
    model = Model(cell="gru", units=[3], bidirectional=True, decoder="dense")
    encode, _ = export_onnx(random_network(model, 2), LENGTH)
    directions = [
        helper.get_attribute_value(attribute)
        for node in onnx.load_from_string(encode).graph.node
        for attribute in node.attribute
        if attribute.name == "direction"
    ]
    assert directions == [b"forward", b"reverse"]


def test_graphs_have_the_version_of_the_format_that_is_named():
    for graph in map(onnx.load_from_string, export_onnx(random_network(Model(units=[3]), 1), LENGTH)):
        assert (graph.ir_version, [(each.domain, each.version) for each in graph.opset_import]) == (8, [("", 18)])


def test_states_that_start_elsewhere_than_at_0_are_those_of_the_cell():
    model = Model(cell="slstm", units=[3], decoder="dense", segment=3)
    network, served = randomised(model, 2)
    windows = np.zeros((2, LENGTH), np.float32)
    np.testing.assert_allclose(one_answer(served, windows), network(Inputs(windows)), atol=1e-6)


@pytest.mark.parametrize("cell", NODES)
def test_an_encoder_that_has_no_step_to_read_gives_the_states_before_the_first(cell):
    # the first season of two is not read, and the last segment is read as the previous one
    model = Model(cell=cell, units=[3, 2], normalization="seasonal", segment=4)
    network, served = networks.randomised(model, 8, 4, 4)
    windows = np.random.default_rng(2).normal(size=(3, 8)).astype("float32")
    np.testing.assert_allclose(one_answer(served, windows), network(Inputs(windows)), atol=1e-5)


def test_an_operation_that_has_no_nodes_is_named(monkeypatch):
    monkeypatch.delitem(operators.OPERATORS, "Softplus")
    network = random_network(Model(units=[3], head="normal"), 1)
    with pytest.raises(NotImplementedError, match="the operation Softplus has no row in training/export/operators.py"):
        export_onnx(network, LENGTH)
