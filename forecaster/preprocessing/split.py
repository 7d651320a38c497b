"""The chronological split of a series into training, validation and test part."""

import functools
from dataclasses import dataclass

from forecaster.errors import DataError
from forecaster.problems import Problem


@dataclass(frozen=True)
class Split:
    """The ends of the training, validation and test part of a series of `steps` steps."""

    training_end: int
    validation_end: int
    steps: int

    def shift(self, steps: int) -> "Split":
        """Shift the split for a series with `steps` more steps before its first."""
        return Split(self.training_end + steps, self.validation_end + steps, self.steps + steps)

    @property
    def validation(self) -> int:
        """Steps in the validation part."""
        return self.validation_end - self.training_end

    @property
    def test(self) -> int:
        """Steps in the test part."""
        return self.steps - self.validation_end


@functools.lru_cache(typed=True)  # typed, since 1 (a step) is not 1.0 (a fraction)
def split_chronologically(
    steps: int, validation: int | float, test: int | float, length: int, ahead: int, horizon: int
) -> Split:
    """Split a series of `steps` steps chronologically.

    Args:
        validation, test: a fraction of the series, or steps; 0 for no such part.
        length: steps in a window.
        ahead: steps after the window that training forecasts.
        horizon: steps in a forecast.

    Raises:
        DataError: a part has no room for one window's targets.
    """
    split = _divide(steps, validation, test)
    if _has_room(split, validation, test, length, ahead, horizon):
        return split
    needed = _find_min_rows(validation, test, length, ahead, horizon)
    detail = {"rows": steps, "source": "", "window": length, "horizon": horizon, "needed": needed}
    detail |= {"validation": validation, "test": test}
    raise DataError(Problem("too-few-rows-to-train", detail=detail))


def _divide(steps: int, validation: int | float, test: int | float) -> Split:
    test_steps, validation_steps = (
        round(part * steps) if isinstance(part, float) else part for part in (test, validation)
    )
    return Split(steps - test_steps - validation_steps, steps - test_steps, steps)


def _has_room(split: Split, validation: int | float, test: int | float, length: int, ahead: int, horizon: int) -> bool:
    return (
        split.training_end >= length + ahead
        and (not validation or split.validation >= ahead)
        and (not test or split.test >= horizon)
    )


def _find_min_rows(validation: int | float, test: int | float, length: int, ahead: int, horizon: int) -> int:
    """Find the smallest number of rows for which each part has room, by doubling, then bisection."""
    few = length + ahead - 1  # too few for the training part alone
    enough = few + 1
    while not _has_room(_divide(enough, validation, test), validation, test, length, ahead, horizon):
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        if _has_room(_divide(middle, validation, test), validation, test, length, ahead, horizon):
            enough = middle
        else:
            few = middle
    return enough
