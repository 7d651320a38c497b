"""What gradient norms mean: a sentence on each layer, and what to change in the config."""

import math
from collections.abc import Iterator, Sequence

from forecaster.config import Config
from forecaster.explain.gradient_norms import FADED, LARGEST_NORM, GradientKind, GradientNorms
from forecaster.wording import count_steps, name_steps

_STATES = {"h": "hidden state", "c": "cell state"}
_BOUNDED = {"tanh", "sigmoid", "softsign", "hard_sigmoid"}
_HIERARCHICAL = {"context", "latent"}


def describe_gradients(before: Sequence[GradientNorms], after: Sequence[GradientNorms], config: Config) -> list[str]:
    """Describe the gradients before and after training, and suggest changes if they vanish or explode."""
    sentences = [
        f"before training {_describe_norms(norms, config.data.frequency)}" for norms in select_lowest_layers(before)
    ]
    sentences += [
        f"after training {_describe_norms(norms, config.data.frequency)}" for norms in select_lowest_layers(after)
    ]
    return [*sentences, *_suggest_changes(select_lowest_layers(before), select_lowest_layers(after), config)]


def select_lowest_layers(norms_by_layer: Sequence[GradientNorms]) -> list[GradientNorms]:
    """Select the lowest layers, whose gradients include those of all layers above; of an LSTM the cell state's."""
    last = {norms.layer: norms for norms in norms_by_layer if norms.level == 0}
    return list(last.values())


def _describe_norms(norms: GradientNorms, frequency: str) -> str:
    subject, pace = f"the gradient of {norms.layer}'s {_STATES[norms.state]}", _describe_half_life(norms, frequency)
    match norms.kind:
        case GradientKind.NONE:
            return f"{subject} is 0: the loss does not depend on it"
        case GradientKind.EXPLODING if norms.norms.max() >= LARGEST_NORM:
            return f"{subject} explodes: its norm exceeds the range of float32"
        case GradientKind.EXPLODING:
            grown = f"{count_steps(norms.span, frequency)} back its norm is {norms.growth:.3g} times as large"
            return f"{subject} explodes: {grown}{pace}"
        case GradientKind.VANISHING:
            beyond = f"more than {count_steps(norms.reach, frequency)} back (of {norms.span:,})"
            return f"{subject} vanishes: {beyond} it is less than {FADED:g} of its largest norm{pace}"
        case _ if not norms.span:
            return f"{subject} has one step only: the network reads everything at once"
        case _:
            share = f"{norms.norms[-1] / norms.norms.max():.2g} of its largest norm"
            return f"{subject} is preserved: {count_steps(norms.span, frequency)} back it is {share}{pace}"


def _describe_half_life(norms: GradientNorms, frequency: str) -> str:
    """Describe the half-life or doubling time of the norm, if it changes at a constant rate."""
    doublings = norms.doublings
    if math.isnan(doublings) or abs(doublings) * norms.span < 0.1:
        return ""
    time = f"{1 / abs(doublings):.3g}"
    every = count_steps(1, frequency).removeprefix("1 ") if time == "1" else f"{time} {name_steps(frequency)}"
    return f"; it {'halves' if doublings < 0 else 'doubles'} every {every}"


def _suggest_changes(before: Sequence[GradientNorms], after: Sequence[GradientNorms], config: Config) -> Iterator[str]:
    """Suggest changes of the config if the trained network's gradient explodes or vanishes."""
    kinds = {norms.kind for norms in after}
    if GradientKind.EXPLODING in kinds:
        yield f"try {_join_alternatives(list(_suggest_against_explosion(config)))}"
    elif GradientKind.VANISHING in kinds:
        learned = GradientKind.VANISHING not in {norms.kind for norms in before}
        reason = "training shortened its memory; if older steps matter, " if learned else ""
        yield f"{reason}try {_join_alternatives(list(_suggest_against_vanishing(after, config)))}"


def _suggest_against_explosion(config: Config) -> Iterator[str]:
    model, optimizer = config.model, config.training.optimizer
    if optimizer.clip_norm is None and optimizer.clip_value is None:
        yield "training.optimizer.clip_norm: 1.0"
    else:
        yield f"a training.optimizer.learning_rate below {optimizer.learning_rate:g}"
    if model.activation not in _BOUNDED:
        yield "model.activation: tanh (bounded)"
    if model.cell == "simple_rnn":
        yield "model.cell: lstm or gru"


def _suggest_against_vanishing(norms_by_layer: Sequence[GradientNorms], config: Config) -> Iterator[str]:
    model, reach = config.model, max(norms.reach for norms in norms_by_layer)
    if model.cell == "simple_rnn":
        yield "model.cell: lstm or gru"
    segment = _find_segment(config, reach)
    if segment:
        yield f"model.segment: {segment} (fewer recurrent steps)"
    if model.decoder in {"dense", "seq2seq"} and model.attention == "none":
        yield "model.attention: additive (a direct path to each step)"
    if not model.dilation:
        yield "model.dilation: true" + (" (with a second layer)" if len(model.units) == 1 else "")
    if not model.bidirectional and model.decoder not in _HIERARCHICAL:
        yield f"a window.length of about {_find_shorter_window(config, reach)} (it learns little from older steps)"


def _find_segment(config: Config, reach: int) -> int | None:
    """Find the shortest segment with which the window has at most `reach` + 1 recurrent steps."""
    model, length = config.model, config.window.length
    if model.segment > 1:
        return None
    needs_season = model.decoder in _HIERARCHICAL or model.normalization == "seasonal"
    whole = config.data.main_season if needs_season else length
    fits = (n for n in range(2, length // 2 + 1) if not length % n and not whole % n and length // n <= reach + 1)
    return next(fits, None)


def _find_shorter_window(config: Config, reach: int) -> int:
    """Find a window of whole segments that covers `reach` steps and the seasons that normalization needs."""
    model, season = config.model, config.data.main_season
    skipped = season if model.normalization == "seasonal" else 0
    needed = -(-2 * season // model.segment) if model.normalization == "profile" else 2  # segments
    return skipped + max(needed, reach // model.segment + 1) * model.segment


def _join_alternatives(alternatives: Sequence[str]) -> str:
    return alternatives[0] if len(alternatives) == 1 else f"{', '.join(alternatives[:-1])}, or {alternatives[-1]}"
