"""The network that fills gaps: recurrent layers read both sides, and correct an interpolation that knows the season."""

import keras
import numpy as np
from keras import KerasTensor, ops

from forecaster.inputs import Inputs
from forecaster.models.encoder import Encoder
from forecaster.models.losses import Loss

_EPSILON = 1e-5  # of a scaled unit squared, as in `normalization`
_HIDDEN = 0.25  # share of a training window that is hidden, about
_BLANK = 0.1  # probability that a training window begins, or ends, before its middle, as the series does
_VALIDATION_SEED = 1


class ImputationNetwork(keras.Model):
    """Windows with gaps -> a value for every cell (bidirectional: Schuster & Paliwal 1997; BRITS, Cao et al. 2018).

    A window is a core, which is filled, between two wings of `reach` seasons, of which only the same phase of the
    season is looked up. Cells that are not known are NaN. In training, stretches of the core are hidden at random,
    and the loss counts those cells alone.

    Attributes:
        ahead: 0, the steps after a window that `fitting.Trainer` gathers as targets.
        width: steps in a window, wings included.
    """

    ahead = 0

    def __init__(
        self, encoder: Encoder, loss: Loss, length: int, season: int, reach: int, shares: np.ndarray, seed: int
    ) -> None:
        """A network for a core of `length` steps.

        Args:
            encoder: its layers read both directions.
            loss: the mean over cells of a penalty that is 0 where the prediction is right.
            length: steps in the core.
            season: steps in a season.
            reach: seasons looked up on each side, 0 where there is no season.
            shares: how often a stretch of 1, 2, ... steps is hidden, (longest,).
            seed: of what is hidden.
        """
        super().__init__()
        self.encoder, self.loss_of = encoder, loss
        self.length, self.season, self.reach = length, season, reach
        self.wing = reach * season
        self.width = length + 2 * self.wing
        self.log_shares = np.log(np.maximum(shares, 1e-30)).astype(np.float32)
        self.longest = len(shares)
        mean = float(np.arange(1, len(shares) + 1) @ shares)
        self.stretches = max(1, round(_HIDDEN * length / mean))
        self.draws = keras.random.SeedGenerator(seed)
        self.head = keras.layers.Dense(1, kernel_initializer="zeros", name="head")
        self.lags = [lag for lag in range(-reach, reach + 1) if lag]
        if self.lags:
            nearest_first = keras.initializers.Constant([-float(abs(lag)) for lag in self.lags])
            self.lag_weights = self.add_weight((len(self.lags),), nearest_first, name="lag_weights")
        self(ops.zeros((1, self.width)))  # makes the weights

    def call(self, window: KerasTensor, training: bool = False) -> KerasTensor:
        """(batch, width), NaN where not known -> a value for each cell of the core, (batch, length)."""
        observed = ops.logical_not(ops.isnan(window))  # (batch, width)
        mean, deviation = _level(window, observed)
        known = ops.where(observed, (window - mean) / deviation, 0.0)
        core = slice(self.wing, self.wing + self.length)
        line, before, after = interpolate(known[:, core], observed[:, core])
        anchor, neighbours = self._season(known, observed, line)
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
        # As far off as a Brownian bridge over the gap is, 1 in the middle of the longest: short gaps need little.
        bridge = ops.sqrt(4 / self.longest * before * after / ops.maximum(before + after, 1.0))
        return (anchor + bridge * correction) * deviation + mean

    def compute_training_loss(self, inputs: Inputs, targets: KerasTensor, epoch: KerasTensor) -> KerasTensor:
        """The mean loss of stretches hidden at random, anywhere in the core, of windows (batch, width)."""
        hidden = self._stretches(inputs.window, self.stretches, self.draws)
        return self._loss(self._blanked(inputs.window), hidden, training=True)

    def compute_validation_loss(self, inputs: Inputs, targets: KerasTensor) -> KerasTensor:
        """The mean loss of one stretch in the middle of each window, as gaps are filled; the same at each call."""
        length = self._lengths(inputs.window, 1, _VALIDATION_SEED)  # (batch, 1)
        hidden = _within(self.length // 2 - length // 2, length, self.length)
        return self._loss(inputs.window, hidden, training=False)

    def _loss(self, window: KerasTensor, hidden: KerasTensor, training: bool) -> KerasTensor:
        """The mean loss of the cells of the core that are `hidden`, (batch, length), and known in the window."""
        core = window[:, self.wing : self.wing + self.length]
        counted = ops.logical_and(hidden, ops.logical_not(ops.isnan(core)))
        wings = ((0, 0), (self.wing, self.wing))
        filled = self(ops.where(ops.pad(hidden, wings), float("nan"), window), training=training)
        share = ops.mean(ops.cast(counted, "float32"))
        loss = self.loss_of(ops.where(counted, core, 0.0), ops.where(counted, filled, 0.0))
        return loss / ops.maximum(share, 1e-9)

    def _stretches(self, window: KerasTensor, count: int, seed: keras.random.SeedGenerator) -> KerasTensor:
        """`count` stretches at random in each core, (batch, length)."""
        lengths = self._lengths(window, count, seed)  # (batch, count)
        places = keras.random.uniform(ops.shape(lengths), seed=seed)
        firsts = ops.cast(places * ops.cast(self.length - lengths + 1, "float32"), "int32")
        return _within(firsts, lengths, self.length)

    def _lengths(self, window: KerasTensor, count: int, seed: keras.random.SeedGenerator | int) -> KerasTensor:
        logits = ops.tile(self.log_shares[None], (ops.shape(window)[0], 1))  # (batch, longest)
        return keras.random.categorical(logits, count, dtype="int32", seed=seed) + 1

    def _blanked(self, window: KerasTensor) -> KerasTensor:
        """The windows, some of which know nothing before or after some place outside the middle of the core."""
        ends = ops.cast(keras.random.uniform((ops.shape(window)[0], 2), seed=self.draws) < _BLANK, "float32")
        reaches = keras.random.uniform((ops.shape(window)[0], 2), maxval=self.width / 2, seed=self.draws) * ends
        places = ops.arange(self.width, dtype="float32")[None]  # (1, width)
        blank = ops.logical_or(places < reaches[:, :1], self.width - 1 - places < reaches[:, 1:])
        return ops.where(blank, float("nan"), window)

    def _season(self, known: KerasTensor, observed: KerasTensor, line: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """The anchor (batch, length) that the season gives, and what it is a mean of, (batch, length, 2 lags).

        Each lag gives its neighbour plus a straight line through how far the cells around the gap lie from theirs.
        The second part is each of these less the anchor, 0 where there is none, and whether there is one.
        """
        if not self.lags:
            return line, ops.zeros((*ops.shape(line), 0))
        core = slice(self.wing, self.wing + self.length)
        values, seen = self._shifted(known), self._shifted(observed)  # (batch, length, lags)
        both = ops.logical_and(seen, observed[:, core, None])
        apart, *_ = interpolate(known[:, core, None] - values, both)
        weights = ops.softmax(self.lag_weights) * ops.cast(seen, "float32")
        total = ops.sum(weights, axis=-1)  # (batch, length)
        mean = ops.sum(weights * (values + apart), axis=-1) / ops.maximum(total, 1e-9)
        anchor = ops.where(ops.any(seen, axis=-1), mean, line)
        told = ops.where(seen, values + apart - anchor[..., None], 0.0)
        return anchor, ops.concatenate([told, ops.cast(seen, "float32")], axis=-1)

    def _shifted(self, tensor: KerasTensor) -> KerasTensor:
        """(batch, width) -> the cell each lag away from each of the core, (batch, length, lags)."""
        starts = [self.wing + lag * self.season for lag in self.lags]
        return ops.stack([tensor[:, start : start + self.length] for start in starts], axis=-1)


def interpolate(values: KerasTensor, observed: KerasTensor) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Straight lines between observed cells, level beyond the first and the last; 0 where there is none.

    Args:
        values: (batch, steps, ...).
        observed: booleans like them.

    Returns:
        The values on the lines, and the steps since the last observed cell and to the next, all like `values`.
    """
    steps = values.shape[1]
    places = ops.reshape(ops.arange(steps), (1, steps, *(1 for _ in values.shape[2:])))
    left = _running_maximum(ops.where(observed, places, -1))
    right = steps - 1 - ops.flip(_running_maximum(ops.flip(ops.where(observed, steps - 1 - places, -1), 1)), 1)
    first = ops.where(left < 0, ops.minimum(right, steps - 1), left)  # where nothing is known, the last step
    second = ops.where(right >= steps, ops.maximum(left, 0), right)
    before, after = (ops.cast(ops.abs(places - end), "float32") for end in (first, second))
    known = ops.where(observed, values, 0.0)
    one, other = (ops.take_along_axis(known, end, axis=1) for end in (first, second))
    share = ops.where(first == second, 0.0, before / ops.maximum(before + after, 1.0))
    return one + (other - one) * share, before, after


def _running_maximum(values: KerasTensor) -> KerasTensor:
    """The largest so far along axis 1 of integers of at least -1, by doubling the look back."""
    back = 1
    while back < values.shape[1]:
        earlier = ops.concatenate([ops.full_like(values[:, :back], -1), values[:, :-back]], axis=1)
        values, back = ops.maximum(values, earlier), 2 * back
    return values


def _level(window: KerasTensor, observed: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Mean and deviation of the observed cells, (batch, 1) each."""
    count = ops.maximum(ops.sum(ops.cast(observed, "float32"), axis=1, keepdims=True), 1.0)
    mean = ops.sum(ops.where(observed, window, 0.0), axis=1, keepdims=True) / count
    variance = ops.sum(ops.square(ops.where(observed, window - mean, 0.0)), axis=1, keepdims=True) / count
    return mean, ops.sqrt(variance + _EPSILON)


def _within(firsts: KerasTensor, lengths: KerasTensor, steps: int) -> KerasTensor:
    """Whether each of `steps` cells lies in one of the stretches (batch, stretches): (batch, steps)."""
    places = ops.arange(steps)[None, None]  # (1, 1, steps)
    inside = ops.logical_and(places >= firsts[..., None], places < (firsts + lengths)[..., None])
    return ops.any(inside, axis=1)
