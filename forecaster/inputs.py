"""The inputs of a network: Keras tensors in training, numpy arrays in forecasting."""

from typing import Any, NamedTuple

import numpy as np

Array = Any  # a numpy array or a Keras tensor


class Inputs(NamedTuple):
    """The inputs of some windows; None where a network does not read one.

    Attributes:
        window: (batch, length), scaled values.
        features: (batch, length, features), of each step: those of past covariates, then those known of the future.
        future: (batch, steps, known features), of the steps after the window. Where the network begins at the zero-shot
            forecast, the last features are that forecast, one for each channel, in scaled units.
        categories: (batch, categories) int32, the categories of each window's series.
    """

    window: Array
    features: Array = None
    future: Array = None
    categories: Array = None

    def select(self, chosen: Any) -> "Inputs":
        """Select some of the windows, by an index or a slice."""
        return Inputs(*(None if array is None else array[chosen] for array in self))

    def repeat(self, times: int) -> "Inputs":
        """Repeat each window `times` times, one copy after the other."""
        return Inputs(*(None if array is None else np.repeat(array, times, axis=0) for array in self))
