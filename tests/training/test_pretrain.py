"""The training of the pretrained network: its loss, its schedule, its resumption and its ONNX graph."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from forecaster.models.zero_shot_network import compute_quantile_loss
from forecaster.pretrained.features import DECODER_FEATURES, ENCODER_FEATURES, PROBABILITIES
from forecaster.training import pretrain as training


def test_the_loss_is_the_weighted_mean_of_quantile_losses_that_count_at_most_20() -> None:
    generator = np.random.default_rng(0)
    target = generator.standard_normal((2, 3)).astype(np.float32)
    target[1, 2] = 1e3
    quantiles = np.sort(generator.standard_normal((2, 3, len(PROBABILITIES))), axis=2).astype(np.float32)
    weights = np.array([[0.5, 0.5, 0], [0.2, 0.3, 0.5]], np.float32)
    expected = 0.0
    for row in range(2):
        for step in range(3):
            for place, p in enumerate(PROBABILITIES):
                error = float(target[row, step]) - float(quantiles[row, step, place])
                loss = min(p * error if error > 0 else (p - 1) * error, 20.0)
                expected += loss * float(weights[row, step]) / len(PROBABILITIES) / 2
    assert float(compute_quantile_loss(target, quantiles, weights)) == pytest.approx(expected, rel=1e-5)


def test_the_learning_rate_rises_over_300_batches_and_falls_to_a_hundredth() -> None:
    rates = [training.compute_learning_rate(number, 10_000) for number in (0, 299, 5000, 10_000)]
    assert rates == pytest.approx([2e-3 / 300, 2e-3 * 0.998, 2e-3 * 0.505, 2e-5], rel=2e-3)


def test_the_graph_gives_what_the_network_gives() -> None:
    network, _ = training.build_network_and_optimizer()
    generator = np.random.default_rng(1)
    for variable in network.trainable_variables:
        variable.assign(0.2 * generator.standard_normal(variable.shape))
    encoder = generator.standard_normal((5, 20, ENCODER_FEATURES)).astype(np.float32)
    decoder = generator.standard_normal((5, 7, DECODER_FEATURES)).astype(np.float32)
    session = onnxruntime.InferenceSession(training.export_zero_shot_network(network))
    (found,) = session.run(None, {"encoder": encoder, "decoder": decoder})
    np.testing.assert_allclose(found, network(encoder, decoder), rtol=1e-5, atol=1e-5)
    assert (np.diff(found, axis=2) > 0).all()


def make_small_batch(seed: int, number: int, size: int) -> training.Batch:
    generator = np.random.default_rng([seed, number])
    shapes = ((size, 3, ENCODER_FEATURES), (size, 2, DECODER_FEATURES), (size, 2))
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    return training.Batch(*arrays, np.full((size, 2), 0.5, np.float32))


def test_an_interrupted_training_resumes_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_SAVED_EVERY", 1)
    monkeypatch.setattr(training, "_VALIDATION_BATCHES", 1)
    monkeypatch.setattr(training, "generate_batch", make_small_batch)
    monkeypatch.setattr(training, "ProcessPoolExecutor", lambda workers, _: ThreadPoolExecutor(workers))

    def take_steps_until(end: int, network: object, optimizer: object) -> object:
        steps = iter(range(end))

        def train_step(*batch: np.ndarray) -> object:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            return training.train_on_batch(network, optimizer, training.Batch(*batch))

        return train_step

    run = partial(training.pretrain, batches=2, size=2, seed=5, workers=1)
    monkeypatch.setattr(training, "_compile_step", partial(take_steps_until, 2))
    run(tmp_path / "whole")
    monkeypatch.setattr(training, "_compile_step", partial(take_steps_until, 1))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts")
    assert not (tmp_path / "parts" / "network.onnx").exists()
    run(tmp_path / "parts")
    keras.utils.clear_session()
    assert (tmp_path / "parts" / "network.onnx").read_bytes() == (tmp_path / "whole" / "network.onnx").read_bytes()
    logs = [(tmp_path / name / "pretraining.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    losses = [[json.loads(line)["loss"] for line in log] for log in logs]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 2
