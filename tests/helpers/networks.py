"""Real networks for tests, with weights that are not small, exported and trained; importing this loads TensorFlow."""

import numpy as np
import tensorflow as tf

from forecaster.config.schema import Model
from forecaster.forecasting.onnx_graph import check_graph
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.inputs import Inputs
from forecaster.models import build_network
from forecaster.training.export import export_onnx


def random_network(model: Model, length: int, ahead: int, season: int = 1, **options):
    """Build a network with random weights that are not small; the same for the same arguments."""
    network = build_network(model, length, ahead, season, **options)
    generator = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(size=variable.shape) * 0.4 + (1 if "gain" in variable.path else 0))
    return network


_EXPORTED: dict[str, tuple[bytes, bytes]] = {}  # many tests read the same network


def randomised(model: Model, length: int, ahead: int, season: int = 1, **options):
    """A random network, and the same exported."""
    network = random_network(model, length, ahead, season, **options)
    key = f"{model!r} {length} {ahead} {season} {sorted(options.items())}"
    if key not in _EXPORTED:
        _EXPORTED[key] = export_onnx(network, length)
        for graph in _EXPORTED[key]:
            check_graph(graph, length)
    return network, OnnxNetwork(*_EXPORTED[key])


def answer_windows(network, values, length, horizon, segment=1):
    """What a network forecasts after each window in `values`, a segment apart, (batch, horizon); in one call.

    A rollout that slides gives these where `values` are the first window and its forecasts.
    """
    starts = range(0, horizon, segment)
    answers = network(Inputs(np.concatenate([values[:, start : start + length] for start in starts])))[..., 0]
    return np.concatenate(np.split(np.asarray(answers), len(starts)), axis=1)[:, :horizon]


def answer_beginnings(network, values, length, horizon, segment=1):
    """What a network forecasts after reading `values` up to each segment from `length` on, (batch, horizon).

    A rollout that carries states gives these where `values` are the window and its forecasts. A network that reads
    forward forecasts all of them in one reading; the last is also that of a call.
    """
    count = -(-horizon // segment)
    read = Inputs(values[:, : length + (count - 1) * segment])
    answers = np.asarray(network.predict_after_each(read))[:, -count * segment :, 0]
    np.testing.assert_allclose(answers[:, -segment:], np.asarray(network(read))[..., 0], atol=1e-5)
    return answers[:, :horizon]


def fitted(network, batch, steps=300, rate=0.01):
    """Train on `steps` batches of (windows, targets[, categories]), or (inputs, targets), made by `batch(generator)`.

    The rate falls linearly to 0, so that few steps at a high rate are enough. Adam (Kingma & Ba 2015, end of section 2)
    updates all weights as one vector: the optimizer of Keras, which updates each, takes a third of a training to trace.
    """
    weights, generator = network.trainable_variables, np.random.default_rng(0)
    sizes = [int(np.prod(weight.shape)) for weight in weights]
    mean, square = tf.Variable(tf.zeros(sum(sizes))), tf.Variable(tf.zeros(sum(sizes)))

    @tf.function(autograph=False)
    def step(epoch, size, inputs, targets):
        with tf.GradientTape() as tape:
            loss = network.compute_training_loss(inputs, targets, epoch)
        gradients = tape.gradient(loss, weights)
        gradient = tf.concat([tf.reshape(tf.convert_to_tensor(each), [-1]) for each in gradients], 0)
        gradient /= tf.maximum(tf.norm(gradient), 1.0)
        change = size * mean.assign(0.9 * mean + 0.1 * gradient)
        change /= tf.sqrt(square.assign(0.999 * square + 0.001 * gradient**2)) + 1e-7
        for weight, part in zip(weights, tf.split(change, sizes), strict=True):
            weight.value.assign_sub(tf.reshape(part, weight.shape))

    for number in range(steps):
        bias = np.sqrt(1 - 0.999 ** (number + 1)) / (1 - 0.9 ** (number + 1))
        inputs, targets, *categories = batch(generator)
        inputs = inputs if isinstance(inputs, Inputs) else Inputs(inputs, None, None, *categories)
        tensors = Inputs(*(None if array is None else tf.constant(array) for array in inputs))
        size = tf.constant(rate * (1 - number / steps) * bias, tf.float32)
        step(tf.constant(10 * number / steps, tf.float32), size, tensors, tf.constant(targets))
    return network
