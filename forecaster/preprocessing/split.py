"""The chronological split of a series into training, validation and test part."""

import functools
from dataclasses import dataclass

from forecaster.errors import DataError
from forecaster.problems import Problem


@dataclass(frozen=True)
class Split:
    """Where the parts of a series of `steps` steps end: training, then validation, then test."""

    training_end: int
    validation_end: int
    steps: int

    def shift(self, steps: int) -> "Split":
        """The same of a series with so many steps before its first."""
        return Split(self.training_end + steps, self.validation_end + steps, self.steps + steps)

    @property
    def validation(self) -> int:
        """Steps in the validation part."""
        return self.validation_end - self.training_end

    @property
    def test(self) -> int:
        """Steps in the test part."""
        return self.steps - self.validation_end


@functools.lru_cache(typed=True)  # 1 step is no fraction of 1.0
def split_chronologically(
    steps: int, validation: int | float, test: int | float, length: int, ahead: int, horizon: int
) -> Split:
    """Split a series of `steps` steps in order of time.

    Args:
        validation, test: a fraction of the series, or whole steps; 0 for no such part.
        length: steps in a window.
        ahead: steps that the network is trained to give at once.
        horizon: steps in a forecast.

    Raises:
        DataError: a part has no room for one window's targets; says how many rows it takes.
    """
    split = _split(steps, validation, test)
    if _fits(split, validation, test, length, ahead, horizon):
        return split
    needed = _rows_needed(validation, test, length, ahead, horizon)
    detail = {"rows": steps, "source": "", "window": length, "horizon": horizon, "needed": needed}
    detail |= {"validation": validation, "test": test}
    raise DataError(Problem("too-few-rows-to-train", detail=detail))


def _split(steps: int, validation: int | float, test: int | float) -> Split:
    test_steps, validation_steps = (
        round(part * steps) if isinstance(part, float) else part for part in (test, validation)
    )
    return Split(steps - test_steps - validation_steps, steps - test_steps, steps)


def _fits(split: Split, validation: int | float, test: int | float, length: int, ahead: int, horizon: int) -> bool:
    return (
        split.training_end >= length + ahead
        and (not validation or split.validation >= ahead)
        and (not test or split.test >= horizon)
    )


def _rows_needed(validation: int | float, test: int | float, length: int, ahead: int, horizon: int) -> int:
    """A number of rows for which each part has room, while it has none with one row less."""
    few = length + ahead - 1  # too few for the training part alone
    enough = few + 1
    while not _fits(_split(enough, validation, test), validation, test, length, ahead, horizon):
        few, enough = enough, 2 * enough
    while enough - few > 1:
        middle = (few + enough) // 2
        if _fits(_split(middle, validation, test), validation, test, length, ahead, horizon):
            enough = middle
        else:
            few = middle
    return enough
