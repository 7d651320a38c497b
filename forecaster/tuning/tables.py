"""Tables and lines on trials."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from forecaster.evaluation.baselines import LABELS
from forecaster.evaluation.verdict import format_share
from forecaster.reporting.tables import format_table

_SHOWN_TRIALS = 5


_ERROR = "error: MASE on the validation part; 1 is the mean absolute error of the seasonal naive in the training part"


def format_trial_line(row: Any, rows: Sequence[Any], total: int) -> str:
    """Format the result of one trial, and the best so far."""
    values = ", ".join(f"{key} {value}" for key, value in row.values.items())
    outcome = row.state if row.error is None else f"error {row.error:.4g}"
    best = sorted((each.error, each.number) for each in rows if each.error is not None)[:1]
    leading = "".join(f"; best so far {error:.4g}, trial {number}" for error, number in best)
    reason = f" ({row.reason})" if row.reason else ""
    return f"trial {row.number} ({len(rows)} of {total}), {row.seconds:.0f} s: {outcome}{reason}{leading}\n  {values}"


def format_trial_table(rows: Sequence[Any], own: Mapping[str, Any], baselines: Mapping[str, float]) -> str:
    """Format the best trials of a search, the outcomes of all, and how the best compares.

    Args:
        rows: all trials (`search.TrialResult`), at least one with an error.
        own: the values of the original config.
        baselines: errors of the baselines.
    """
    ranked = sorted((row for row in rows if row.error is not None), key=lambda row: row.error)
    head = ("trial", "error", *_shorten_keys(list(own)))
    body = [
        (f"{row.number}", f"{row.error:.4g}", *map(_format_value, row.values.values()))
        for row in ranked[:_SHOWN_TRIALS]
    ]
    return "\n".join(
        [format_table([head, *body]), format_outcomes(rows), _compare_best(ranked, own, baselines), _ERROR]
    )


def _shorten_keys(keys: Sequence[str]) -> list[str]:
    """Shorten each key to its last part, if that is unique."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def _format_value(value: Any) -> str:
    """Format a value as in YAML; a section as its name."""
    if isinstance(value, Mapping):
        return str(value.get("name", dict(value)))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def format_outcomes(rows: Sequence[Any]) -> str:
    """Count the trials by outcome."""
    states = Counter(row.state for row in rows)
    parts = [f"{count} {state}" for state, count in states.items()]
    reason = next((f"; first impossible trial: {row.reason}" for row in rows if row.state == "impossible"), "")
    trials = "1 trial" if len(rows) == 1 else f"{len(rows)} trials"
    return f"{trials}: {', '.join(parts) or 'none'}{reason}"


def _compare_best(ranked: Sequence[Any], own: Mapping[str, Any], baselines: Mapping[str, float]) -> str:
    """Compare the best trial with the original config and the baselines."""
    best = ranked[0]
    against = {LABELS[name]: error for name, error in baselines.items()}
    if best.values == own:
        return f"best: trial {best.number}, error {best.error:.4g}, which is the original config"
    as_it_stands = {f"original config (trial {row.number})": row.error for row in ranked if row.values == own}
    against = as_it_stands | against
    parts = [
        f"{format_share(best.error, error)} {'below' if best.error <= error else 'above'} the {name}, {error:.4g}"
        for name, error in against.items()
    ]
    return "; ".join([f"best: trial {best.number}, error {best.error:.4g}", *parts])


def format_importances(weights: Mapping[str, float]) -> str:
    """Format the importances of the keys."""
    parts = [f"{key} {share:.0%}" for key, share in weights.items()]
    return f"importance for reaching the best errors: {', '.join(parts)}"
