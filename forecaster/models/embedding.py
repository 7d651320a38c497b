"""A learnt vector for each value of each category: which series it is, and of what kind."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops


class Embedding(keras.layers.Layer):
    """Numbers of categories (batch, categories) -> their vectors side by side, (batch, categories * width).

    Bengio et al. (2003) for words; Guo & Berkhahn (2016) for categories.

    Args:
        sizes: how many values each category has.
        width: of a vector.
    """

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__(name="embedding")
        self.sizes = list(sizes)
        self.each = width

    @property
    def width(self) -> int:
        """Of all vectors together."""
        return len(self.sizes) * self.each

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make a table for each category."""
        self.tables = [
            self.add_weight(shape=(size, self.each), initializer="uniform", name=f"category_{index}")
            for index, size in enumerate(self.sizes)
        ]
        super().build(input_shape)

    def call(self, categories: KerasTensor) -> KerasTensor:
        """The rows of the tables."""
        rows = [ops.take(table, categories[:, index], axis=0) for index, table in enumerate(self.tables)]
        return ops.concatenate(rows, axis=-1)
