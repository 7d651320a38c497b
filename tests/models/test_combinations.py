"""Any combination that the checks accept can be built, learns with every weight, and is served as Keras has it."""

from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf

from forecaster.config import load_values
from forecaster.config.schema import Model
from forecaster.inputs import Inputs
from tests.helpers import networks
from tests.helpers.fake_network import one_answer

pytestmark = pytest.mark.slow

LENGTH, SEASON, AHEAD = 12, 6, 7
# Among 4,000 seeds those whose draws together have every value of every option, and most pairs of values of two options.
SEEDS = (10, 45, 107, 1214, 2979, 3606, 3825, 3977)


def choices(name: str) -> list[Any]:
    return list(get_args(Model.model_fields[name].annotation))


def drawn(seed: int) -> Model:
    """A model section drawn from everything that there is, drawn again until the checks accept it."""
    generator = np.random.default_rng(seed)
    while True:
        model = {name: str(generator.choice(choices(name))) for name in ("cell", "normalization", "decoder", "head")}
        layers = int(generator.integers(1, 4))
        model["units"] = [4] * layers
        model["segment"] = int(generator.choice([1, 1, 2, 3]))
        model["normalization_scale"] = str(generator.choice(choices("normalization_scale")))
        for name in (
            "bidirectional",
            "residual",
            "dilation",
            "layer_normalization",
            "unroll",
            "copy_segments",
            "linear",
        ):
            model[name] = bool(generator.random() < 0.3)
        for name in ("dropout", "recurrent_dropout", "zoneout", "scheduled_sampling"):
            model[name] = float(generator.choice([0.0, 0.0, 0.3]))
        model["merge"] = str(generator.choice(choices("merge"))) if model["bidirectional"] else "concat"
        model["attention"] = str(generator.choice(choices("attention")))
        model["output"] = str(generator.choice(choices("output")))
        model["pretrained"] = bool(generator.random() < 0.4)
        values = {
            "data": {"path": "x.csv", "season": SEASON},
            "window": {"length": LENGTH, "horizon": AHEAD},
            "scaling": "none",
            "model": model,
        }
        loaded = load_values(values, "x")
        if not loaded.problems:
            return loaded.config.model


def others(model: Model, generator: np.random.Generator) -> tuple[int, int]:
    """Past and known features, drawn as far as the checks let them be."""
    past = 0 if model.decoder == "rollout" else int(generator.integers(0, 3))
    return past, int(generator.integers(0, 3))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_combination_drawn_at_random_is_trained_and_served(seed):
    model, generator = drawn(seed), np.random.default_rng(100 + seed)
    channels = int(generator.integers(1, 4))
    ahead, (past, known) = model.segment if model.decoder == "rollout" else AHEAD, others(model, generator)
    network, served = networks.randomised(
        model, LENGTH, ahead, SEASON, past_width=past, known_width=known, channels=channels
    )
    width = known + (channels if model.pretrained else 0)
    features, future = generator.normal(size=(4, LENGTH, past + known)), generator.normal(size=(4, ahead, width))
    values = generator.uniform(0.2, 2, size=(4, (LENGTH + ahead) * channels)).astype("float32")
    inputs = Inputs(
        values[:, : LENGTH * channels],
        features.astype("float32") if past + known else None,
        future.astype("float32") if width else None,
    )
    with tf.GradientTape() as tape:
        loss = network.compute_training_loss(inputs, values[:, LENGTH * channels :], tf.constant(1.0))
    gradients = tape.gradient(loss, network.trainable_variables)
    assert np.isfinite(loss)
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
    found = one_answer(served, inputs)
    expected = np.asarray(network(inputs))[:, : found.shape[1]]
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-5, rtol=1e-5, err_msg=str(model))
