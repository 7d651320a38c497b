"""Early stopping: how many epochs the validation loss may go without an improvement."""

import math
from typing import Any


class Patience:
    """Counts the epochs since the loss last improved by more than `min_delta`."""

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.best = math.inf
        self.waited = 0

    def observe(self, loss: float) -> None:
        """Observe an epoch's loss."""
        if loss < self.best - self.min_delta:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` epochs have passed without improvement."""
        return self.waited >= self.patience

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `get_state()` returned."""
        self.best, self.waited = state["best"], state["waited"]
