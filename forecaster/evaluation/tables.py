"""Tables of errors, and the sentences that conclude from them."""

import math
from collections.abc import Mapping
from typing import Any

from forecaster.evaluation.baselines import LABELS, name_forecasters
from forecaster.reporting.tables import format_table

# The metrics that a table shows, by their name in metrics.json, which has more.
_COLUMNS = {"mae": "MAE", "rmse": "RMSE", "smape": "sMAPE %", "mase": "MASE"}
_SIGNIFICANT = 0.05
_EQUAL = 5e-4  # relative difference of errors whose shares round to the same percentage


def format_error_table(metrics: Mapping[str, Any]) -> str:
    """Format the errors of the network and the baselines on the test part, and which is better."""
    if not metrics["scores"]:
        return "No test part was held out (split.test: 0), so the error on new data is unknown."
    table = _format_errors("error on the test part", metrics)
    notes = [*_describe_fallback(metrics), *_describe_coverage(metrics), *_describe_unscaled(metrics)]
    return "\n".join([table, format_verdict(metrics), *notes])


def _describe_fallback(metrics: Mapping[str, Any]) -> list[str]:
    if "fallback" not in metrics:
        return []
    baseline, weights = LABELS[metrics["fallback"]["baseline"]], list(metrics["fallback"]["weights"].values())
    low, high = f"{min(weights):.2g}", f"{max(weights):.2g}"
    share = low if low == high else f"{low} to {high}"
    some = "" if metrics["series"] == 1 else f" for {len(weights):,} of {metrics['series']:,} series"
    return [
        f"On the validation part the network did not beat the {baseline}{some}. "
        f"Forecasts are a weighted average of both (network weight {share}; forecast.fallback)."
    ]


def format_gap_table(metrics: Mapping[str, Any]) -> str:
    """Format the errors on gaps cut into the test part, of the network and of methods without training."""
    if not metrics["scores"]:
        return "No test part was held out (split.test: 0), so the error on filled gaps is unknown."
    title = f"error on {metrics['cells']:,} cells hidden in the test part"
    return "\n".join([_format_errors(title, metrics), *_describe_coverage(metrics)])


def format_comparison_table(summary: Mapping[str, Any]) -> str:
    """Format the errors of the network and the baselines from the same origins (`Comparison.summary`)."""
    folds, series = summary["folds"], summary["series"]
    origins = f"{folds} origins" if series == 1 else f"{folds} folds of {series:,} series"
    table = _format_errors(f"error over {origins}, {summary['horizon']} steps ahead", summary)
    return "\n".join([table, _describe_winner(summary), *_describe_coverage(summary), *_describe_unscaled(summary)])


def _describe_winner(summary: Mapping[str, Any]) -> str:
    """Describe whether the network beats the best baseline, and whether the difference is significant."""
    metric = summary["measure"]
    errors = {name: row[metric] for name, row in summary["scores"].items()}
    error, labels = errors.pop("model"), name_forecasters(summary)
    errors.pop("network_alone", None)
    model = labels["model"]
    if not errors:
        return f"The {model} is not compared with anything (no baselines)."
    rival = min(errors, key=lambda name: errors[name])
    label, other = metric.upper(), _add_article(labels[rival])
    if math.isclose(error, errors[rival], rel_tol=_EQUAL):
        return f"The {model} is as good as {other}, no better."
    share = format_share(error, errors[rival])
    if error < errors[rival]:
        sentence = f"The {model} wins: its {label} is {share} below that of {other}"
    else:
        sentence = f"{_capitalize(other)} wins: the {model}'s {label} is {share} above it; do not prefer this {model}"
    return f"{sentence}; {_describe_significance(summary['diebold_mariano'][rival])}."


def _describe_significance(test: Mapping[str, float]) -> str:
    if "p_value" not in test:
        return "there are too few folds to test whether the difference is significant"
    significance = "significant" if test["p_value"] < _SIGNIFICANT else "not significant"
    return f"the difference is statistically {significance} (Diebold-Mariano p = {test['p_value']:.2g})"


def _format_errors(title: str, metrics: Mapping[str, Any]) -> str:
    rows: Mapping[str, Mapping[str, float]] = metrics["scores"]
    labels = name_forecasters(metrics)
    columns = [name for name in _COLUMNS if any(name in row for row in rows.values())]
    body = [
        (labels[forecaster], *(f"{row[name]:.4g}" if name in row else "-" for name in columns))
        for forecaster, row in rows.items()
    ]
    return format_table([(title, *(_COLUMNS[name] for name in columns)), *body])


def _describe_coverage(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics["coverage"]:
        return []
    shares = ", ".join(f"{share:.1f} % by the {level} % interval" for level, share in metrics["coverage"].items())
    part = " on the test part" if metrics.get("part") == "test" else ""
    return [f"Actual values covered{part}: {shares}."]


def _describe_unscaled(metrics: Mapping[str, Any]) -> list[str]:
    """Describe how many series MASE leaves out, where it is not none or all."""
    if not 0 < metrics["unscaled"] < metrics["series"]:
        return []
    return [
        f"MASE is undefined for {metrics['unscaled']} of {metrics['series']} series (their history repeats exactly)."
    ]


def format_verdict(metrics: Mapping[str, Any]) -> str:
    """Format whether the network beats the best baseline by mean absolute error."""
    errors = {name: row["mae"] for name, row in metrics["scores"].items()}
    error, labels = errors.pop("model"), name_forecasters(metrics)
    errors.pop("network_alone", None)
    rival = min(errors, key=lambda name: errors[name])
    model, other = labels["model"], _add_article(labels[rival])
    steps = "1 step" if metrics["horizon"] == 1 else f"{metrics['horizon']} steps"
    sample = f"over {metrics['origins']} forecasts of {steps}"
    share = format_share(error, errors[rival])
    if error < errors[rival]:
        return f"The {model} wins: its MAE is {share} below that of {other}, {sample}."
    if error == errors[rival]:
        return f"The {model} is as good as {other}, no better, {sample}."
    other = _capitalize(other)
    return f"{other} wins: the {model}'s MAE is {share} above it, {sample}; do not prefer this {model}."


def _add_article(label: str) -> str:
    """Add `the` to a label such as `seasonal naive`, not to a name such as `Theta`."""
    return label if label[0].isupper() else f"the {label}"


def _capitalize(words: str) -> str:
    return words[0].upper() + words[1:]


def format_share(value: float, reference: float) -> str:
    """Format how far a value is from a reference, as a percentage of the reference."""
    """Format how far a value is from a reference, in percent; the value itself where the reference is 0."""
    return f"{abs(1 - value / reference):.1%}" if reference else f"{value:.4g}"
