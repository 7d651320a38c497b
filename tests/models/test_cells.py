"""The cells against Keras's own layers, and against equations worked by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from forecaster.models.cells import CELLS, GRUCell, LSTMCell, SimpleRNNCell, SLSTMCell
from forecaster.models.recurrent_layers import Bidirectional, Recurrent

pytestmark = pytest.mark.slow

# Keras has neither peepholes nor the sLSTM
KERAS = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
SEQUENCE = np.random.default_rng(0).normal(size=(3, 7, 2)).astype("float32")  # (batch, steps, features)


def randomised(layer: keras.layers.Layer, seed: int = 1) -> keras.layers.Layer:
    generator = np.random.default_rng(seed)
    layer.set_weights([generator.normal(size=weight.shape) * 0.5 for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("name", KERAS)
def test_a_layer_gives_the_outputs_of_keras_with_the_same_weights(name, unroll):
    ours = Recurrent(CELLS[name](5), unroll=unroll)
    ours(SEQUENCE)
    randomised(ours)
    theirs = KERAS[name](5, return_sequences=True, return_state=True)
    theirs(SEQUENCE)
    theirs.set_weights(ours.get_weights())

    outputs, last, states = ours(SEQUENCE)
    np.testing.assert_array_equal(last, outputs[:, -1])
    expected, *expected_states = theirs(SEQUENCE)

    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    for state, expected_state in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(state, expected_state, atol=1e-6)


@pytest.mark.parametrize("name", KERAS)
def test_a_bidirectional_layer_gives_the_outputs_of_keras(name):
    ours = Bidirectional(Recurrent(CELLS[name](4)), Recurrent(CELLS[name](4), backward=True))
    ours(SEQUENCE)
    randomised(ours)
    theirs = keras.layers.Bidirectional(KERAS[name](4, return_sequences=True))
    theirs(SEQUENCE)
    theirs.set_weights(ours.get_weights())

    np.testing.assert_allclose(ours(SEQUENCE)[0], theirs(SEQUENCE), atol=1e-6)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_parts_and_axes_of_one_give_what_every_pair_gives(name, dilation):
    generator = np.random.default_rng(0)
    positions, series = generator.normal(size=(1, 4, 2)), generator.normal(size=(3, 1, 1))
    layer = Recurrent(CELLS[name](5), dilation=dilation)
    layer.build((None, None, 3))
    randomised(layer)
    states = [generator.normal(size=(3, 1, 5 * dilation)).astype("float32") for _ in range(layer.state_count)]
    pairs = np.concatenate([np.repeat(positions, 3, axis=0), np.repeat(series, 4, axis=1)], axis=-1).reshape(12, 3)

    found = layer.step([positions.astype("float32"), series.astype("float32")], states)
    expected = layer.step(pairs.astype("float32"), [np.repeat(state[:, 0], 4, axis=0) for state in states])

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.reshape(one, (12, -1)), other, atol=1e-6)


def test_an_lstm_step_worked_by_hand():
    cell = LSTMCell(1)
    cell.build((None, 1))
    cell.kernel.assign([[1.0, 2.0, 3.0, 4.0]])
    cell.recurrent_kernel.assign([[0.1, 0.2, 0.3, 0.4]])
    cell.bias.assign([0.0, 1.0, 0.0, 0.0])
    x, h, c = 0.5, 0.2, -0.3

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    i, f, o = sigmoid(0.5 + 0.02), sigmoid(1.0 + 0.04 + 1.0), sigmoid(2.0 + 0.08)
    expected_c = f * c + i * np.tanh(1.5 + 0.06)
    new_h, new_c = cell(np.array([[x]], "float32"), [np.array([[h]], "float32"), np.array([[c]], "float32")])
    assert float(new_c[0, 0]) == pytest.approx(expected_c, abs=1e-6)
    assert float(new_h[0, 0]) == pytest.approx(o * np.tanh(expected_c), abs=1e-6)


def test_the_forget_gate_starts_open():
    cell = LSTMCell(3)
    cell.build((None, 1))
    np.testing.assert_array_equal(cell.bias, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])


def test_a_gru_keeps_its_state_where_the_update_gate_is_shut():
    cell = GRUCell(2)
    cell.build((None, 1))
    cell.bias.assign([[100.0] * 2 + [0.0] * 4, [0.0] * 6])
    state = np.array([[0.3, -0.7]], "float32")
    (new_state,) = cell(np.ones((1, 1), "float32"), [state])
    np.testing.assert_allclose(new_state, state, atol=1e-6)


def test_recurrent_dropout_hides_the_same_units_at_every_step_and_scales_the_rest():
    cell = SimpleRNNCell(64, activation="linear")
    layer = Recurrent(cell, recurrent_dropout=0.5)
    layer(np.ones((1, 1, 1), "float32"))
    cell.kernel.assign(np.zeros((1, 64)))
    cell.recurrent_kernel.assign(np.eye(64))
    cell.bias.assign(np.ones(64))
    # h counts 1, 3, 7, 15 where a unit is kept (scaled by 2), and stays at 1 where it is dropped.
    outputs, _, _ = layer(np.ones((1, 4, 1), "float32"), training=True)
    seen = {tuple(column) for column in np.asarray(outputs)[0].T}
    assert seen == {(1, 3, 7, 15), (1, 1, 1, 1)}
    outputs, _, _ = layer(np.ones((1, 4, 1), "float32"), training=False)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs)[0, :, 0], [1, 2, 3, 4])


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def published_slstm(sequence, kernel, recurrent_kernel, bias):
    """Run the cell as its authors do: `slstm_forward_pointwise` of github.com/NX-AI/xlstm at 032a6fb, in float64."""
    batch, steps, _ = sequence.shape
    y, c, n, m = np.zeros((4, batch, recurrent_kernel.shape[0]))
    outputs, states = [], []
    for step in range(steps):
        iraw, fraw, zraw, oraw = np.split(sequence[:, step] @ kernel + y @ recurrent_kernel + bias, 4, axis=1)
        logfplusm = m - np.logaddexp(0, -fraw)
        mnew = iraw if np.all(n == 0) else np.maximum(iraw, logfplusm)
        ogate = sigmoid(oraw)
        igate = np.minimum(np.exp(iraw - mnew), 1)
        fgate = np.minimum(np.exp(logfplusm - mnew), 1)
        c, n, m = fgate * c + igate * np.tanh(zraw), fgate * n + igate, mnew
        y = ogate * c / n
        outputs.append(y)
        states.append((c / n, m + np.log(n)))
    return np.stack(outputs, axis=1), states


def paper_slstm(sequence, kernel, recurrent_kernel, bias):
    """Run equations 8 to 14 of Beck et al. 2024, without the stabilizer."""
    h, c, n = np.zeros((3, len(sequence), recurrent_kernel.shape[0]))
    outputs = []
    for x in np.swapaxes(sequence, 0, 1):
        i, f, z, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
        c, n = sigmoid(f) * c + np.exp(i) * np.tanh(z), sigmoid(f) * n + np.exp(i)
        h = sigmoid(o) * c / n
        outputs.append(h)
    return np.stack(outputs, axis=1)


def built_slstm(size=1.0):
    layer = Recurrent(SLSTMCell(5))
    layer(SEQUENCE)
    randomised(layer)
    layer.cell.kernel.assign(layer.cell.kernel * size)
    return layer, [np.asarray(weight, float) for weight in layer.get_weights()]


@pytest.mark.parametrize("size", [1, 100])  # of the input weights: at 100 exp(ĩ) reaches 10^60
def test_an_slstm_gives_the_outputs_and_states_of_its_authors_implementation(size):
    layer, weights = built_slstm(size)
    expected, states = published_slstm(SEQUENCE.astype(float), *weights)

    outputs, _, (h, k, s) = layer(SEQUENCE)

    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(h, expected[:, -1], atol=1e-5)
    np.testing.assert_allclose(k, states[-1][0], atol=1e-5)
    np.testing.assert_allclose(s, states[-1][1], rtol=1e-5, atol=1e-4)  # a sum of float32 terms of up to 150


def test_an_slstm_gives_the_outputs_of_its_papers_equations():
    layer, weights = built_slstm()
    np.testing.assert_allclose(layer(SEQUENCE)[0], paper_slstm(SEQUENCE.astype(float), *weights), atol=1e-6)


def test_the_gradient_of_an_slstm_is_that_of_central_differences():
    layer, weights = built_slstm()
    wanted = np.random.default_rng(5).normal(size=(3, 7, 5))
    with tf.GradientTape() as tape:
        loss = ops.sum(layer(SEQUENCE)[0] * wanted.astype("float32"))
    for index, gradient in enumerate(tape.gradient(loss, layer.trainable_weights)):
        for place in list(np.ndindex(*gradient.shape))[::7]:
            sides = []
            for nudge in (1e-6, -1e-6):
                moved = [weight.copy() for weight in weights]
                moved[index][place] += nudge
                sides.append(np.sum(paper_slstm(SEQUENCE.astype(float), *moved) * wanted))
            assert gradient.numpy()[place] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-3, abs=1e-4)


def test_gates_of_an_slstm_beyond_the_range_of_float32_have_finite_outputs_and_gradients():
    layer, _ = built_slstm()
    sequence = tf.constant([[[200.0, 0], [-300, 200], [500, -200], [-500, 100]]])
    with tf.GradientTape() as tape:
        outputs, _, states = layer(sequence)
        loss = ops.sum(outputs)
    for each in (outputs, *states, *tape.gradient(loss, layer.trainable_weights)):
        assert np.isfinite(each).all()


def test_forget_biases_of_an_slstm_begin_as_its_authors_have_them():
    cell = SLSTMCell(3)
    cell.build((None, 1))
    np.testing.assert_allclose(cell.bias, [0, 0, 0, 5, 5 - 12 * 0.5**0.3, -7, 0, 0, 0, 0, 0, 0], rtol=1e-6)
