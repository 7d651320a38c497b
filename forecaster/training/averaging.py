"""Averages of a network's weights over its training: exponential, or over the last epochs."""

import abc
import contextlib
import math
from collections.abc import Iterator, Sequence

import tensorflow as tf


class Average(abc.ABC):
    """A mean of weights in separate variables, which stay on the device.

    Observing weights moves the mean towards them by a share: mean += share · (weights - mean).

    Args:
        weights: the variables that are averaged.
    """

    def __init__(self, weights: Sequence[tf.Variable]) -> None:
        self.weights = list(weights)
        self.means = [tf.Variable(tf.convert_to_tensor(weight), trainable=False) for weight in self.weights]
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False)  # of observed weights

    def start_over(self) -> None:
        """Forget what was observed, and begin at the weights as they are."""
        for mean, weight in zip(self.means, self.weights, strict=True):
            mean.assign(weight)
        self.count.assign(0)

    @property
    def variables(self) -> list[tf.Variable]:
        """What a checkpoint must keep."""
        return [*self.means, self.count]

    @property
    @abc.abstractmethod
    def first_epoch(self) -> int:
        """The first epoch, from 1, at whose end there is a mean."""

    def observe_batch(self) -> None:  # noqa: B027  an average may observe epochs only
        """Observe the weights after a batch; this is part of the training step's graph."""

    def observe_epoch(self, epoch: int) -> None:  # noqa: B027  or batches only
        """Observe the weights at the end of an epoch, counted from 1."""

    @contextlib.contextmanager
    def replace_weights(self) -> Iterator[None]:
        """Put the means into the network while the context lasts."""
        own = [tf.convert_to_tensor(weight) for weight in self.weights]
        self._put(self.means)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values: Sequence[tf.Tensor]) -> None:
        for weight, value in zip(self.weights, values, strict=True):
            weight.assign(value)

    def _move(self, share: tf.Tensor) -> None:
        for mean, weight in zip(self.means, self.weights, strict=True):
            mean.assign_add(tf.cast(share, mean.dtype) * (tf.convert_to_tensor(weight) - mean))


class Exponential(Average):
    """The exponential average after each batch: past weights count `decay` times as much (Polyak & Juditsky 1992).

    With m_t = decay m_(t-1) + (1 - decay) w_t from m_0 = 0, the mean is m_t / (1 - decay^t), as Adam corrects its
    start (Kingma & Ba 2015, section 3): a mean that moves by (1 - decay) / (1 - decay^t).
    """

    def __init__(self, weights: Sequence[tf.Variable], decay: float) -> None:
        super().__init__(weights)
        self.decay = decay

    @property
    def first_epoch(self) -> int:
        """1."""
        return 1

    def observe_batch(self) -> None:
        """Move by the share of the newest weights."""
        # 1 - decay^t, without cancellation for decay close to 1
        past = -tf.math.expm1(math.log(self.decay) * tf.cast(self.count.assign_add(1), tf.float64))
        self._move((1 - self.decay) / past)


class Equal(Average):
    """The plain mean over the last epochs: stochastic weight averaging (Izmailov et al. 2018, eq. 2).

    Args:
        weights: the variables that are averaged.
        start: the share of the epochs after which the mean begins.
        epochs: of the whole training.
    """

    def __init__(self, weights: Sequence[tf.Variable], start: float, epochs: int) -> None:
        super().__init__(weights)
        self._first_epoch = math.floor(round(start * epochs, 9)) + 1

    @property
    def first_epoch(self) -> int:
        """The first epoch after the share `start`."""
        return self._first_epoch

    def observe_epoch(self, epoch: int) -> None:
        """Move the mean by 1 / n at the n-th observed epoch."""
        if epoch >= self.first_epoch:
            self._move(1 / tf.cast(self.count.assign_add(1), tf.float64))
