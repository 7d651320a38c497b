"""The tables of errors, and the sentence on what they show."""

import math
from collections.abc import Mapping
from typing import Any

from forecaster.evaluation.baselines import LABELS, name_forecasters
from forecaster.reporting.tables import format_table

# The measures of a table, by their name in metrics.json; the others stand there alone.
_MEASURES = {"mae": "MAE", "rmse": "RMSE", "smape": "sMAPE %", "mase": "MASE"}


_SIGNIFICANT = 0.05


_ALIKE = 5e-4  # errors that round to the same share


def format_error_table(metrics: Mapping[str, Any]) -> str:
    """The test part's errors of the network beside the baselines', and who won."""
    if not metrics["scores"]:
        return "no test part was held out (split.test: 0), so nothing says how good this network is on new data"
    table = _format_errors("error on the test part", metrics)
    return "\n".join(
        [
            table,
            format_verdict(metrics),
            *_describe_fallback(metrics),
            *_describe_coverage(metrics),
            *_describe_unscaled(metrics),
        ]
    )


def _describe_fallback(metrics: Mapping[str, Any]) -> list[str]:
    """What the network's forecasts were mixed with, and why."""
    if "fallback" not in metrics:
        return []
    baseline, weights = LABELS[metrics["fallback"]["baseline"]], list(metrics["fallback"]["weights"].values())
    low, high = f"{min(weights):.2g}", f"{max(weights):.2g}"
    share = low if low == high else f"{low} to {high}"
    who = "" if metrics["series"] == 1 else f" for {len(weights):,} of {metrics['series']:,} series"
    return [
        f"on the validation part the network did not beat the {baseline}{who}, which stands in these forecasts "
        f"beside it (forecast.fallback; the network's weight: {share})"
    ]


def format_gap_table(metrics: Mapping[str, Any]) -> str:
    """Errors on gaps cut into the test part, of the network beside what needs no training."""
    if not metrics["scores"]:
        return "no test part was held out (split.test: 0), so nothing says how well gaps are filled"
    title = f"error on {metrics['cells']:,} cells hidden in the test part"
    return "\n".join([_format_errors(title, metrics), *_describe_coverage(metrics)])


def format_comparison_table(facts: Mapping[str, Any]) -> str:
    """The errors of a network and of baselines from the same origins, and who wins (`Comparison.facts`)."""
    folds, series = facts["folds"], facts["series"]
    origins = f"{folds} origins" if series == 1 else f"{folds} folds of {series:,} series"
    table = _format_errors(f"error over {origins}, {facts['horizon']} steps ahead", facts)
    return "\n".join([table, _describe_winner(facts), *_describe_coverage(facts), *_describe_unscaled(facts)])


def _describe_winner(facts: Mapping[str, Any]) -> str:
    """One sentence on whether the network beats the best baseline, and whether that may be chance."""
    measure = facts["measure"]
    errors = {name: row[measure] for name, row in facts["scores"].items()}
    error, called = errors.pop("model"), name_forecasters(facts)
    errors.pop("network_alone", None)
    mine = called["model"]
    if not errors:
        return f"nothing was asked to compare the {mine} with"
    rival = min(errors, key=lambda name: errors[name])
    label, other = measure.upper(), _add_article(called[rival])
    if math.isclose(error, errors[rival], rel_tol=_ALIKE):
        return f"the {mine} is as good as {other}, no better"
    share = format_share(error, errors[rival])
    if error < errors[rival]:
        told = f"the {mine} wins: its {label} is {share} below that of {other}"
    else:
        told = f"{other} wins: the {mine}'s {label} is {share} above it; do not prefer this {mine} to it"
    return f"{told}; {_describe_significance(facts['diebold_mariano'][rival])}"


def _describe_significance(test: Mapping[str, float]) -> str:
    """What the Diebold-Mariano test says of a difference."""
    if "p_value" not in test:
        return "too few folds to tell that from chance"
    p_value = test["p_value"]
    how = "more than chance" if p_value < _SIGNIFICANT else "which may be chance"
    return f"{how} (Diebold-Mariano p = {p_value:.2g})"


def _format_errors(title: str, metrics: Mapping[str, Any]) -> str:
    rows: Mapping[str, Mapping[str, float]] = metrics["scores"]
    called = name_forecasters(metrics)
    shown = [name for name in _MEASURES if any(name in row for row in rows.values())]
    body = [(called[who], *(f"{row[name]:.4g}" if name in row else "-" for name in shown)) for who, row in rows.items()]
    return format_table([(title, *(_MEASURES[name] for name in shown)), *body])


def _describe_coverage(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics["coverage"]:
        return []
    covered = ", ".join(f"of the {level} % interval {share:.1f} %" for level, share in metrics["coverage"].items())
    part = " on the test part" if metrics.get("part") == "test" else ""
    return [f"coverage{part}: {covered}"]


def _describe_unscaled(metrics: Mapping[str, Any]) -> list[str]:
    """What MASE leaves out, where it leaves out some series of several."""
    if not 0 < metrics["unscaled"] < metrics["series"]:
        return []
    return [f"MASE leaves out {metrics['unscaled']} of {metrics['series']} series, which only repeat themselves before"]


def format_verdict(metrics: Mapping[str, Any]) -> str:
    """One sentence on whether the network beats the best baseline, by mean absolute error."""
    errors = {name: row["mae"] for name, row in metrics["scores"].items()}
    error, called = errors.pop("model"), name_forecasters(metrics)
    errors.pop("network_alone", None)
    rival = min(errors, key=lambda name: errors[name])
    mine, other = called["model"], _add_article(called[rival])
    steps = "1 step" if metrics["horizon"] == 1 else f"{metrics['horizon']} steps"
    where = f"over {metrics['origins']} forecasts of {steps}"
    share = format_share(error, errors[rival])
    if error < errors[rival]:
        return f"the {mine} wins: its MAE is {share} below that of {other}, {where}"
    if error == errors[rival]:
        return f"the {mine} is as good as {other}, no better, {where}"
    return f"{other} wins: the {mine}'s MAE is {share} above it, {where}; do not prefer this {mine} to it"


def _add_article(label: str) -> str:
    """`Theta`, but `the seasonal naive`."""
    return label if label[0].isupper() else f"the {label}"


def format_share(value: float, reference: float) -> str:
    """Format how far a value is from a reference, as a percentage of the reference."""
    """Format how far a value is from a reference, in percent; the value itself where the reference is 0."""
    return f"{abs(1 - value / reference):.1%}" if reference else f"{value:.4g}"
