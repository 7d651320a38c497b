"""The decoders and attention: against Keras's own layers, against plain loops, and served as they were trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from forecaster.config.schema import Model
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.models.attention import AdditiveAttention, MultiplicativeAttention
from forecaster.models.losses import leave_out_windows
from forecaster.models.networks.hierarchical_network import compute_kl_divergence
from forecaster.models.networks.seq2seq_network import ramp_up
from forecaster.models.parameter_counts import count_parameters
from forecaster.models.weights import MatchingRows, dump_weights, warm_start
from tests.helpers import networks
from tests.helpers.fake_network import one_answer, roll_out

pytestmark = pytest.mark.slow

LENGTH, SEASON, AHEAD = 12, 4, 6
WINDOWS = np.random.default_rng(4).normal(size=(5, LENGTH)).astype("float32")
TARGETS = np.random.default_rng(5).normal(size=(5, AHEAD)).astype("float32")
DIRECT, STEPPED = ["dense", "positional"], ["seq2seq", "context", "latent"]


def randomised(**options):
    return networks.randomised(Model(**{"units": [4], "latent": 3, **options}), LENGTH, AHEAD, SEASON)


def random_network(**options):
    return networks.random_network(Model(**{"units": [4], "latent": 3, **options}), LENGTH, AHEAD, SEASON)


def walked(served, windows, network):
    """The parameters of each step, fed on their centers."""
    states, previous, found = served.encode(Inputs(windows)), windows[:, -served.width :], []
    for _ in range(-(-AHEAD // served.width)):
        decoded = served.decode(states, previous)
        found.append(decoded.parameters)
        states, previous = decoded.states, np.asarray(network.head.to_point(decoded.parameters))
    return np.concatenate(found, axis=1)[:, :AHEAD]


STRUCTURES = [
    {},
    {"cell": "gru", "units": [4, 4], "residual": True, "layer_normalization": True},
    {"cell": "peephole_lstm", "bidirectional": True},
    {"bidirectional": True, "merge": "sum", "units": [3, 5], "cell": "simple_rnn"},
    {"segment": 4, "normalization": "seasonal"},
    {"normalization": "revin", "dilation": True, "units": [3, 3], "zoneout": 0.1, "head": "normal"},
]
SLSTM = {"cell": "slstm", "units": [3, 3], "dilation": True, "zoneout": 0.1}
COPYING = [
    {"segment": 4, "normalization": "mean", "normalization_scale": "change", "attention": "additive"},
    {"segment": 2, "normalization": "seasonal", "head": "categorical", "bins": 5},
    {"head": "quantile", "quantiles": (0.1, 0.5, 0.9), "normalization": "revin"},
]
LINEAR = [
    ("dense", {"segment": 4, "normalization": "revin", "copy_segments": True, "attention": "additive"}),
    ("positional", {"segment": 4, "normalization": "seasonal", "head": "quantile", "quantiles": (0.1, 0.5, 0.9)}),
    ("positional", {"normalization": "mean", "normalization_scale": "change", "embedding": 0, "cell": "gru"}),
]
HEADS = [
    {"head": "quantile", "quantiles": (0.1, 0.5, 0.9), "normalization": "revin"},
    {"head": "student_t", "segment": 2},
    {"head": "log_normal", "cell": "gru"},
    {"head": "negative_binomial", "normalization": "last"},
    {"head": "categorical", "bins": 5, "normalization": "mean"},
]


@pytest.mark.parametrize(
    ("decoder", "options"),
    [
        *((decoder, options) for decoder in DIRECT for options in STRUCTURES),
        ("dense", SLSTM),
        *(("dense", head) for head in HEADS),
        *(("dense", {"copy_segments": True, **options}) for options in COPYING),
        *((decoder, {"linear": True, **options}) for decoder, options in LINEAR),
    ],
    ids=str,
)
def test_a_direct_network_is_served_as_keras_has_it(decoder, options):
    network, served = randomised(decoder=decoder, **options)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("decoder", "options"),
    [
        *(("seq2seq", options) for options in STRUCTURES),
        *(("context", options) for options in STRUCTURES[::2]),  # its decoder is that of `latent`
        *(("latent", options) for options in STRUCTURES[1::2]),
        *(("seq2seq", head) for head in HEADS),
        ("seq2seq", SLSTM),
        ("seq2seq", {"cell": "slstm", "bidirectional": True}),  # its normalizer comes from the bridge
    ],
    ids=str,
)
def test_a_stepped_network_is_served_as_keras_has_it(decoder, options):
    network, served = randomised(decoder=decoder, **options)
    np.testing.assert_allclose(walked(served, WINDOWS, network), network(Inputs(WINDOWS)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("normalization", ["none", "mean", "revin"])
def test_a_copied_horizon_is_the_mean_of_the_segments_chosen(normalization):
    network = random_network(decoder="dense", segment=4, normalization=normalization, copy_segments=True)
    for layer in (network.head.dense, network.choice):
        layer.kernel.assign(np.zeros(layer.kernel.shape))
    network.head.dense.bias.assign(np.zeros(AHEAD))
    network.choice.bias.assign([90, 0, 0, -90, 0, np.log(3)])  # for each segment of the horizon, of 3 in the window
    expected = np.concatenate([WINDOWS[:, :4], WINDOWS[:, 4:6] / 4 + 3 * WINDOWS[:, 8:10] / 4], axis=1)
    np.testing.assert_allclose(network(Inputs(WINDOWS))[..., 0], expected, atol=1e-5)


def test_channels_are_copied_side_by_side():
    model = Model(units=4, decoder="dense", segment=2, copy_segments=True)
    network, served = networks.randomised(model, LENGTH, 4, SEASON, channels=2)
    windows = np.random.default_rng(4).normal(size=(5, 2 * LENGTH)).astype("float32")
    np.testing.assert_allclose(one_answer(served, windows), network(Inputs(windows)), atol=1e-5)
    network.head.dense.kernel.assign(np.zeros(network.head.dense.kernel.shape))
    network.head.dense.bias.assign(np.zeros(8))
    network.choice.kernel.assign(np.zeros(network.choice.kernel.shape))
    network.choice.bias.assign(2 * [0, 0, 0, 0, 0, 90])  # the last of 6 segments, twice
    last = windows[:, -4:]
    np.testing.assert_allclose(network(Inputs(windows))[..., 0], np.concatenate([last, last], axis=1), atol=1e-5)


@pytest.mark.parametrize("normalization", ["none", "mean", "revin", "seasonal"])
@pytest.mark.parametrize("decoder", DIRECT)
def test_a_head_of_0_leaves_the_linear_forecast(decoder, normalization):
    network = random_network(decoder=decoder, segment=4, normalization=normalization, linear=True)
    network.head.dense.kernel.assign(np.zeros(network.head.dense.kernel.shape))
    network.head.dense.bias.assign(np.zeros(network.head.dense.bias.shape))
    kernel, bias = (np.asarray(weight, float) for weight in network.linear.get_weights())
    values, season = WINDOWS.astype(float), np.zeros((5, AHEAD))
    center, scale = 0.0, 1.0
    if normalization == "seasonal":
        values, season = values[:, SEASON:] - values[:, :-SEASON], values[:, [8, 9, 10, 11, 8, 9]]  # the last season
    if normalization in {"mean", "revin"}:
        center = values.mean(axis=1, keepdims=True)
    if normalization == "revin":
        scale = np.sqrt(values.var(axis=1, keepdims=True) + 1e-5) / np.asarray(network.normalization.gain)
        center = center - scale * np.asarray(network.normalization.bias)
    expected = ((values - center) / scale @ kernel + bias) * scale + center + season
    np.testing.assert_allclose(network(Inputs(WINDOWS))[..., 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("decoder", DIRECT)
def test_channels_share_the_weights_of_the_linear_forecast(decoder):
    model = Model(units=4, decoder=decoder, segment=2, linear=True)
    network, served = networks.randomised(model, LENGTH, 5, SEASON, channels=2)
    windows = np.random.default_rng(4).normal(size=(5, LENGTH, 2)).astype("float32")
    inputs = Inputs(windows.reshape(5, -1))
    np.testing.assert_allclose(one_answer(served, inputs.window), network(inputs), atol=1e-5)
    network.head.dense.kernel.assign(np.zeros(network.head.dense.kernel.shape))
    network.head.dense.bias.assign(np.zeros(network.head.dense.bias.shape))
    kernel, bias = (np.asarray(weight) for weight in network.linear.get_weights())
    expected = np.einsum("nsc,sa->nac", windows, kernel) + bias[:, None]
    np.testing.assert_allclose(network(inputs)[..., 0], expected.reshape(5, -1), rtol=1e-4, atol=1e-5)


def test_a_linear_forecast_begins_at_0():
    network = build_network(Model(units=4, decoder="dense", linear=True), LENGTH, AHEAD)
    np.testing.assert_array_equal(network.linear(WINDOWS), np.zeros((5, AHEAD, 1)))


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
@pytest.mark.parametrize("options", STRUCTURES[2:5:2], ids=str)
def test_attention_is_served_as_keras_has_it(kind, options):
    network, served = randomised(decoder="dense", attention=kind, **options)
    np.testing.assert_allclose(one_answer(served, WINDOWS), network(Inputs(WINDOWS)), atol=1e-5)
    network, served = randomised(decoder="seq2seq", attention=kind, **options)
    np.testing.assert_allclose(walked(served, WINDOWS, network), network(Inputs(WINDOWS)), atol=1e-5)
    weights = served.decode(served.encode(Inputs(WINDOWS)), WINDOWS[:, -served.width :]).attention
    read = (LENGTH - network.normalization.skipped_steps) // served.width
    assert weights.shape == (5, read)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("decoder", ["rollout", *DIRECT, *STEPPED])
def test_a_network_that_distinguishes_series_is_served_as_keras_has_it(decoder):
    ahead = 1 if decoder == "rollout" else AHEAD
    model = Model(decoder=decoder, units=[4], latent=3, embedding=2)
    network, served = networks.randomised(model, LENGTH, ahead, SEASON, categories=(5, 2))
    codes = np.array([[0, 1], [1, 0], [2, 0], [3, 1], [4, 1]], np.int32)
    found = served.decode(served.encode(Inputs(WINDOWS, categories=codes)), WINDOWS[:, -1:]).parameters
    both = Inputs(np.concatenate([WINDOWS, WINDOWS]), categories=np.concatenate([codes, codes[::-1]]))
    expected, of_others = np.split(np.asarray(network(both)), 2)
    np.testing.assert_allclose(found, expected[:, : found.shape[1]], atol=1e-5)
    assert not np.allclose(expected, of_others, atol=1e-3)


@pytest.mark.parametrize("decoder", [*DIRECT, *STEPPED])
def test_every_parameter_is_counted(decoder):
    model = Model(decoder=decoder, units=[4, 3], normalization="revin", layer_normalization=True)
    network = build_network(model, LENGTH, AHEAD, SEASON)
    assert sum(row.total for row in count_parameters(network)) == network.count_params()


@pytest.mark.parametrize("decoder", STEPPED)
def test_a_stepped_network_continues_beyond_the_horizon_it_learnt(decoder):
    _, served = randomised(decoder=decoder)
    assert roll_out(served, WINDOWS, 3 * AHEAD, "carry").shape == (5, 3 * AHEAD)


# Warm starts.


def test_a_warm_start_takes_vectors_by_name_and_leaves_bins_alone():
    model = Model(decoder="dense", units=[4], embedding=2, head="categorical", bins=5)
    source = build_network(model, LENGTH, AHEAD, categories=[3])
    target = build_network(model, LENGTH, AHEAD, categories=[2])
    source.head.adapt(0.0, 10.0)
    target.head.adapt(-1.0, 1.0)
    edges, table = target.head.edges.numpy(), target.embedding.tables[0].numpy()
    agreed, different = warm_start(target, dump_weights(source), [MatchingRows([1], [2])])
    assert agreed == 3  # the matrices of the LSTM, and of the head
    assert different == ["embedding/category_0: 1 of 2 vectors copied, the others are newly initialized"]
    np.testing.assert_array_equal(target.head.edges, edges)
    np.testing.assert_array_equal(target.embedding.tables[0][0], table[0])
    np.testing.assert_array_equal(target.embedding.tables[0][1], source.embedding.tables[0][2])
    np.testing.assert_array_equal(target.head.dense.kernel, source.head.dense.kernel)


# Attention.


def built(attention, query, keys):
    attention.build(query.shape, keys.shape)
    return attention


QUERY = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
KEYS = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("float32")


def theirs(layer):
    """A Keras attention layer's weights (batch, steps) for our query and keys."""
    _, scores = layer([QUERY[:, None], KEYS], return_attention_scores=True)
    return np.asarray(scores)[:, 0]


def test_additive_scores_are_those_of_keras_where_its_matrices_are_1():
    attention = built(AdditiveAttention(), QUERY, KEYS)
    attention.of_query.assign(np.eye(3))
    attention.of_key.assign(np.eye(3))
    layer = keras.layers.AdditiveAttention()
    layer([QUERY[:, None], KEYS])
    layer.set_weights([np.array([0.5, -1.0, 2.0])])
    attention.direction.assign([[0.5], [-1.0], [2.0]])
    np.testing.assert_allclose(attention(QUERY, KEYS)[1], theirs(layer), atol=1e-6)


def test_multiplicative_scores_are_those_of_keras_where_the_matrix_is_1():
    attention = built(MultiplicativeAttention(), QUERY, KEYS)
    attention.general.assign(np.eye(3))
    np.testing.assert_allclose(attention(QUERY, KEYS)[1], theirs(keras.layers.Attention()), atol=1e-6)


def test_the_attentional_vector_is_made_of_what_the_weights_point_at():
    attention = built(MultiplicativeAttention(), QUERY, KEYS)
    attention.general.assign(np.zeros((3, 3)))  # every step counts the same
    found, _ = attention(QUERY, KEYS)
    joined = np.concatenate([KEYS.mean(axis=1), QUERY], axis=1) @ attention.joined.numpy()
    np.testing.assert_allclose(found, np.tanh(joined), atol=1e-6)


# Sequence to sequence.


def by_truth(network, windows, targets):
    """Teacher forcing as a plain loop: each step reads the truth before it."""
    states, previous, found = network.encode(Inputs(windows)), windows[:, -network.width :], []
    for step in range(0, AHEAD, network.segment):
        parameters, states, _ = network.decode(states, previous)
        found.append(parameters)
        previous = targets[:, step : step + network.segment]
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("options", [{}, {"segment": 2}, {"attention": "additive", "bidirectional": True}], ids=str)
def test_it_is_trained_on_the_truth_and_validated_on_its_own_answers(options):
    network = random_network(decoder="seq2seq", **options)
    trained = float(network.compute_training_loss(Inputs(WINDOWS), TARGETS, tf.constant(3.0)))
    assert trained == pytest.approx(np.mean((by_truth(network, WINDOWS, TARGETS)[..., 0] - TARGETS) ** 2), rel=1e-5)
    validated = float(network.compute_validation_loss(Inputs(WINDOWS), TARGETS))
    assert validated == pytest.approx(np.mean((network(Inputs(WINDOWS))[..., 0] - TARGETS) ** 2), rel=1e-5)
    assert trained != pytest.approx(validated, rel=1e-3)


def test_scheduled_sampling_goes_from_the_truth_to_its_own_answers():
    network = random_network(decoder="seq2seq", scheduled_sampling=1.0, warmup=4)
    losses = [
        float(network.compute_training_loss(Inputs(WINDOWS), TARGETS, tf.constant(epoch))) for epoch in (0.0, 4.0)
    ]
    plain = np.mean((by_truth(network, WINDOWS, TARGETS)[..., 0] - TARGETS) ** 2)
    assert losses[0] == pytest.approx(plain, rel=1e-5)
    assert losses[1] == pytest.approx(float(network.compute_validation_loss(Inputs(WINDOWS), TARGETS)), rel=1e-5)


def test_a_distribution_is_validated_by_the_truth_and_reads_draws_where_it_reads_its_own():
    network = random_network(decoder="seq2seq", head="normal", scheduled_sampling=1.0)
    plain = float(network.head.compute_loss(TARGETS, by_truth(network, WINDOWS, TARGETS)))
    assert float(network.compute_validation_loss(Inputs(WINDOWS), TARGETS)) == pytest.approx(plain, rel=1e-5)
    losses = {float(network.compute_training_loss(Inputs(WINDOWS), TARGETS, tf.constant(1.0))) for _ in range(3)}
    assert len(losses) == 3


def test_a_share_rises_over_its_warmup():
    assert [float(ramp_up(tf.constant(epoch), 4)) for epoch in (0.0, 1.0, 4.0, 9.0)] == [0, 0.25, 1, 1]
    assert float(ramp_up(tf.constant(0.0), 0)) == 1


def test_the_decoder_starts_from_the_states_of_the_encoder():
    network = random_network(decoder="seq2seq", units=[4, 3])
    _, _, expected = network.encoder(WINDOWS[..., None])
    for state, other in zip(network.encode(Inputs(WINDOWS)), expected, strict=True):
        np.testing.assert_array_equal(state, other)


# Positional.


def test_each_segment_is_one_step_from_the_encoders_states_with_its_position_alone():
    network = random_network(decoder="positional", cell="gru", segment=3)
    _, _, states = network.encoder(WINDOWS.reshape(5, 4, 3))
    (layer,) = network.decoder.layers
    for number in range(2):
        position = np.repeat(network.positions.numpy()[number : number + 1], 5, axis=0)
        (output,) = layer.cell(position, states)
        expected = network.head.dense(output)
        np.testing.assert_allclose(network(Inputs(WINDOWS))[:, 3 * number : 3 * number + 3, 0], expected, atol=1e-6)


# Hierarchies.


def test_the_context_reads_one_vector_a_season():
    network = random_network(decoder="context", cell="gru")
    vectors = [network.encoder(WINDOWS[:, first : first + SEASON, None])[1] for first in range(0, LENGTH, SEASON)]
    _, expected, _ = network.context(np.stack(vectors, axis=1))
    np.testing.assert_allclose(network.encode(Inputs(WINDOWS))[0], expected, atol=1e-6)


def test_the_divergence_is_the_integral():
    q, p = stats.norm(0.3, 0.5), stats.norm(-0.2, 1.5)
    expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -8, 8)
    found = compute_kl_divergence(
        [tf.constant([[0.3]]), tf.constant([[0.5]])], [tf.constant([[-0.2]]), tf.constant([[1.5]])]
    )
    assert float(found[0]) == pytest.approx(expected, rel=1e-6)


def test_the_latent_variable_is_drawn_from_the_prior_once_a_path():
    network, served = randomised(decoder="latent")
    states, noise = network.encode(Inputs(WINDOWS)), np.full((5, 3), 0.7, "float32")
    mean, deviation = states[1].numpy(), states[2].numpy()
    moved = [states[0], mean + 0.7 * deviation, deviation, *states[3:]]
    drawn, middle = (
        network.decode(states, WINDOWS[:, -1:], noise=noise),
        network.decode(moved, WINDOWS[:, -1:], noise=np.zeros((5, 3), "float32")),
    )
    np.testing.assert_allclose(drawn.parameters, middle.parameters, atol=1e-6)
    for state, other in zip(drawn.states[:3], states[:3], strict=True):
        np.testing.assert_array_equal(state, other)  # what z is made of stays for the next step
    decoded = served.decode(served.encode(Inputs(WINDOWS)), WINDOWS[:, -1:], noise=noise)
    np.testing.assert_allclose(decoded.parameters, drawn.parameters, atol=1e-5)


def test_a_latent_network_learns_its_loss_and_the_divergence_as_far_as_it_has_risen():
    network = random_network(decoder="latent", warmup=10)
    losses = {}
    for epoch in (0.0, 5.0, 10.0):
        network.seed_generator.state.assign([1, 0])
        losses[epoch] = float(network.compute_training_loss(Inputs(WINDOWS), TARGETS, tf.constant(epoch)))
    assert losses[10.0] > losses[0.0]
    assert losses[5.0] - losses[0.0] == pytest.approx((losses[10.0] - losses[0.0]) / 2, rel=1e-4)


def test_windows_that_fill_up_a_batch_change_no_loss_of_a_latent_network():
    network = random_network(decoder="latent")
    expected = network.compute_validation_loss(Inputs(WINDOWS[:3]), TARGETS[:3])
    with leave_out_windows(tf.constant([1.0, 1.0, 1.0, 0.0, 0.0])):
        found = network.compute_validation_loss(Inputs(WINDOWS), TARGETS)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
