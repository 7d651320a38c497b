"""The network that fills gaps: bidirectional layers that correct a seasonal interpolation."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.encoder import Encoder
from forecaster.models.losses import Loss
from forecaster.models.recurrent_layers import skip_steps

_EPSILON = 1e-5  # scaled units squared, added to a variance, as in `normalization`
_HIDDEN_SHARE = 0.25  # of a training window's cells, on average
_BLANK_PROBABILITY = 0.1  # that a training window lacks its start, or its end, as windows at the series' ends do
_VALIDATION_SEED = 1


class ImputationNetwork(keras.Model):
    """Fills windows with gaps: ŷ = anchor + √(4 a b / (n (a + b))) · correction of the encoder.

    The anchor is a seasonal interpolation; the factor is the deviation of a Brownian bridge a steps after and b steps
    before an observed cell, 1 in the middle of the longest gap of n steps. Bidirectional recurrent imputation follows
    BRITS (Cao et al. 2018).

    A window is a core, which is filled, between two wings of `reach` seasons, in which only cells of the same phase of
    the season are read. Missing cells are NaN. In training, random gaps are hidden in the core, and only their cells
    count in the loss.

    Attributes:
        ahead: 0, the steps after a window that `training.trainer.Trainer` gathers as targets.
        width: steps in a window, wings included.
    """

    ahead = 0

    def __init__(
        self, encoder: Encoder, loss: Loss, length: int, season: int, reach: int, shares: np.ndarray, seed: int
    ) -> None:
        """Build a network for a core of `length` steps.

        Args:
            encoder: of bidirectional layers.
            loss: a mean over cells, 0 for a correct prediction.
            length: steps in the core.
            season: steps in a season.
            reach: seasons read on each side, 0 without a season.
            shares: the probability that a hidden gap has 1, 2, ... steps, (longest,).
            seed: of the hidden gaps.
        """
        super().__init__()
        self.encoder, self.loss_function = encoder, loss
        self.length, self.season, self.reach = length, season, reach
        self.wing = reach * season
        self.width = length + 2 * self.wing
        self.log_shares = np.log(np.maximum(shares, 1e-30)).astype(np.float32)
        self.longest = len(shares)
        mean = float(np.arange(1, len(shares) + 1) @ shares)
        self.gaps_per_window = max(1, round(_HIDDEN_SHARE * length / mean))
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.head = keras.layers.Dense(1, kernel_initializer="zeros", name="head")
        self.lags = [lag for lag in range(-reach, reach + 1) if lag]
        if self.lags:
            nearest_first = keras.initializers.Constant([-float(abs(lag)) for lag in self.lags])
            self.lag_weights = self.add_weight((len(self.lags),), nearest_first, name="lag_weights")
        with skip_steps():
            self(ops.zeros((1, self.width)))  # the first call creates the weights

    def build(self, window_shape: Sequence[int | None]) -> None:
        """Leave the weights to the first call; without this method, Keras would first trace the call twice."""
        super().build(window_shape)

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """Fill windows (batch, width), NaN where missing; return every cell of the core, (batch, length)."""
        observed = ops.logical_not(ops.isnan(window))  # (batch, width)
        mean, deviation = _compute_moments(window, observed)  # (batch, 1) each
        known = ops.where(observed, (window - mean) / deviation, 0.0)
        core = slice(self.wing, self.wing + self.length)
        line, before, after = interpolate(known[:, core], observed[:, core])
        anchor, neighbours = self._compute_anchor(known, observed, line)
        steps = [
            anchor,
            line - anchor,
            ops.cast(observed[:, core], "float32"),
            before / self.length,
            after / self.length,
        ]
        features = ops.concatenate([ops.stack(steps, axis=-1), neighbours], axis=-1)  # (batch, length, features)
        outputs, _, _ = self.encoder(features, training=training)
        correction = ops.squeeze(self.head(outputs), axis=-1)  # (batch, length)
        # Standard deviation of a Brownian bridge over the gap, 1 in the middle of the longest: short gaps need little
        # correction. (batch, length)
        bridge = ops.sqrt(4 / self.longest * before * after / ops.maximum(before + after, 1.0))
        return (anchor + bridge * correction) * deviation + mean

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """Compute the mean loss of gaps hidden at random in the cores of windows (batch, width)."""
        hidden = self._sample_gaps(inputs.window, self.gaps_per_window, self.seed_generator)
        return self._score_hidden_cells(self._blank_ends(inputs.window), hidden, training=True)

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """Compute the mean loss of one gap in the middle of each window, always the same."""
        length = self._sample_lengths(inputs.window, 1, _VALIDATION_SEED)  # (batch, 1)
        hidden = _mark_gaps(self.length // 2 - length // 2, length, self.length)
        return self._score_hidden_cells(inputs.window, hidden, training=False)

    def _score_hidden_cells(self, window: KerasTensor, hidden: KerasTensor, training: bool) -> KerasTensor:
        """Compute the mean loss of the cells of the core that are `hidden`, (batch, length), and observed."""
        core = window[:, self.wing : self.wing + self.length]
        counted = ops.logical_and(hidden, ops.logical_not(ops.isnan(core)))
        wings = ((0, 0), (self.wing, self.wing))
        filled = self(ops.where(ops.pad(hidden, wings), float("nan"), window), training=training)
        share = ops.mean(ops.cast(counted, "float32"))
        loss = self.loss_function(ops.where(counted, core, 0.0), ops.where(counted, filled, 0.0))
        return loss / ops.maximum(share, 1e-9)

    def _sample_gaps(self, window: KerasTensor, count: int, seed: keras.random.SeedGenerator) -> KerasTensor:
        """Sample `count` gaps in each core: whether each cell is hidden, (batch, length)."""
        lengths = self._sample_lengths(window, count, seed)  # (batch, count)
        places = keras.random.uniform(ops.shape(lengths), seed=seed)
        firsts = ops.cast(places * ops.cast(self.length - lengths + 1, "float32"), "int32")
        return _mark_gaps(firsts, lengths, self.length)

    def _sample_lengths(self, window: KerasTensor, count: int, seed: keras.random.SeedGenerator | int) -> KerasTensor:
        """Sample the lengths of `count` gaps for each window, (batch, count)."""
        logits = ops.tile(self.log_shares[None], (ops.shape(window)[0], 1))  # (batch, longest)
        return keras.random.categorical(logits, count, dtype="int32", seed=seed) + 1

    def _blank_ends(self, window: KerasTensor) -> KerasTensor:
        """Blank the start or the end of some windows, never the middle of the core, as at the ends of a series."""
        ends = ops.cast(
            keras.random.uniform((ops.shape(window)[0], 2), seed=self.seed_generator) < _BLANK_PROBABILITY, "float32"
        )
        reaches = (
            keras.random.uniform((ops.shape(window)[0], 2), maxval=self.width / 2, seed=self.seed_generator) * ends
        )
        places = ops.arange(self.width, dtype="float32")[None]  # (1, width)
        blank = ops.logical_or(places < reaches[:, :1], self.width - 1 - places < reaches[:, 1:])
        return ops.where(blank, float("nan"), window)

    def _compute_anchor(
        self, known: KerasTensor, observed: KerasTensor, line: KerasTensor
    ) -> tuple[KerasTensor, KerasTensor]:
        """Interpolate with the season: anchor (batch, length), and the estimates it averages, (batch, length, 2 lags).

        Each seasonal lag estimates a cell by its neighbor at that lag plus the difference between the cells around the
        gap and their neighbors, interpolated linearly. The second result is each estimate less the anchor, 0 if the
        neighbor is missing, followed by whether it is observed.
        """
        if not self.lags:
            return line, ops.zeros((*ops.shape(line), 0))
        core = slice(self.wing, self.wing + self.length)
        values, seen = self._gather_lags(known), self._gather_lags(observed)  # (batch, length, lags)
        both = ops.logical_and(seen, observed[:, core, None])
        apart, *_ = interpolate(known[:, core, None] - values, both)
        weights = ops.softmax(self.lag_weights) * ops.cast(seen, "float32")
        total = ops.sum(weights, axis=-1)  # (batch, length)
        mean = ops.sum(weights * (values + apart), axis=-1) / ops.maximum(total, 1e-9)
        anchor = ops.where(ops.any(seen, axis=-1), mean, line)
        differences = ops.where(seen, values + apart - anchor[..., None], 0.0)
        return anchor, ops.concatenate([differences, ops.cast(seen, "float32")], axis=-1)

    def _gather_lags(self, tensor: KerasTensor) -> KerasTensor:
        """Gather the neighbors of each cell of the core at every lag: (batch, width) -> (batch, length, lags)."""
        starts = [self.wing + lag * self.season for lag in self.lags]
        return ops.stack([tensor[:, start : start + self.length] for start in starts], axis=-1)


def interpolate(values: KerasTensor, observed: KerasTensor) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Interpolate linearly between observed cells, constant beyond the first and the last; 0 if none is observed.

    Args:
        values: (batch, steps, ...).
        observed: booleans of the same shape.

    Returns:
        The interpolated values, and the steps since the last observed cell and to the next, in the shape of `values`.
    """
    steps = values.shape[1]
    places = ops.reshape(ops.arange(steps), (1, steps, *(1 for _ in values.shape[2:])))
    left = _compute_running_maximum(ops.where(observed, places, -1))
    right = steps - 1 - ops.flip(_compute_running_maximum(ops.flip(ops.where(observed, steps - 1 - places, -1), 1)), 1)
    first = ops.where(left < 0, ops.minimum(right, steps - 1), left)  # the last step if none is observed
    second = ops.where(right >= steps, ops.maximum(left, 0), right)
    before, after = (ops.cast(ops.abs(places - end), "float32") for end in (first, second))
    known = ops.where(observed, values, 0.0)
    one, other = (ops.take_along_axis(known, end, axis=1) for end in (first, second))
    share = ops.where(first == second, 0.0, before / ops.maximum(before + after, 1.0))
    return one + (other - one) * share, before, after


def _compute_running_maximum(values: KerasTensor) -> KerasTensor:
    """Compute the running maximum along axis 1 of integers ≥ -1, in log2(steps) doublings of the distance."""
    back = 1
    while back < values.shape[1]:
        earlier = ops.concatenate([ops.full_like(values[:, :back], -1), values[:, :-back]], axis=1)
        values, back = ops.maximum(values, earlier), 2 * back
    return values


def _compute_moments(window: KerasTensor, observed: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Compute mean and standard deviation of the observed cells, (batch, 1) each."""
    count = ops.maximum(ops.sum(ops.cast(observed, "float32"), axis=1, keepdims=True), 1.0)
    mean = ops.sum(ops.where(observed, window, 0.0), axis=1, keepdims=True) / count
    variance = ops.sum(ops.square(ops.where(observed, window - mean, 0.0)), axis=1, keepdims=True) / count
    return mean, ops.sqrt(variance + _EPSILON)


def _mark_gaps(firsts: KerasTensor, lengths: KerasTensor, steps: int) -> KerasTensor:
    """Mark the cells, of `steps` per window, that lie in a gap of (batch, gaps): (batch, steps)."""
    places = ops.arange(steps)[None, None]  # (1, 1, steps)
    inside = ops.logical_and(places >= firsts[..., None], places < (firsts + lengths)[..., None])
    return ops.any(inside, axis=1)
