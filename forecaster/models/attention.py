"""Attention over the encoder's outputs, additive or multiplicative."""

import abc
from collections.abc import Sequence

import keras
from keras import KerasTensor, ops


class Attention(keras.layers.Layer, abc.ABC):
    """Global attention over the encoder's outputs (Luong et al. 2015, section 3.1).

    α = softmax(score(query, key_t)) over the steps t; context = Σ_t α_t key_t; the output is the attentional vector
    tanh(W [context; query]) (equation 5).
    """

    def __init__(self) -> None:
        super().__init__(name="attention")

    def build(self, query_shape: Sequence[int | None], keys_shape: Sequence[int | None]) -> None:
        """Create the weights for queries (batch, width) and keys (batch, steps, key width)."""
        width, key_width = int(query_shape[-1] or 0), int(keys_shape[-1] or 0)
        self.build_score(width, key_width)
        self.joined = self.add_weight(shape=(key_width + width, width), initializer="glorot_uniform", name="joined")
        super().build(query_shape)

    @abc.abstractmethod
    def build_score(self, width: int, key_width: int) -> None:
        """Create the weights of the score."""

    @abc.abstractmethod
    def score(self, query: KerasTensor, keys: KerasTensor) -> KerasTensor:
        """Score each key for a query: (batch, width), (batch, steps, key width) -> (batch, steps)."""

    def call(self, query: KerasTensor, keys: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Return the attentional vector (batch, width) and the weights (batch, steps), which sum to 1."""
        weights = ops.softmax(self.score(query, keys), axis=-1)  # α, (batch, steps)
        context = ops.sum(weights[..., None] * keys, axis=1)  # (batch, key width)
        return ops.tanh(ops.concatenate([context, query], axis=-1) @ self.joined), weights


class AdditiveAttention(Attention):
    """The score is v · tanh(W query + U key) (Bahdanau et al. 2015, appendix A.1.2)."""

    def build_score(self, width: int, key_width: int) -> None:
        """Create W (`of_query`), U (`of_key`) and v (`direction`)."""
        self.of_query = self.add_weight(shape=(width, width), initializer="glorot_uniform", name="of_query")
        self.of_key = self.add_weight(shape=(key_width, width), initializer="glorot_uniform", name="of_key")
        self.direction = self.add_weight(shape=(width, 1), initializer="glorot_uniform", name="direction")

    def score(self, query: KerasTensor, keys: KerasTensor) -> KerasTensor:
        """Apply the equation in the class docstring."""
        # (batch, 1, width) + (batch, steps, width), times v: (batch, steps, 1)
        return (ops.tanh((query @ self.of_query)[:, None] + keys @ self.of_key) @ self.direction)[..., 0]


class MultiplicativeAttention(Attention):
    """The score is queryᵀ W key (Luong et al. 2015, `general`)."""

    def build_score(self, width: int, key_width: int) -> None:
        """Create W (`general`)."""
        self.general = self.add_weight(shape=(width, key_width), initializer="glorot_uniform", name="general")

    def score(self, query: KerasTensor, keys: KerasTensor) -> KerasTensor:
        """Apply the equation in the class docstring."""
        # (batch, 1, key width) · (batch, steps, key width)
        return ops.sum((query @ self.general)[:, None] * keys, axis=-1)


ATTENTIONS: dict[str, type[Attention]] = {
    "additive": AdditiveAttention,
    "multiplicative": MultiplicativeAttention,
}
