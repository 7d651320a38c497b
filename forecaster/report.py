"""What the program says, as lines of text: tables of a network and of its errors, and progress."""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from forecaster.baselines import LABELS, names

# The measures of a table, by their name in metrics.json; the others stand there alone.
_MEASURES = {"mae": "MAE", "rmse": "RMSE", "smape": "sMAPE %", "mase": "MASE"}
_SIGNIFICANT = 0.05
_ALIKE = 5e-4  # errors that round to the same share
_SHOWN_TRIALS = 5
_ERROR = (
    "error: mean absolute error over the validation part; 1 is that of the seasonal naive in the training part (MASE)"
)


def parameter_table(rows: Sequence[Any]) -> str:
    """The network layer by layer, with its parameters by the part they play (`models.summary.LayerCount`)."""
    head = ("layer", "units", "input weights", "recurrent weights", "biases", "total")
    body = [(row.layer, row.units, row.input_weights, row.recurrent_weights, row.biases, row.total) for row in rows]
    total = ("total", "", *(sum(int(row[column]) for row in body) for column in range(2, 6)))
    return _table([head, *body, total])


def error_table(metrics: Mapping[str, Any]) -> str:
    """The test part's errors of the network beside the baselines', and who won."""
    if not metrics["scores"]:
        return "no test part was held out (split.test: 0), so nothing says how good this network is on new data"
    table = _errors("error on the test part", metrics)
    return "\n".join([table, verdict(metrics), *_leaning(metrics), *_covered(metrics), *_unscaled(metrics)])


def _leaning(metrics: Mapping[str, Any]) -> list[str]:
    """What the network's forecasts were mixed with, and why."""
    if "guard" not in metrics:
        return []
    baseline, weights = LABELS[metrics["guard"]["baseline"]], list(metrics["guard"]["weights"].values())
    low, high = f"{min(weights):.2g}", f"{max(weights):.2g}"
    share = low if low == high else f"{low} to {high}"
    who = "" if metrics["series"] == 1 else f" for {len(weights):,} of {metrics['series']:,} series"
    return [
        f"on the validation part the network did not beat the {baseline}{who}, which stands in these forecasts "
        f"beside it (forecast.fallback; the network's weight: {share})"
    ]


def gap_table(metrics: Mapping[str, Any]) -> str:
    """Errors on gaps cut into the test part, of the network beside what needs no training."""
    if not metrics["scores"]:
        return "no test part was held out (split.test: 0), so nothing says how well gaps are filled"
    title = f"error on {metrics['cells']:,} cells hidden in the test part"
    return "\n".join([_errors(title, metrics), *_covered(metrics)])


def comparison_table(facts: Mapping[str, Any]) -> str:
    """The errors of a network and of baselines from the same origins, and who wins (`Comparison.facts`)."""
    folds, series = facts["folds"], facts["series"]
    origins = f"{folds} origins" if series == 1 else f"{folds} folds of {series:,} series"
    table = _errors(f"error over {origins}, {facts['horizon']} steps ahead", facts)
    return "\n".join([table, _winner(facts), *_covered(facts), *_unscaled(facts)])


def _winner(facts: Mapping[str, Any]) -> str:
    """One sentence on whether the network beats the best baseline, and whether that may be chance."""
    measure = facts["measure"]
    errors = {name: row[measure] for name, row in facts["scores"].items()}
    error, called = errors.pop("model"), names(facts)
    errors.pop("network_alone", None)
    mine = called["model"]
    if not errors:
        return f"nothing was asked to compare the {mine} with"
    rival = min(errors, key=lambda name: errors[name])
    label, other = measure.upper(), _with_article(called[rival])
    if math.isclose(error, errors[rival], rel_tol=_ALIKE):
        return f"the {mine} is as good as {other}, no better"
    share = _share(error, errors[rival])
    if error < errors[rival]:
        told = f"the {mine} wins: its {label} is {share} below that of {other}"
    else:
        told = f"{other} wins: the {mine}'s {label} is {share} above it; do not prefer this {mine} to it"
    return f"{told}; {_chance(facts['diebold_mariano'][rival])}"


def _chance(test: Mapping[str, float]) -> str:
    """What the Diebold-Mariano test says of a difference."""
    if "p_value" not in test:
        return "too few folds to tell that from chance"
    p_value = test["p_value"]
    how = "more than chance" if p_value < _SIGNIFICANT else "which may be chance"
    return f"{how} (Diebold-Mariano p = {p_value:.2g})"


def _errors(title: str, metrics: Mapping[str, Any]) -> str:
    rows: Mapping[str, Mapping[str, float]] = metrics["scores"]
    called = names(metrics)
    shown = [name for name in _MEASURES if any(name in row for row in rows.values())]
    body = [(called[who], *(f"{row[name]:.4g}" if name in row else "-" for name in shown)) for who, row in rows.items()]
    return _table([(title, *(_MEASURES[name] for name in shown)), *body])


def _covered(metrics: Mapping[str, Any]) -> list[str]:
    if not metrics["coverage"]:
        return []
    covered = ", ".join(f"of the {level} % interval {share:.1f} %" for level, share in metrics["coverage"].items())
    part = " on the test part" if metrics.get("part") == "test" else ""
    return [f"coverage{part}: {covered}"]


def _unscaled(metrics: Mapping[str, Any]) -> list[str]:
    """What MASE leaves out, where it leaves out some series of several."""
    if not 0 < metrics["unscaled"] < metrics["series"]:
        return []
    return [f"MASE leaves out {metrics['unscaled']} of {metrics['series']} series, which only repeat themselves before"]


def trial_line(row: Any, rows: Sequence[Any], total: int) -> str:
    """What became of one trial (`search.Row`), and which is the best so far."""
    values = ", ".join(f"{key} {value}" for key, value in row.values.items())
    outcome = row.state if row.error is None else f"error {row.error:.4g}"
    best = sorted((each.error, each.number) for each in rows if each.error is not None)[:1]
    leading = "".join(f"; best so far {error:.4g}, trial {number}" for error, number in best)
    reason = f" ({row.reason})" if row.reason else ""
    return f"trial {row.number} ({len(rows)} of {total}), {row.seconds:.0f} s: {outcome}{reason}{leading}\n  {values}"


def trial_table(rows: Sequence[Any], own: Mapping[str, Any], baselines: Mapping[str, float]) -> str:
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
    return "\n".join([_table([head, *body]), outcomes(rows), _ahead(ranked, own, baselines), _ERROR])


def _short(keys: Sequence[str]) -> list[str]:
    """The last part of each key, where it is no other's."""
    last = [key.rsplit(".", 1)[-1] for key in keys]
    return [short if last.count(short) == 1 else key for key, short in zip(keys, last, strict=True)]


def _plainly(value: Any) -> str:
    """A value as a YAML would have it; of a section its name."""
    if isinstance(value, Mapping):
        return str(value.get("name", dict(value)))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def outcomes(rows: Sequence[Any]) -> str:
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
        f"{_share(best.error, error)} {'below' if best.error <= error else 'above'} the {name}, {error:.4g}"
        for name, error in against.items()
    ]
    return "; ".join([f"best: trial {best.number}, error {best.error:.4g}", *told])


def weight_line(weights: Mapping[str, float]) -> str:
    """How much each key matters among the good trials."""
    told = [f"{key} {share:.0%}" for key, share in weights.items()]
    return f"what tells the best trials from the others: {', '.join(told)}"


def verdict(metrics: Mapping[str, Any]) -> str:
    """One sentence on whether the network beats the best baseline, by mean absolute error."""
    errors = {name: row["mae"] for name, row in metrics["scores"].items()}
    error, called = errors.pop("model"), names(metrics)
    errors.pop("network_alone", None)
    rival = min(errors, key=lambda name: errors[name])
    mine, other = called["model"], _with_article(called[rival])
    steps = "1 step" if metrics["horizon"] == 1 else f"{metrics['horizon']} steps"
    where = f"over {metrics['origins']} forecasts of {steps}"
    share = _share(error, errors[rival])
    if error < errors[rival]:
        return f"the {mine} wins: its MAE is {share} below that of {other}, {where}"
    if error == errors[rival]:
        return f"the {mine} is as good as {other}, no better, {where}"
    return f"{other} wins: the {mine}'s MAE is {share} above it, {where}; do not prefer this {mine} to it"


def _with_article(label: str) -> str:
    """`Theta`, but `the seasonal naive`."""
    return label if label[0].isupper() else f"the {label}"


def _share(value: float, reference: float) -> str:
    return f"{abs(1 - value / reference):.1%}" if reference else f"{value:.4g}"


def _table(rows: Sequence[Sequence[object]]) -> str:
    """Columns aligned: the first to the left, the others to the right."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    lines = []
    for row in texts:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


class TrainingProgress:
    """A progress bar over all batches on a terminal, behind a label; nothing anywhere else."""

    def __init__(self, epochs: int, label: str = "") -> None:
        self._epochs = epochs
        self.visible = sys.stderr.isatty()
        self._bar = Progress(
            TextColumn(f"{label}epoch {{task.fields[epoch]}}/{{task.fields[epochs]}}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]:.4g}{task.fields[validation]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not self.visible,
        )
        self._task = self._bar.add_task("", total=None, epoch=0, epochs=epochs, loss=float("nan"), validation="")

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Move on by a batch."""
        done = (epoch - 1) * batches + batch
        self._bar.update(self._task, completed=done, total=self._epochs * batches, epoch=epoch, loss=loss)

    def epoch(self, validation_loss: float | None) -> None:
        """Show the validation loss of the epoch that ended."""
        if validation_loss is not None:
            self._bar.update(self._task, validation=f"  validation {validation_loss:.4g}")
