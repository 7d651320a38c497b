"""Embeddings of categories: a learned vector for each series and for each value of its static covariates."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, ops


class Embedding(keras.layers.Layer):
    """Codes of categories (batch, categories) -> their vectors, concatenated, (batch, categories * vector width).

    Bengio et al. (2003) for words; Guo & Berkhahn (2016) for categorical variables.

    Args:
        sizes: how many values each category has.
        vector_width: numbers in the vector of one category.
    """

    def __init__(self, sizes: Sequence[int], vector_width: int) -> None:
        super().__init__(name="embedding")
        self.sizes = list(sizes)
        self.vector_width = vector_width

    @property
    def width(self) -> int:
        """Numbers in all vectors together."""
        return len(self.sizes) * self.vector_width

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create a table (values, vector width) for each category."""
        self.tables = [
            # "uniform" is ±0.05: at first all categories are nearly alike
            self.add_weight(shape=(size, self.vector_width), initializer="uniform", name=f"category_{index}")
            for index, size in enumerate(self.sizes)
        ]
        super().build(input_shape)

    def call(self, categories: KerasTensor) -> KerasTensor:
        """Look up the vectors of codes (batch, categories)."""
        # each (batch, vector width)
        rows = [ops.take(table, categories[:, index], axis=0) for index, table in enumerate(self.tables)]
        return ops.concatenate(rows, axis=-1)
