"""The losses of a value: mean over a batch of an elementwise penalty of target - prediction, in scaled units."""

import math
from collections.abc import Callable

from keras import KerasTensor, ops

Loss = Callable[[KerasTensor, KerasTensor], KerasTensor]
LARGEST = 1e15  # error whose square, summed over a batch, is finite in float32; training that far off has diverged


def mse(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Mean squared error; the best forecast is the mean."""
    return ops.mean(ops.square(ops.clip(targets - predictions, -LARGEST, LARGEST)))


def mae(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Mean absolute error; the best forecast is the median."""
    return ops.mean(ops.abs(targets - predictions))


def huber(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Half the square up to 1, the absolute error less a half beyond (Huber 1964)."""
    error = ops.abs(targets - predictions)
    return ops.mean(ops.where(error <= 1.0, 0.5 * ops.square(error), error - 0.5))


def log_cosh(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """log(cosh(error)), which is smooth where Huber has its kink.

    Written as |e| + softplus(-2 |e|) - log 2: cosh itself overflows float32 from an error of 90.
    """
    error = ops.abs(targets - predictions)
    return ops.mean(error + ops.softplus(-2.0 * error) - ops.log(2.0))


def mape(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Mean absolute percentage error of values whose logarithms these are, as a share: |exp(p - t) - 1| = |ŷ - y| / y.

    Beyond an error of e it goes on straight, so that no network overflows before it has learnt the level.
    """
    error = predictions - targets
    return ops.mean(ops.where(error <= 1.0, ops.abs(ops.expm1(ops.minimum(error, 1.0))), math.e * error - 1.0))


def smape(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Symmetric mean absolute percentage error of values whose logarithms these are, as a share.

    2 tanh(|p - t| / 2) = 2 |ŷ - y| / (ŷ + y), which is M4's (Makridakis et al. 2020, equation 2) over 100.
    """
    return ops.mean(2.0 * ops.tanh(ops.abs(targets - predictions) / 2.0))


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "log_cosh": log_cosh,
    "mape": mape,
    "smape": smape,
}
