"""The optimizers by name."""

import keras

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "adamax": keras.optimizers.Adamax,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adafactor": keras.optimizers.Adafactor,
    "lion": keras.optimizers.Lion,
    "ftrl": keras.optimizers.Ftrl,
}


def build_optimizer(
    name: str,
    learning_rate: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
) -> keras.optimizers.Optimizer:
    """Build an optimizer; gradients are clipped by their norm over all weights, or one by one."""
    own: dict[str, float] = {"momentum": momentum} if name in {"sgd", "rmsprop"} else {}
    if name == "sgd":
        own["nesterov"] = nesterov
    if weight_decay is not None:
        own["weight_decay"] = weight_decay
    return OPTIMIZERS[name](
        learning_rate=learning_rate,
        global_clipnorm=clip_norm,
        clipvalue=clip_value,
        **own,
    )
