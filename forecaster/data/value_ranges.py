"""Domains: which numbers a series may have, and which key of the config requires it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Domain:
    """Numbers from `low` to `high`.

    Attributes:
        code, repairs: of the problem of numbers outside it.
        what: what its numbers are called: `numbers above 0`.
        open: whether `low` and `high` themselves lie outside.
        whole: whether they have no fraction.
        transform: the one that takes no others; empty where it is the head or a bound.
    """

    code: str
    what: str
    low: float = -math.inf
    high: float = math.inf
    open: bool = False
    whole: bool = False
    transform: str = ""
    repairs: tuple[Mapping[str, Any], ...] = ()

    @property
    def detail(self) -> dict[str, str]:
        """The values that the sentence of its problem needs."""
        return {"expected": self.what} | ({"transform": self.transform} if self.transform else {})

    def find_outside(self, numbers: np.ndarray) -> np.ndarray:
        """Find the finite numbers that lie outside it."""
        beyond = (numbers < self.low) | (numbers > self.high)
        if self.open:
            beyond |= (numbers == self.low) | (numbers == self.high)
        if self.whole:
            beyond |= np.isfinite(numbers) & (np.mod(np.where(np.isfinite(numbers), numbers, 0), 1) != 0)
        return np.isfinite(numbers) & beyond


def find_domains(head: str, transform: str, minimum: float | None, maximum: float | None) -> list[Domain]:
    """List the domains of the head, the transform and the bounds of a config."""
    return list(_find_domains(head, transform, minimum, maximum))


def _find_domains(head: str, transform: str, minimum: float | None, maximum: float | None) -> Iterator[Domain]:
    heads = ({"model.head": "normal"}, {"model.head": "student_t"})
    if head == "negative_binomial":
        yield Domain("outside-head", "whole numbers from 0 up", low=0, whole=True, repairs=heads)
    if head == "log_normal":
        yield Domain("outside-head", "numbers above 0", low=0, open=True, repairs=heads)
    code, log1p, none = "outside-transform", {"data.transform": "log1p"}, {"data.transform": "none"}
    match transform:
        case "log" | "boxcox":
            repairs = (log1p, none)
            yield Domain(code, "numbers above 0", low=0, open=True, transform=transform, repairs=repairs)
        case "log1p":
            yield Domain(code, "numbers from 0 up", low=0, transform=transform, repairs=(none,))
        case "logit" if minimum is not None and maximum is not None:
            what = f"numbers between {minimum:g} and {maximum:g}, both excluded"
            yield Domain("outside-logit", what, minimum, maximum, open=True)
    if minimum is not None and transform != "logit":
        yield Domain("outside-bounds", f"numbers from data.minimum, {minimum:g}, up", low=minimum)
    if maximum is not None and transform != "logit":
        yield Domain("outside-bounds", f"numbers up to data.maximum, {maximum:g}", high=maximum)
