"""The tables of trials."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from forecaster.evaluation.baselines import LABELS
from forecaster.evaluation.tables import format_share
from forecaster.reporting.tables import format_table

_SHOWN_TRIALS = 5


_ERROR = (
    "error: mean absolute error over the validation part; 1 is that of the seasonal naive in the training part (MASE)"
)


def format_trial_line(row: Any, rows: Sequence[Any], total: int) -> str:
    """What became of one trial (`search.Row`), and which is the best so far."""
    values = ", ".join(f"{key} {value}" for key, value in row.values.items())
    outcome = row.state if row.error is None else f"error {row.error:.4g}"
    best = sorted((each.error, each.number) for each in rows if each.error is not None)[:1]
    leading = "".join(f"; best so far {error:.4g}, trial {number}" for error, number in best)
    reason = f" ({row.reason})" if row.reason else ""
    return f"trial {row.number} ({len(rows)} of {total}), {row.seconds:.0f} s: {outcome}{reason}{leading}\n  {values}"


def format_trial_table(rows: Sequence[Any], own: Mapping[str, Any], baselines: Mapping[str, float]) -> str:
    """The best trials of a search, what became of all, and how far the best is ahead.

    Args:
        rows: every trial (`search.Row`), at least one with an error.
        own: the values of the config as it stands.
        baselines: errors without a network.
    """
    ranked = sorted((row for row in rows if row.error is not None), key=lambda row: row.error)
    head = ("trial", "error", *_short(list(own)))
    body = [
        (f"{row.number}", f"{row.error:.4g}", *map(_plainly, row.values.values())) for row in ranked[:_SHOWN_TRIALS]
    ]
    return "\n".join([format_table([head, *body]), format_outcomes(rows), _ahead(ranked, own, baselines), _ERROR])


def _short(keys: Sequence[str]) -> list[str]:
    """The last part of each key, where it is no other's."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def _plainly(value: Any) -> str:
    """A value as a YAML would have it; of a section its name."""
    if isinstance(value, Mapping):
        return str(value.get("name", dict(value)))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def format_outcomes(rows: Sequence[Any]) -> str:
    """What became of all trials, counted."""
    states = Counter(row.state for row in rows)
    told = [f"{count} {state}" for state, count in states.items()]
    reason = next((f"; the first impossible one: {row.reason}" for row in rows if row.state == "impossible"), "")
    trials = "1 trial" if len(rows) == 1 else f"{len(rows)} trials"
    return f"{trials}: {', '.join(told) or 'none'}{reason}"


def _ahead(ranked: Sequence[Any], own: Mapping[str, Any], baselines: Mapping[str, float]) -> str:
    best = ranked[0]
    against = {LABELS[name]: error for name, error in baselines.items()}
    if best.values == own:
        return f"best: trial {best.number}, error {best.error:.4g}, which is the config as it stands"
    as_it_stands = {f"config as it stands (trial {row.number})": row.error for row in ranked if row.values == own}
    against = as_it_stands | against
    told = [
        f"{format_share(best.error, error)} {'below' if best.error <= error else 'above'} the {name}, {error:.4g}"
        for name, error in against.items()
    ]
    return "; ".join([f"best: trial {best.number}, error {best.error:.4g}", *told])


def format_importances(weights: Mapping[str, float]) -> str:
    """How much each key matters among the good trials."""
    told = [f"{key} {share:.0%}" for key, share in weights.items()]
    return f"what tells the best trials from the others: {', '.join(told)}"
