"""Generated series: the same bits from the same numbers, and the properties that the network is to learn."""

import numpy as np
import pytest

from forecaster.pretrained.generator import TASKS, draw_patterns, generate_series, hide_values
from forecaster.pretrained.training_batches import generate_batch


def test_a_batch_follows_from_its_seed_and_number() -> None:
    first, again, other = (generate_batch(0, number, 16) for number in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.encoder.shape != other.encoder.shape or (first.encoder != other.encoder).any()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: "-".join(map(str, task.seasons)) or "none")
def test_series_and_batches_are_finite(task: object) -> None:
    series = generate_series(np.random.default_rng(0), 32, 200, task.seasons)  # type: ignore[attr-defined]
    assert series.shape == (32, 200)
    assert np.isfinite(series).all()
    assert (series.std(axis=1) > 0).mean() > 0.9


def test_three_values_of_each_history_are_known_and_some_are_missing() -> None:
    known = hide_values(np.random.default_rng(0), 500, 100, 12)
    assert known[:, -3:].all()
    assert 0.2 < (known.sum(axis=1) == 100).mean() < 0.6
    assert (known.sum(axis=1) < 12).any()


def test_patterns_have_mean_zero_and_deviation_one() -> None:
    patterns = draw_patterns(np.random.default_rng(0), 50, 24)
    np.testing.assert_allclose(patterns.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(patterns.std(axis=1), 1, atol=1e-6)


def test_weights_of_a_window_sum_to_one() -> None:
    batch = generate_batch(1, 2, 8)
    np.testing.assert_allclose(batch.weights.sum(axis=1), 1, rtol=1e-5)


def test_batches_are_those_that_the_network_was_trained_on() -> None:
    batch = generate_batch(0, 0, 8)
    found = [float(np.abs(each).mean()) for each in batch]
    np.testing.assert_allclose(found, [0.4176536, 0.4068078, 1.3945256, 0.0208333], rtol=1e-5)
    np.testing.assert_allclose(batch.target[0, :3], [0.091687, -0.511601, -0.15985], rtol=1e-4)
