"""The conclusions from scores: whether a network beats the baselines, and whether to trust its intervals."""

import math
from collections.abc import Mapping
from typing import Any

from forecaster.evaluation.baselines import LABELS, name_forecasters
from forecaster.forecasting.fallback import NETWORK
from forecaster.wording import count_of, count_steps

MIN_FORECASTS = 10  # that do not overlap, from which a verdict may be drawn
_SIGNIFICANT = 0.05
EQUAL = 5e-4  # relative difference of errors whose shares round to the same percentage
_FAR_OFF = 10.0  # points between the coverage of an interval and its level that are worth a sentence


def judge(summary: Mapping[str, Any]) -> str:
    """Judge the network against the best baseline: `wins`, `loses`, `equal`, `unclear` or `too few`.

    A verdict needs `MIN_FORECASTS` forecasts that do not overlap, and a difference that is significant by the test of
    Diebold and Mariano.

    Args:
        summary: of scores (`Comparison.summary`), with at least one baseline.
    """
    metric, rival = summary["measure"], _find_best_baseline(summary)
    error, best = summary["scores"]["model"][metric], summary["scores"][rival][metric]
    found = judge_errors(error, best, summary["separate"], summary["diebold_mariano"].get(rival, {}).get("p_value"))
    return found if found in {"too few", "equal", "unclear"} else "wins" if error < best else "loses"


def judge_errors(error: float, other: float, separate: int, p_value: float | None) -> str:
    """Judge whether two errors differ: `too few`, `equal`, `unclear` or `differ`.

    Args:
        error, other: over the same actual values.
        separate: forecasts that do not overlap.
        p_value: of the test of Diebold and Mariano; None where it could not be made.
    """
    if separate < MIN_FORECASTS:
        return "too few"
    if math.isclose(error, other, rel_tol=EQUAL):
        return "equal"
    return "differ" if p_value is not None and p_value < _SIGNIFICANT else "unclear"


def describe_verdict(summary: Mapping[str, Any]) -> str:
    """Describe whether the network beats the best baseline, from how many forecasts, and whether that may be chance."""
    rival, labels = _find_best_baseline(summary), name_forecasters(summary)
    model, metric = labels["model"], summary["measure"]
    if not rival:
        return f"The {model} is not compared with anything (no baselines)."
    other, label = _add_article(labels[rival]), metric.upper()
    error, best = summary["scores"]["model"][metric], summary["scores"][rival][metric]
    share = describe_difference(error, best)
    over, p_value = f"over {describe_forecasts(summary)}", summary["diebold_mariano"].get(rival, {}).get("p_value")
    chance = "the difference cannot be tested" if p_value is None else f"Diebold-Mariano p = {p_value:.2g}"
    match judge(summary):
        case "wins":
            return f"The {model} wins: its {label} is {share} that of {other}, {over} ({chance})."
        case "loses":
            return (
                f"{_capitalize(other)} wins: the {model}'s {label} is {share} it, {over} ({chance}); "
                f"do not prefer this {model}."
            )
        case "equal":
            return f"The {model} is as good as {other}, no better, {over}."
        case "unclear":
            return (
                f"No verdict: the {model}'s {label} is {share} that of {other}, {over}; that may be chance ({chance})."
            )
    return (
        f"Too few forecasts for a verdict: {describe_forecasts(summary)}; it needs {MIN_FORECASTS} that do not "
        f"overlap. In these the {model}'s {label} is {share} that of {other}."
    )


def _find_best_baseline(summary: Mapping[str, Any]) -> str:
    """Find the baseline with the lowest error by the measure that decides; empty where there is none."""
    rivals = [name for name in summary["scores"] if name not in {"model", "network_alone", "unreconciled"}]
    return min(rivals, key=lambda name: summary["scores"][name][summary["measure"]], default="")


def describe_forecasts(summary: Mapping[str, Any]) -> str:
    """Describe how many forecasts there are, how long, of how many series, and how many of them do not overlap."""
    made, separate = summary["forecasts"], summary["separate"]
    series = min(summary["series"], summary.get("origins", summary["series"]))  # of very many, some are scored
    every = f"{count_of(made, 'forecast')} of {count_steps(summary['horizon'], summary['frequency'])}"
    each = f" of each of {series:,} series" if series > 1 else ""
    apart = "" if separate == made else f", {separate} without overlap"
    return every + each + apart


def describe_fallback(metrics: Mapping[str, Any]) -> list[str]:
    """Describe what forecasts are made of, where it is not the network alone.

    Args:
        metrics: of the run's `metrics.json`, of any format.
    """
    if "fallback" not in metrics:
        return []
    if "baseline" in metrics["fallback"]:
        return _describe_one_baseline(metrics)
    forecasters, weights = metrics["fallback"]["forecasters"], list(metrics["fallback"]["weights"].values())
    alone = metrics["series"] - len(weights)  # series whose forecast is the network's
    sums = dict.fromkeys(forecasters, 0.0) | {NETWORK: float(alone)}
    for each in weights:
        sums = {name: total + weight for (name, total), weight in zip(sums.items(), each, strict=True)}
    shares = sorted(((total, name) for name, total in sums.items()), reverse=True)
    parts = [f"{LABELS[name]} {total / metrics['series']:.0%}" for total, name in shares if total]
    over = "" if metrics["series"] == 1 else f", on average over {metrics['series']:,} series"
    horizons = f"{metrics['fallback']['horizons']:.2g}"
    seen = f"{horizons} {'horizon' if horizons == '1' else 'horizons'} of validation"
    if len(parts) == 1:
        return [f"Forecasts are those of the {LABELS[shares[0][1]]} alone, by errors in {seen} (forecast.fallback)."]
    return [f"Forecasts are a weighted average: {', '.join(parts)}{over}, by errors in {seen} (forecast.fallback)."]


def _describe_one_baseline(metrics: Mapping[str, Any]) -> list[str]:
    """Describe the fallback of earlier runs: where the network did not beat its one baseline."""
    baseline, weights = LABELS[metrics["fallback"]["baseline"]], list(metrics["fallback"]["weights"].values())
    low, high = f"{min(weights):.2g}", f"{max(weights):.2g}"
    share = low if low == high else f"{low} to {high}"
    some = "" if metrics["series"] == 1 else f" for {len(weights):,} of {metrics['series']:,} series"
    return [
        f"On the validation part the network did not beat the {baseline}{some}. "
        f"Forecasts are a weighted average of both (network weight {share}; forecast.fallback)."
    ]


def describe_coverage(metrics: Mapping[str, Any]) -> list[str]:
    """Describe how many actual values the intervals covered, and what to do where that is far from their levels."""
    if not metrics["coverage"]:
        return []
    shares = ", ".join(f"{share:.1f} % by the {level} % interval" for level, share in metrics["coverage"].items())
    part = " on the test part" if metrics.get("part") == "test" else ""
    return [f"Actual values covered{part}: {shares}.", *describe_wrong_coverage(metrics)]


def describe_wrong_coverage(metrics: Mapping[str, Any]) -> list[str]:
    """Describe the intervals whose coverage is at least 10 points from their level, and what to do.

    With fewer than `MIN_FORECASTS` forecasts without overlap it may be chance, and nothing is advised but more of them.
    """
    off = {f"{level} %": share - float(level) for level, share in metrics["coverage"].items()}
    narrow = [level for level, points in off.items() if points <= -_FAR_OFF]
    wide = [level for level, points in off.items() if points >= _FAR_OFF]
    repair = "set forecast.intervals: conformal" if metrics.get("intervals") == "head" else "increase split.validation"
    separate = metrics.get("separate", MIN_FORECASTS)
    few = f"too few forecasts to be sure ({separate:,} without overlap)"
    sentences = []
    for side, levels, errors in (("narrow", narrow, "larger"), ("wide", wide, "smaller")):
        subject = f"{' and '.join(levels)} intervals"
        if levels and separate < MIN_FORECASTS:
            sentences.append(f"{subject} may be too {side}, by {few}; a backtest of more shows it.")
        elif levels:
            sentences.append(
                f"{subject} are too {side}: expect {errors} errors than they show, or {repair} and train again."
            )
    return sentences


def describe_training(metrics: Mapping[str, Any]) -> list[str]:
    """Describe what the training found against its network or its intervals, for forecasts that it makes later.

    Args:
        metrics: of the run's `metrics.json`, of any format.
    """
    if not metrics.get("scores"):
        return []
    verdict = describe_verdict(metrics) if "separate" in metrics and judge(metrics) != "wins" else ""
    return [*filter(None, [verdict]), *describe_fallback(metrics), *describe_wrong_coverage(metrics)]


def _add_article(label: str) -> str:
    """Add `the` to a label such as `seasonal naive`, not to a name such as `Theta`."""
    return label if label[0].isupper() else f"the {label}"


def _capitalize(words: str) -> str:
    return words[0].upper() + words[1:]


def describe_difference(value: float, reference: float) -> str:
    """Describe how far an error is below or above another: `2.7% below`, `equal to`."""
    if math.isclose(value, reference, rel_tol=EQUAL):
        return "equal to"
    return f"{format_share(value, reference)} {'below' if value < reference else 'above'}"


def format_share(value: float, reference: float) -> str:
    """Format how far a value is from a reference, in percent; the value itself where the reference is 0."""
    return f"{abs(1 - value / reference):.1%}" if reference else f"{value:.4g}"
