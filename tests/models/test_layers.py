"""Peepholes, zoneout, dilation, residual sums, layer normalization, merges and segments."""

import contextlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecaster.config.schema import Model
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.cells import CELLS, LSTMCell, PeepholeLSTMCell, SimpleRNNCell
from forecaster.models.encoder import Encoder
from forecaster.models.parameter_counts import count_parameters
from forecaster.models.recurrent_layers import Bidirectional, Recurrent, avoid_kernels
from tests.helpers import networks
from tests.helpers.fake_network import one_answer, roll_out

pytestmark = pytest.mark.slow

SEQUENCE = np.random.default_rng(0).normal(size=(3, 8, 2)).astype("float32")  # (batch, steps, features)
LENGTH = 12
WINDOWS = np.random.default_rng(4).normal(size=(5, LENGTH)).astype("float32")


def randomised(layer, seed: int = 1):
    generator = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.5)
    return layer


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def test_a_peephole_step_worked_by_hand():
    cell = PeepholeLSTMCell(1)
    cell.build((None, 1))
    cell.kernel.assign([[1.0, 2.0, 3.0, 4.0]])
    cell.recurrent_kernel.assign([[0.1, 0.2, 0.3, 0.4]])
    cell.bias.assign([0.0, 1.0, 0.0, 0.0])
    cell.peepholes.assign([[0.5], [0.6], [0.7]])
    x, h, c = 0.5, 0.2, -0.3
    i, f = sigmoid(0.5 + 0.02 + 0.5 * c), sigmoid(1.0 + 0.04 + 1.0 + 0.6 * c)  # the old cell state
    new_c = f * c + i * np.tanh(1.5 + 0.06)
    o = sigmoid(2.0 + 0.08 + 0.7 * new_c)  # the new one
    found_h, found_c = cell(np.array([[x]], "float32"), [np.array([[h]], "float32"), np.array([[c]], "float32")])
    assert float(found_c[0, 0]) == pytest.approx(new_c, abs=1e-6)
    assert float(found_h[0, 0]) == pytest.approx(o * np.tanh(new_c), abs=1e-6)


def test_without_its_peepholes_it_is_an_lstm():
    peephole, lstm = Recurrent(PeepholeLSTMCell(4)), Recurrent(LSTMCell(4))
    peephole(SEQUENCE), lstm(SEQUENCE)
    randomised(lstm)
    peephole.cell.peepholes.assign(np.zeros((3, 4)))
    for name in ("kernel", "recurrent_kernel", "bias"):
        getattr(peephole.cell, name).assign(getattr(lstm.cell, name))
    np.testing.assert_allclose(peephole(SEQUENCE)[0], lstm(SEQUENCE)[0], atol=1e-6)


def test_peepholes_are_counted_as_recurrent_weights():
    network = build_network(Model(cell="peephole_lstm", units=5), LENGTH, 1)
    assert count_parameters(network)[0].recurrent_weights == 4 * 5 * 5 + 3 * 5
    assert sum(row.total for row in count_parameters(network)) == network.count_params()


@pytest.mark.parametrize(
    "options", [{"normalization": "revin"}, {"layer_normalization": True, "units": [4, 3]}], ids=str
)
def test_every_parameter_is_counted(options):
    network = build_network(Model(**{"units": 4, **options}), LENGTH, 1)
    assert sum(row.total for row in count_parameters(network)) == network.count_params()


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_a_dilated_layer_is_as_many_plain_layers_side_by_side(name, unroll):
    dilated, plain = Recurrent(CELLS[name](4), dilation=2, unroll=unroll), Recurrent(CELLS[name](4))
    dilated(SEQUENCE), plain(SEQUENCE)
    randomised(dilated), randomised(plain)
    outputs, last, states = dilated(SEQUENCE)
    for offset in range(2):
        expected, expected_last, expected_states = plain(SEQUENCE[:, offset::2])
        np.testing.assert_allclose(outputs[:, offset::2], expected, atol=1e-6)
        for state, expected_state in zip(states, expected_states, strict=True):
            np.testing.assert_allclose(state[:, 4 * offset : 4 * offset + 4], expected_state, atol=1e-6)
    np.testing.assert_allclose(last, expected_last, atol=1e-6)


def test_zoneout_mixes_old_and_new_by_its_rate_after_training():
    layer = Recurrent(SimpleRNNCell(3, activation="linear"), zoneout=0.25)
    layer(SEQUENCE[:, :, :1])
    layer.cell.kernel.assign(np.ones((1, 3)))
    layer.cell.recurrent_kernel.assign(np.zeros((3, 3)))
    layer.cell.bias.assign(np.zeros(3))
    outputs, _, _ = layer(np.array([[[4.0], [8.0]]], "float32"))
    np.testing.assert_allclose(outputs[0, :, 0], [0.75 * 4, 0.25 * 3 + 0.75 * 8])


def test_zoneout_keeps_old_units_in_training_as_often_as_its_rate():
    layer = Recurrent(SimpleRNNCell(50, activation="linear"), zoneout=0.25)
    layer(SEQUENCE[:, :, :1])
    layer.cell.kernel.assign(np.ones((1, 50)))
    layer.cell.recurrent_kernel.assign(np.zeros((50, 50)))
    layer.cell.bias.assign(np.zeros(50))
    steps = np.tile(np.arange(1.0, 9)[None, :, None], (20, 1, 1)).astype("float32")
    outputs = np.asarray(layer(steps, training=True)[0])  # (20, 8, 50): the step at which the unit was last renewed
    kept = outputs != np.arange(1.0, 9)[None, :, None]
    assert np.mean(kept) == pytest.approx(0.25, abs=0.02)
    assert set(np.unique(outputs)) <= set(range(9))


def test_the_masks_of_zoneout_are_drawn_for_each_state():
    layer = Recurrent(LSTMCell(200), zoneout=0.5)
    layer(SEQUENCE)
    _, _, (hidden, cell) = layer(SEQUENCE[:, :1], training=True)
    both = np.mean((np.asarray(hidden) == 0) & (np.asarray(cell) == 0))
    assert both == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("merge", ["concat", "sum", "mean"])
def test_the_directions_are_merged_as_in_keras(merge):
    ours = Bidirectional(Recurrent(LSTMCell(4)), Recurrent(LSTMCell(4), backward=True), merge)
    ours(SEQUENCE)
    randomised(ours)
    mode = {"mean": "ave"}.get(merge, merge)
    every = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True), merge_mode=mode)
    final = keras.layers.Bidirectional(keras.layers.LSTM(4), merge_mode=mode)
    every(SEQUENCE), final(SEQUENCE)
    every.set_weights(ours.get_weights())
    final.set_weights(ours.get_weights())
    outputs, last, _ = ours(SEQUENCE)
    np.testing.assert_allclose(outputs, every(SEQUENCE), atol=1e-6)
    np.testing.assert_allclose(last, final(SEQUENCE), atol=1e-6)


def test_a_residual_normalised_stack_is_that_of_keras():
    layers = [Recurrent(LSTMCell(4)) for _ in range(3)]
    encoder = Encoder(layers, residual=True, layer_normalization=True)
    encoder(SEQUENCE)
    randomised(encoder)

    expected, below = SEQUENCE, None
    for layer, norm in zip(layers, encoder.norms, strict=True):
        keras_layer = keras.layers.LSTM(4, return_sequences=True)
        keras_layer(expected)
        keras_layer.set_weights(layer.get_weights())
        made = keras_layer(expected)
        keras_norm = keras.layers.LayerNormalization()
        keras_norm(made)
        keras_norm.set_weights(norm.get_weights())
        expected = below = keras_norm(made if below is None else made + below)
    sequence, summary, _ = encoder(SEQUENCE)
    np.testing.assert_allclose(sequence, expected, atol=1e-5)
    np.testing.assert_allclose(summary, expected[:, -1], atol=1e-5)


@pytest.mark.parametrize("options", [{"residual": True, "layer_normalization": True}, {"dropout": 0.4}], ids=str)
@pytest.mark.parametrize("unroll", [False, True])
def test_a_stack_whose_outputs_are_not_read_has_the_same_summary_and_states(options, unroll):
    below = Bidirectional(Recurrent(LSTMCell(2)), Recurrent(LSTMCell(2), backward=True, unroll=unroll))
    encoder = Encoder([below, Recurrent(LSTMCell(4), unroll=unroll)], **options)
    encoder(SEQUENCE)
    randomised(encoder)

    def read(has_outputs: bool) -> tuple:
        for mask in encoder.dropouts:
            if mask.rate:
                mask.seed_generator.state.assign([1, 2])
        return encoder(SEQUENCE, training=True, has_outputs=has_outputs)

    _, expected, expected_states = read(True)
    outputs, summary, states = read(False)
    assert outputs.shape == (3, 0, 4)
    np.testing.assert_allclose(summary, expected, atol=1e-6)
    for state, expected_state in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(state, expected_state, atol=1e-6)


def differentiate(layer: Recurrent, sequence: np.ndarray) -> list[np.ndarray]:
    """Outputs, states and gradients of a function of all of them, in training."""
    sequence = tf.constant(sequence)
    with tf.GradientTape() as tape:
        tape.watch(sequence)
        outputs, last, states = layer(sequence, training=True)
        total = tf.reduce_sum(tf.sin(outputs)) + tf.reduce_sum(last**2) + tf.reduce_sum(tf.cos(states[1]) * states[0])
    return [outputs, last, *states, *tape.gradient(total, [sequence, *layer.trainable_variables])]


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("cell", [LSTMCell, PeepholeLSTMCell])
def test_a_kernel_has_the_values_and_gradients_of_the_loop_in_float64(cell, backward, request):
    fast = Recurrent(cell(4), backward=backward)
    fast(SEQUENCE)
    randomised(fast)
    assert fast.has_kernel
    found = differentiate(fast, SEQUENCE)
    request.getfixturevalue("float64")
    exact = Recurrent(cell(4), backward=backward)
    exact(SEQUENCE.astype("float64"))
    exact.set_weights([weight.astype("float64") for weight in fast.get_weights()])
    expected = differentiate(exact, SEQUENCE.astype("float64"))
    assert expected[0].dtype == "float64"
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        Recurrent(LSTMCell(4), recurrent_dropout=0.1),
        Recurrent(LSTMCell(4), zoneout=0.1),
        Recurrent(LSTMCell(4), dilation=2),
        Recurrent(LSTMCell(4, activation="relu")),
        Recurrent(LSTMCell(4, recurrent_activation="hard_sigmoid")),
        Recurrent(SimpleRNNCell(4)),
    ],
    ids=["recurrent_dropout", "zoneout", "dilation", "activation", "recurrent_activation", "cell"],
)
def test_what_a_kernel_does_not_compute_has_none(layer):
    assert not layer.has_kernel
    layer(SEQUENCE, training=True)


def test_a_layer_runs_its_loop_where_kernels_are_avoided(monkeypatch):
    layer = Recurrent(LSTMCell(4))
    layer(SEQUENCE)
    expected = layer(SEQUENCE, training=True)[0]
    monkeypatch.setattr(LSTMCell, "run_kernel", None)
    with avoid_kernels():
        np.testing.assert_allclose(layer(SEQUENCE, training=True)[0], expected, atol=1e-6)


def test_a_segment_is_read_as_the_features_of_one_step():
    network = randomised(build_network(Model(cell="gru", units=4, segment=3, decoder="dense"), LENGTH, 5))
    (layer,) = network.encoder.layers
    _, last, _ = layer(WINDOWS.reshape(5, 4, 3))
    np.testing.assert_allclose(network(Inputs(WINDOWS))[..., 0], network.head.dense(last), atol=1e-6)


OPTIONS = [
    {"cell": "peephole_lstm"},
    {"zoneout": 0.2},
    {"units": [4, 4, 4], "dilation": True, "residual": True, "layer_normalization": True},
    {"segment": 3},
    {"segment": 3, "normalization": "seasonal", "units": [3, 2]},
    {"cell": "gru", "segment": 2, "normalization": "last", "zoneout": 0.1, "units": [4, 4], "dilation": True},
]


def served(options, ahead):
    return networks.randomised(Model(**{"units": 4, **options}), LENGTH, ahead, season=6)


@pytest.mark.parametrize(
    "shape", [{"decoder": "dense"}, {"bidirectional": True, "merge": "sum"}], ids=["dense", "bidirectional"]
)  # the first step of a rollout is among those of the next test
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_exported_graphs_agree_with_keras(options, shape):
    ahead = 5 if "decoder" in shape else options.get("segment", 1)
    network, onnx = served({**options, **shape}, ahead)
    np.testing.assert_allclose(one_answer(onnx, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_sliding_is_a_plain_loop_over_the_keras_network(options):
    segment = options.get("segment", 1)
    network, onnx = served(options, segment)
    found = roll_out(onnx, WINDOWS, 7, "slide")
    known = np.concatenate([WINDOWS, found], axis=1)
    np.testing.assert_allclose(found, networks.answer_windows(network, known, LENGTH, 7, segment), atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS[:5], ids=str)
def test_carrying_is_the_keras_network_reading_everything_from_the_start(options):
    segment = options.get("segment", 1)
    network, onnx = served({**options, "output": "sequence"}, segment)
    found = roll_out(onnx, WINDOWS, 7, "carry")
    known = np.concatenate([WINDOWS, found], axis=1)
    np.testing.assert_allclose(found, networks.answer_beginnings(network, known, LENGTH, 7, segment), atol=1e-5)


def test_a_segmented_network_learns_each_segment_from_those_before_it():
    model = Model(units=4, segment=3, normalization="seasonal", output="sequence")
    network = networks.random_network(model, LENGTH, 3, season=6)
    network.head.dense.kernel.assign(np.zeros((4, 3)))
    network.head.dense.bias.assign(np.zeros(3))
    # after the segments 6-8 and 9-11 come 9-11 and 12-14, of which a season of 6 before are 3-5 and 6-8
    np.testing.assert_allclose(network.predict_after_each(Inputs(WINDOWS))[..., 0], WINDOWS[:, 3:9], atol=1e-6)


@pytest.mark.parametrize(("decoder", "steps"), [("dense", 0), ("seq2seq", 2), ("latent", 2)])  # of two layers
def test_weights_are_created_with_at_most_one_step_and_are_those_created_with_all(decoder, steps, monkeypatch):
    options = {"bidirectional": True} if decoder == "dense" else {}
    model = Model(units=[4, 3], decoder=decoder, dilation=True, residual=False, zoneout=0.1, latent=2, **options)

    def draw_weights() -> dict[str, np.ndarray]:
        keras.utils.set_random_seed(5)
        return {
            variable.path.split("/", 1)[1]: variable.numpy() for variable in build_network(model, 6, 2, 3).variables
        }

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules[build_network.__module__], "skip_steps", contextlib.nullcontext)
        expected = draw_weights()
    taken = []
    step = Recurrent.step
    monkeypatch.setattr(Recurrent, "step", lambda layer, *inputs: taken.append(layer) or step(layer, *inputs))
    found = draw_weights()
    assert len(taken) == steps
    assert [*found] == [*expected]
    for path, values in expected.items():
        np.testing.assert_array_equal(found[path], values)
