"""The linear first forecast: the horizon as one linear map of the window."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops


class LinearForecast(keras.layers.Layer):
    """ŷ = W x' + b of the normalized window x', with the same weights for every channel (NLinear, Zeng et al. 2023).

    DLinear's separate maps of trend and remainder (section 4.1) are together one such map, as both parts are linear in
    the window. W and b begin at 0, so that training starts from the network without it.

    Args:
        ahead: steps to forecast.
        channels: values per step.
    """

    def __init__(self, ahead: int, channels: int = 1) -> None:
        super().__init__(name="linear")
        self.ahead, self.channels = ahead, channels

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights for windows (batch, values)."""
        steps = (input_shape[-1] or 0) // self.channels
        self.kernel = self.add_weight(shape=(steps, self.ahead), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(self.ahead,), initializer="zeros", name="bias")
        super().build(input_shape)

    def call(self, window: KerasTensor) -> KerasTensor:
        """Forecast from a normalized window (batch, steps * channels): (batch, ahead, channels), normalized."""
        steps = ops.reshape(window, (-1, self.kernel.shape[0], self.channels))
        by_channel = ops.matmul(ops.swapaxes(steps, 1, 2), self.kernel) + self.bias  # (batch, channels, ahead)
        return ops.swapaxes(by_channel, 1, 2)
