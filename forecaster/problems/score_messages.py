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
        "the {level:g} % interval of {share} % of the steps is as wide as the largest recent error and may be too "
        "narrow: too many actuals were outside of it",
        "Notice: adaptive intervals would have to be wider than any error that was scored.",
    ),
    "error-above-limit": Message(
        "{metric} of the last {forecasts:# forecast|# forecasts} is {error:.4g}, above the limit of {limit:g}; "
        "train again with newer data",
        "The newest forecasts that have actuals are worse than --fail-above or fail_above allows.",
    ),
    "errors-drifted": Message(
        "forecast errors have been larger since {since} than in the first {reference} forecasts; train again",
        "The test of Page and Hinkley finds a lasting increase of scaled errors.",
    ),
    "inputs-drifted": Message(
        "the last {window:steps={frequency}} of {names:list} {names:is|are} unlike any of the training part; "
        "check the data, or train again",
        "A test of Kolmogorov-Smirnov finds another level or other changes in the newest rows.",
    ),
    "no-scored-forecasts": Message(
        "no stored forecast has an actual yet",
        "There is nothing to score until the data reach the steps that were forecast.",
    ),
    "too-few-rows-to-check": Message(
        "{rows:# row is|# rows are} too few to find anomalies; expected at least {needed:,}",
        "No value has a forecast from two seasons of earlier ones.",
    ),
    "no-intervals": Message(
        "its config has no forecast.levels, and anomalies are values outside of an interval; train with "
        "forecast.levels: [80, 95]",
        "Anomalies need intervals.",
    ),
    "no-hierarchy-levels": Message(
        "the series of this job are no hierarchy; use --by series", "--by level needs data.hierarchy."
    ),
    "no-weeks": Message("timestamps are steps, which have no weeks", "--by week needs dates."),
    "picture-of-several": Message(
        "several jobs are scored, and each has a picture; use {option} '{instead}', or select one with --only",
        "An option names one file for the pictures of several jobs.",
    ),
}
