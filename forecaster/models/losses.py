"""Losses of point forecasts: the mean over a batch of an elementwise penalty of the error, in scaled units."""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from keras import KerasTensor, ops

Loss = Callable[[KerasTensor, KerasTensor], KerasTensor]
LARGEST = 1e15  # an error whose square, summed over a batch, is still finite in float32; training has diverged by then


_counts = ContextVar[KerasTensor | None]("_counts", default=None)


@contextlib.contextmanager
def leave_out_windows(counts: KerasTensor) -> Iterator[None]:
    """Let losses leave out the windows that fill up a batch: `counts` is 0 for them and 1 for the others, (batch,)."""
    token = _counts.set(counts)
    try:
        yield
    finally:
        _counts.reset(token)


def average(penalties: KerasTensor) -> KerasTensor:
    """Average penalties (batch, ...) over all cells, without those of windows that are left out."""
    if (counts := _counts.get()) is None:
        return ops.mean(penalties)
    counts = ops.cast(counts, penalties.dtype)
    by_window = ops.mean(penalties, axis=tuple(range(1, len(penalties.shape))))  # (batch,)
    return ops.sum(counts * by_window) / ops.sum(counts)


def compute_mse(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Return the mean squared error, which the conditional mean minimizes."""
    return average(ops.square(ops.clip(targets - predictions, -LARGEST, LARGEST)))


def compute_mae(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Return the mean absolute error, which the conditional median minimizes."""
    return average(ops.abs(targets - predictions))


def compute_huber(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Return the Huber loss: e² / 2 up to |e| = 1, |e| - 1/2 beyond (Huber 1964)."""
    error = ops.abs(targets - predictions)
    return average(ops.where(error <= 1.0, 0.5 * ops.square(error), error - 0.5))


def compute_log_cosh(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Return log(cosh(e)), a smooth version of the Huber loss.

    It is computed as |e| + softplus(-2 |e|) - log 2, since cosh overflows float32 from an error of 90.
    """
    error = ops.abs(targets - predictions)
    return average(error + ops.softplus(-2.0 * error) - ops.log(2.0))


def compute_mape(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Return the MAPE, as a fraction, of values given as logarithms: |exp(p - t) - 1| = |ŷ - y| / y.

    Where p - t exceeds 1 it continues as its tangent, of slope e, so that an untrained network does not overflow.
    """
    error = predictions - targets
    return average(ops.where(error <= 1.0, ops.abs(ops.expm1(ops.minimum(error, 1.0))), math.e * error - 1.0))


def compute_smape(targets: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Return the sMAPE, as a fraction, of values given as logarithms.

    2 tanh(|p - t| / 2) = 2 |ŷ - y| / (ŷ + y), the M4 competition's sMAPE over 100 (Makridakis et al. 2020, equation 2).
    """
    return average(2.0 * ops.tanh(ops.abs(targets - predictions) / 2.0))  # bounded by 2, so that no error overflows


LOSSES: dict[str, Loss] = {
    "mse": compute_mse,
    "mae": compute_mae,
    "huber": compute_huber,
    "log_cosh": compute_log_cosh,
    "mape": compute_mape,
    "smape": compute_smape,
}
