"""Learning rate schedules: the share of the configured rate at each point of training."""

import abc
import math
from typing import Any

from forecaster.training.early_stopping import Patience


class Schedule(abc.ABC):
    """A share of the learning rate, after a straight warm-up from 0 over the first `warmup` epochs."""

    def __init__(self, warmup: int = 0) -> None:
        self.warmup = warmup

    def compute_share(self, progress: float) -> float:
        """Compute the share at `progress` epochs, a fraction between epochs."""
        return self.compute_shape(progress) * (min(1.0, progress / self.warmup) if self.warmup else 1.0)

    @abc.abstractmethod
    def compute_shape(self, progress: float) -> float:
        """Compute the share without warm-up."""

    def observe(self, loss: float) -> None:  # noqa: B027  most schedules do not look at the loss
        """Observe an epoch's validation loss."""

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027  most schedules keep nothing
        """Restore what `get_state()` returned."""


class Constant(Schedule):
    """The configured rate throughout."""

    def compute_shape(self, progress: float) -> float:
        """Return 1."""
        return 1.0


class Exponential(Schedule):
    """The rate times `decay` each epoch."""

    def __init__(self, decay: float, warmup: int = 0) -> None:
        super().__init__(warmup)
        self.decay = decay

    def compute_shape(self, progress: float) -> float:
        """Compute decay ^ progress."""
        return float(self.decay**progress)


class Cosine(Schedule):
    """Half a cosine from 1 to `minimum` over all epochs (Loshchilov & Hutter 2017, eq. 5)."""

    def __init__(self, epochs: int, minimum: float, warmup: int = 0) -> None:
        super().__init__(warmup)
        self.epochs = epochs
        self.minimum = minimum

    def compute_shape(self, progress: float) -> float:
        """Compute minimum + (1 - minimum) (1 + cos(π progress / epochs)) / 2."""
        return self.minimum + (1 - self.minimum) * (1 + math.cos(math.pi * progress / self.epochs)) / 2


class Plateau(Schedule):
    """The rate times `factor` each time the validation loss has not improved for `patience` epochs."""

    def __init__(self, factor: float, patience: int, minimum: float, warmup: int = 0) -> None:
        super().__init__(warmup)
        self.factor = factor
        self.minimum = minimum
        self.patience = Patience(patience)
        self.reduced = 1.0  # share of the rate that is left

    def compute_shape(self, progress: float) -> float:
        """Return the share that the reductions so far leave."""
        return self.reduced

    def observe(self, loss: float) -> None:
        """Reduce the share when patience has run out."""
        self.patience.observe(loss)
        if self.patience.is_exhausted:
            self.patience.waited = 0  # the next reduction needs `patience` further epochs
            self.reduced = max(self.minimum, self.reduced * self.factor)

    def get_state(self) -> dict[str, Any]:
        """Return the share and the patience spent."""
        return {"reduced": self.reduced, **self.patience.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `get_state()` returned."""
        self.reduced = state["reduced"]
        self.patience.restore(state)
