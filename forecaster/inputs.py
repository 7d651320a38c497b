"""Inputs: what a network reads of some windows, as tensors in training, as numpy arrays when it serves."""

from typing import Any, NamedTuple

import numpy as np

Array = Any  # a numpy array, or a tensor of Keras


class Inputs(NamedTuple):
    """What is known of some windows; None where a network does not read it.

    Attributes:
        window: (batch, length), scaled values.
        features: (batch, length, features), the covariates of each step: past ones, then known ones.
        future: (batch, steps, known features), those of the steps that follow.
        categories: (batch, categories) int32, the numbers that tell the series of each window.
    """

    window: Array
    features: Array = None
    future: Array = None
    categories: Array = None

    def rows(self, chosen: Any) -> "Inputs":
        """Some of the windows, by an index or a slice."""
        return Inputs(*(None if array is None else array[chosen] for array in self))

    def repeated(self, times: int) -> "Inputs":
        """Each window `times` times, one copy after the other."""
        return Inputs(*(None if array is None else np.repeat(array, times, axis=0) for array in self))
