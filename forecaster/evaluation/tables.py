"""Tables of errors, with the sentences that conclude from them."""

from collections.abc import Mapping
from typing import Any

from forecaster.evaluation.baselines import name_forecasters
from forecaster.evaluation.verdict import describe_coverage, describe_fallback, describe_verdict
from forecaster.reporting.tables import format_table
from forecaster.wording import count_of, count_steps, format_timestamp

# The metrics that a table shows, by their name in metrics.json, which has more.
_COLUMNS = {"mae": "MAE", "rmse": "RMSE", "smape": "sMAPE %", "mase": "MASE"}


def format_error_table(metrics: Mapping[str, Any]) -> str:
    """Format the errors of the network and the baselines on the test part, and which is better."""
    if not metrics["scores"]:
        return "No test part was held out (split.test: 0), so the error on new data is unknown."
    table = format_errors("error on the test part", metrics["scores"], name_forecasters(metrics))
    notes = [*describe_fallback(metrics), *describe_coverage(metrics), *describe_unscaled(metrics)]
    notes += [*describe_sample(metrics), *describe_refit(metrics)]
    return "\n".join([table, *_format_levels(metrics), describe_verdict(metrics), *notes])


def describe_sample(metrics: Mapping[str, Any]) -> list[str]:
    """Describe how many series were scored, where it is not all."""
    if not 0 < metrics["origins"] < metrics["series"]:
        return []
    return [f"These are the errors of {metrics['origins']:,} of {metrics['series']:,} series, evenly spaced."]


def describe_refit(metrics: Mapping[str, Any]) -> list[str]:
    """Describe which networks are in use where they were trained once more on all rows."""
    if "refit" not in metrics:
        return []
    networks = "network was" if metrics["networks"] == 1 else f"{metrics['networks']} networks were"
    trained = f"The {networks} then trained once more on all rows, for as many steps"
    if metrics["refit"]["used"]:
        return [f"{trained}; the errors above are those before that."]
    error, before = (metrics["refit"][name] for name in ("mase", "mase_before"))
    return [
        f"{trained}. On the validation and test parts its MASE is {error:.3g}, above {before:.3g} before, "
        "so the training before is used (training.refit)."
    ]


def format_gap_table(metrics: Mapping[str, Any]) -> str:
    """Format the errors on gaps cut into the test part, of the network and of methods without training."""
    if not metrics["scores"]:
        return "No test part was held out (split.test: 0), so the error on filled gaps is unknown."
    title = f"error on {metrics['cells']:,} cells hidden in the test part"
    return "\n".join([format_errors(title, metrics["scores"], name_forecasters(metrics)), *describe_coverage(metrics)])


def format_comparison_table(summary: Mapping[str, Any]) -> str:
    """Format the errors of the network and the baselines from the same origins (`Comparison.summary`)."""
    folds, series = summary["folds"], summary["series"]
    origins = count_of(folds, "origin") if series == 1 else f"{count_of(folds, 'fold')} of {series:,} series"
    ahead = count_steps(summary["horizon"], summary["frequency"])
    table = format_errors(f"error over {origins}, {ahead} ahead", summary["scores"], name_forecasters(summary))
    notes = [*describe_coverage(summary), *describe_unscaled(summary), *describe_training_end(summary)]
    return "\n".join([table, *_format_levels(summary), describe_verdict(summary), *notes])


def _format_levels(summary: Mapping[str, Any]) -> list[str]:
    """Format the errors at each level of a hierarchy: a row for each level, a column for each forecaster."""
    if "by_level" not in summary:
        return []
    labels, measure = name_forecasters(summary), summary["measure"]
    rows = [
        [f"level {level}", *(f"{row[measure]:.4g}" if measure in row else "-" for row in scores.values())]
        for level, scores in summary["by_level"].items()
    ]
    return [format_table([[f"{_COLUMNS[measure]} by level", *(labels[name] for name in summary["scores"])], *rows])]


def describe_training_end(summary: Mapping[str, Any]) -> list[str]:
    """Describe why the errors of a backtest are not those of a training."""
    if "trained_until" not in summary:
        return []
    last = format_timestamp(summary["trained_until"])
    return [
        f"The first network was trained on rows until {last}; forecast train and forecast evaluate use a network "
        "trained on later rows, so their errors differ."
    ]


def format_errors(title: str, scores: Mapping[str, Mapping[str, float]], labels: Mapping[str, str]) -> str:
    """Format errors as a table: a row for each forecaster, under its label, a column for each metric."""
    columns = [name for name in _COLUMNS if any(name in row for row in scores.values())]
    body = [
        (labels[forecaster], *(f"{row[name]:.4g}" if name in row else "-" for name in columns))
        for forecaster, row in scores.items()
    ]
    return format_table([(title, *(_COLUMNS[name] for name in columns)), *body])


def describe_unscaled(metrics: Mapping[str, Any]) -> list[str]:
    """Describe how many series MASE leaves out, where it is not none or all."""
    scored = min(metrics["series"], metrics["origins"])
    if not 0 < metrics["unscaled"] < scored:
        return []
    return [f"MASE is undefined for {metrics['unscaled']} of {scored} series (their history repeats exactly)."]
