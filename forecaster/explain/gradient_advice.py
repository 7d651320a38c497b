"""What a gradient's flow means, in words: a sentence on each, and what to change in the config."""

import math
from collections.abc import Iterator, Sequence

from forecaster.config import Config
from forecaster.config.schema import Model
from forecaster.explain.gradient_norms import FADED, LARGEST_NORM, GradientKind, GradientNorms

_STATES = {"h": "hidden state", "c": "cell state"}
_BOUNDED = {"tanh", "sigmoid", "softsign", "hard_sigmoid"}
_HIERARCHICAL = {"context", "latent"}


def verdict(before: Sequence[GradientNorms], after: Sequence[GradientNorms], config: Config) -> list[str]:
    """A sentence on the gradient before and after training, and one on what to try where it does not last."""
    sentences = [f"before training {_sentence(flow)}" for flow in select_lowest_layers(before)]
    sentences += [f"after training {_sentence(flow)}" for flow in select_lowest_layers(after)]
    return [*sentences, *_advice(select_lowest_layers(before), select_lowest_layers(after), config)]


def select_lowest_layers(flows: Sequence[GradientNorms]) -> list[GradientNorms]:
    """The flows by which a loss reaches furthest back: of the layers that read the series, and of a context.

    Everything that the layers above do is part of their gradient. Of an LSTM it is the cell state's.
    """
    last = {flow.layer: flow for flow in flows if flow.level == 0}
    return list(last.values())


def _sentence(flow: GradientNorms) -> str:
    of = f"the gradient of {flow.layer}'s {_STATES[flow.state]}"
    match flow.kind:
        case GradientKind.NONE:
            return f"{of} is 0: the loss does not change with it"
        case GradientKind.EXPLODING if flow.norms.max() >= LARGEST_NORM:
            return f"{of} explodes: its norm leaves the numbers that float32 holds"
        case GradientKind.EXPLODING:
            grown = f"{_steps(flow.span)} back its norm is {flow.growth:.3g} times what it was"
            return f"{of} explodes: {grown}{_pace(flow)}"
        case GradientKind.VANISHING:
            beyond = f"beyond {_steps(flow.reach)} back, of {flow.span},"
            return f"{of} vanishes: {beyond} less than {FADED:g} of its largest norm is left{_pace(flow)}"
        case _ if not flow.span:
            return f"{of} has no way back: everything is read in one step"
        case _:
            share = flow.norms[-1] / flow.norms.max()
            return f"{of} lasts: {_steps(flow.span)} back {share:.2g} of its largest norm is left{_pace(flow)}"


def _pace(flow: GradientNorms) -> str:
    """The half-life, where the norm has one."""
    doublings = flow.doublings
    if math.isnan(doublings) or abs(doublings) * flow.span < 0.1:
        return ""
    time = f"{1 / abs(doublings):.3g}"
    return f"; it {'halves' if doublings < 0 else 'doubles'} every {'step' if time == '1' else f'{time} steps'}"


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def _advice(before: Sequence[GradientNorms], after: Sequence[GradientNorms], config: Config) -> Iterator[str]:
    """What to try, if anything, by what the trained network does."""
    kinds = {flow.kind for flow in after}
    if GradientKind.EXPLODING in kinds:
        yield f"try {_listed(list(_against_explosion(config)))}"
    elif GradientKind.VANISHING in kinds:
        learnt = GradientKind.VANISHING not in {flow.kind for flow in before}
        reason = "training shortened its memory; if older steps should count, " if learnt else ""
        yield f"{reason}try {_listed(list(_against_vanishing(after, config)))}"


def _against_explosion(config: Config) -> Iterator[str]:
    model, optimizer = config.model, config.training.optimizer
    if optimizer.clip_norm is None and optimizer.clip_value is None:
        yield "training.optimizer.clip_norm: 1.0"
    else:
        yield f"a training.optimizer.learning_rate below {optimizer.learning_rate:g}"
    if model.activation not in _BOUNDED:
        yield "model.activation: tanh (which is bounded)"
    if model.cell == "simple_rnn":
        yield "model.cell: lstm or gru"


def _against_vanishing(flows: Sequence[GradientNorms], config: Config) -> Iterator[str]:
    model, reach = config.model, max(flow.reach for flow in flows)
    if model.cell == "simple_rnn":
        yield "model.cell: lstm or gru"
    segment = _fitting_segment(config, reach)
    if segment:
        yield f"model.segment: {segment} (fewer recurrent steps)"
    if model.decoder in {"dense", "seq2seq"} and model.attention == "none":
        yield "model.attention: additive (a way around them)"
    if not model.dilation:
        yield "model.dilation: true" + (" (over a second layer)" if len(model.units) == 1 else "")
    if not model.bidirectional and model.decoder not in _HIERARCHICAL:
        yield f"a window.length of about {_shorter(config, reach)} (older steps hardly teach it)"


def _fitting_segment(config: Config, reach: int) -> int | None:
    """The shortest segment with which the window's recurrent steps are no more than reach back now."""
    model, length = config.model, config.window.length
    if model.segment > 1:
        return None
    whole = config.data.main_season if _by_season(model) else length
    fits = (n for n in range(2, length // 2 + 1) if not length % n and not whole % n and length // n <= reach + 1)
    return next(fits, None)


def _by_season(model: Model) -> bool:
    return model.decoder in _HIERARCHICAL or model.normalization == "seasonal"


def _shorter(config: Config, reach: int) -> int:
    """A window of whole segments that holds what is reached, and the seasons that its normalisation needs."""
    model, season = config.model, config.data.main_season
    skipped = season if model.normalization == "seasonal" else 0
    needed = -(-2 * season // model.segment) if model.normalization == "profile" else 2  # segments
    return skipped + max(needed, reach // model.segment + 1) * model.segment


def _listed(cures: Sequence[str]) -> str:
    return cures[0] if len(cures) == 1 else f"{', '.join(cures[:-1])}, or {cures[-1]}"
