"""Messages about past forecasts that are scored, their drift, and the intervals that adapt to them."""

from collections.abc import Mapping

from forecaster.problems.message import Message

SCORES: Mapping[str, Message] = {
    "too-few-scored-to-adapt": Message(
        "the {level:g} % interval is that of the training: it adapts to its coverage once {needed} forecasts of each "
        "step have actuals, now {scored}",
        "Notice: adaptive intervals need scored forecasts, more for a higher level.",
    ),
    "level-too-high-to-adapt": Message(
        "the {level:g} % interval is that of the training: to adapt it needs {needed:,} scored forecasts of each step, "
        "and the last {window} are used; lower the level",
        "Notice: few misses are expected at a high level, so that its coverage cannot be learned in time.",
    ),
    "interval-of-largest-error": Message(
        "the {level:g} % interval of {share} % of the steps is as wide as the largest recent error and may be too narrow: "
        "too many actuals were outside of it",
        "Notice: adaptive intervals would have to be wider than any error that was scored.",
    ),
}
