"""Domains: what the numbers of a series must be, and who says so."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Domain:
    """Numbers from `low` to `high`.

    Attributes:
        what: what they are called: `numbers above 0`.
        mend: who takes no others, and what to do about them.
        open: whether `low` and `high` themselves lie outside.
        whole: whether they have no fraction.
    """

    what: str
    mend: str
    low: float = -math.inf
    high: float = math.inf
    open: bool = False
    whole: bool = False

    def outside(self, numbers: np.ndarray) -> np.ndarray:
        """Which finite numbers lie outside it."""
        beyond = (numbers < self.low) | (numbers > self.high)
        if self.open:
            beyond |= (numbers == self.low) | (numbers == self.high)
        if self.whole:
            beyond |= np.isfinite(numbers) & (np.mod(np.where(np.isfinite(numbers), numbers, 0), 1) != 0)
        return np.isfinite(numbers) & beyond


def domains_of(head: str, transform: str, minimum: float | None, maximum: float | None) -> list[Domain]:
    """What the head, the transform and the bounds of a config take."""
    bounds = [] if transform == "logit" else _bounds(minimum, maximum)
    return [*_head(head), *_transform(transform, minimum, maximum), *bounds]


def _head(head: str) -> Iterator[Domain]:
    mend = "model.head takes {}; correct the cells, or use head: normal or student_t"
    if head == "negative_binomial":
        what = "whole numbers from 0 up"
        yield Domain(what, mend.format(what), low=0, whole=True)
    if head == "log_normal":
        what = "numbers above 0"
        yield Domain(what, mend.format(what), low=0, open=True)


def _transform(transform: str, minimum: float | None, maximum: float | None) -> Iterator[Domain]:
    mend = f"data.transform: {transform} takes no others; correct the cells, or use "
    match transform:
        case "log" | "boxcox":
            yield Domain("numbers above 0", mend + "transform: log1p, which takes 0, or none", low=0, open=True)
        case "log1p":
            yield Domain("numbers from 0 up", mend + "transform: none", low=0)
        case "logit" if minimum is not None and maximum is not None:
            what = f"numbers between {minimum:g} and {maximum:g}, themselves not included"
            yield Domain(what, mend + "a data.minimum and data.maximum further apart", minimum, maximum, open=True)


def _bounds(minimum: float | None, maximum: float | None) -> Iterator[Domain]:
    mend = "correct the cells, or change the bound"
    if minimum is not None:
        yield Domain(f"numbers from data.minimum, {minimum:g}, up", mend, low=minimum)
    if maximum is not None:
        yield Domain(f"numbers up to data.maximum, {maximum:g}", mend, high=maximum)
