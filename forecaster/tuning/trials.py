"""A trial of a search and its outcome, as processes exchange them, without TensorFlow and Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DONE, STOPPED, IMPOSSIBLE, DIVERGED, RUNNING = "done", "stopped early", "impossible", "diverged", "running"


@dataclass(frozen=True)
class Trial:
    """A trial to train.

    Attributes:
        number: of the trial in the file of the search, from 0.
        values: by key of the space.
        place: in the order of the search, from 0, which a trial keeps where it is run again.
        limits: by epoch, the median error of earlier trials, above which it is stopped.
    """

    number: int
    values: Mapping[str, Any]
    place: int = 0
    limits: Mapping[int, float] = field(default_factory=dict)

    def should_stop(self, errors: Mapping[int, float]) -> bool:
        """Whether its best error so far is above the others' median after as many epochs (Golovin et al. 2017).

        Args:
            errors: by epoch, up to the newest.
        """
        limit = self.limits.get(max(errors))
        return limit is not None and not min(errors.values()) <= limit


@dataclass(frozen=True)
class TrialOutcome:
    """How the training of a trial ended.

    Attributes:
        state: done | stopped early | impossible | diverged; None where it was interrupted.
        error: after the whole training, None if it did not complete.
        errors: by epoch, where they were scored.
        reason: why it is impossible.
    """

    state: str | None
    error: float | None = None
    epochs: int = 0
    errors: Mapping[int, float] = field(default_factory=dict)
    reason: str = ""
