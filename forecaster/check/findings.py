"""What `forecast check` reports of measured series: a finding for each anomaly, with its places."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecaster.check.last_horizon import measure_last_errors
from forecaster.check.leakage import find_copied_shift, find_parts
from forecaster.check.statistics import WORTH_IT, Errors, SeriesStatistics
from forecaster.check.value_range import has_proportional_changes, is_count, stays_above_zero
from forecaster.config.schema import Config
from forecaster.data import Series
from forecaster.forecast import shorten
from forecaster.problems import Problem
from forecaster.wording import KEPT, count_steps, format_timestamp, format_timestamps

_SHORT = 50  # steps below which there is little to learn from
_MOSTLY_ZERO = 0.5  # share of steps from which a series is intermittent
_BOUNDED = {"negative_binomial", "log_normal", "categorical"}  # heads that forecast no negative number
_BETTER = 0.9  # of the main season's naive error, from which another season is worth more


@dataclass(frozen=True)
class Finding:
    """A problem, or something else worth knowing about a series.

    Attributes:
        level: `error`, which stops a training; `warning`, which may spoil it; `note`.
        problem: what was found; its repairs are alternatives that nobody tried.
        repair: keys of the config with values that were tried and repair it, or are worth a try where it is no error.
    """

    level: str
    problem: Problem
    repair: Mapping[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code of the problem."""
        return self.problem.code

    @property
    def text(self) -> str:
        """The problem as a sentence."""
        return str(self.problem)

    def to_json(self) -> dict[str, Any]:
        """Return the level, every field of the problem, and the repair."""
        return {"level": self.level, **self.problem.to_json(), "repair": dict(self.repair) or None}


def find_anomalies(examined: SeriesStatistics, config: Config) -> list[Finding]:
    """Find every anomaly of one series, and whether there is anything to learn."""
    return [
        *_report_gaps(examined),
        *_report_values(examined, config),
        *_report_seasons(examined),
        *_report_learnability(examined),
    ]


def find_panel_anomalies(panel: Sequence[SeriesStatistics], config: Config) -> list[Finding]:
    """Find the anomalies of several series: of each code the series that have it, the worst first."""
    names: dict[tuple[str, str], list[str]] = {}
    repairs: dict[tuple[str, str], Mapping[str, Any]] = {}
    for each in panel:
        for finding in find_anomalies(each, config):
            names.setdefault((finding.level, finding.code), []).append(shorten(each.series.name))
            repairs.setdefault((finding.level, finding.code), finding.repair)
    found = []
    for (level, code), series in names.items():
        detail = {"count": len(series), "of": len(panel), "names": series[:KEPT]}
        found.append(_make_finding(level, f"{code}-in-series", detail, repairs[level, code]))
    return found


def compute_anomalous_share(examined: SeriesStatistics) -> float:
    """Compute the share of a series' steps that are missing, in a constant stretch or an outlier."""
    stretches = sum(stretch.length for stretch in examined.stretches)
    return (examined.missing + stretches + len(examined.outliers)) / len(examined.series)


def summarize_series(examined: SeriesStatistics) -> dict[str, Any]:
    """Summarise one series in numbers, by the headings of a table."""
    errors = examined.errors
    return {
        "series": examined.series.name,
        "steps": len(examined.series),
        "missing": examined.missing,
        "constant": sum(stretch.length for stretch in examined.stretches),
        "outliers": len(examined.outliers),
        "shifts": len(examined.shifts),
        "season": max((round(strength, 2) for strength in examined.strengths.values()), default=0.0),
        "gain %": None if errors is None else round(100 * errors.gain),
    }


def report_last_horizon(panel: Sequence[Series], seasons: Sequence[int]) -> Iterator[Finding]:
    """Report the errors on the last steps of what needs no training: the pretrained network and naive forecasts."""
    found = measure_last_errors(panel, seasons)
    if found is None:
        return
    frequency = panel[0].frequency
    named = {"zero-shot": found.zero_shot, "last value": found.naive}
    if seasons:
        named[f"value {count_steps(seasons[0], frequency)} before"] = found.seasonal
    detail = {
        "steps": found.steps,
        "frequency": frequency,
        "count": found.forecast,
        "several": len(panel) > 1,
        "measure": "MASE" if len(panel) > 1 else "mean absolute error",
        "errors": [f"{name} {error:.4g}" for name, error in named.items()],
    }
    yield _make_finding("note", "last-horizon", detail)


def find_leaks(
    series: Series, columns: Mapping[str, np.ndarray], seasons: Sequence[int], read: frozenset[str]
) -> Iterator[Finding]:
    """Find columns that are the target of this row or another, or its parts.

    Args:
        series: the one whose rows they are.
        columns: by name, (rows,) in order of time, the target among them; none where a row is a series.
        seasons: by which a copy may be moved, too.
        read: names of those that the training reads.
    """
    if not columns:
        return
    target, others = columns[series.target], {name: each for name, each in columns.items() if name != series.target}
    shifts = [0, *(sign * rows for rows in (1, 2, 3, *seasons) for sign in (1, -1))]
    copies = {
        name: shift for name, each in others.items() if (shift := find_copied_shift(target, each, shifts)) is not None
    }
    for name, shift in copies.items():
        level = "warning" if name in read and shift >= 0 else "note"
        code = "future-target" if shift > 0 else "past-target" if shift else "copied-target"
        yield _make_finding(level, code, {"name": name, "rows": abs(shift)})
    whole = find_parts(target, {name: each for name, each in others.items() if name not in copies})
    if whole:
        level = "warning" if read & set(whole) else "note"
        yield _make_finding(level, "parts-of-target", {"names": list(map(repr, whole))})


def _make_finding(level: str, code: str, detail: Mapping[str, Any], repair: Mapping[str, Any] | None = None) -> Finding:
    return Finding(level, Problem(code, detail=detail, repairs=(repair,) if repair else ()), repair or {})


def _report_gaps(examined: SeriesStatistics) -> Iterator[Finding]:
    series = examined.series
    unit = {"steps": len(series), "frequency": series.frequency}
    if len(series) < _SHORT:
        yield _make_finding("warning", "short", unit | {"enough": _SHORT})
    if examined.gaps:
        longest = max(examined.gaps, key=lambda gap: gap.length)
        share = examined.missing / len(series)
        detail = {"missing": examined.missing, "share": share, "gaps": len(examined.gaps), "longest": longest.length}
        place = format_timestamp(series.find_timestamp(longest.first))
        yield _make_finding("note", "missing", unit | detail | {"place": place})


def _report_values(examined: SeriesStatistics, config: Config) -> Iterator[Finding]:
    series, values = examined.series, examined.series.values
    for code in examined.codes:
        detail = {"value": code, "count": int(np.sum(values == code))}
        yield _make_finding("warning", "missing-code", detail, {"data.na_values": [*config.data.na_values, int(code)]})
    if examined.stretches:
        lengths = [count_steps(stretch.length, series.frequency) for stretch in examined.stretches]
        texts = [f"{n} of {values[run.first]:.6g}" for n, run in zip(lengths, examined.stretches, strict=True)]
        places = _format_places(series, [stretch.first for stretch in examined.stretches], texts)
        yield _make_finding("warning", "constant-stretches", {"count": len(examined.stretches), "places": places})
    if examined.zeros >= _MOSTLY_ZERO:
        yield _make_finding("note", "mostly-zero", {"share": examined.zeros})
    yield from _report_range(values, config)
    if len(examined.outliers):
        steps = examined.episodes
        places = _format_places(series, steps, [f"{value:.6g}" for value in values[steps]])
        spoilt = examined.has_extreme_outliers and config.scaling_method == "standard"
        repair = {"scaling": "robust"} if spoilt else None
        yield _make_finding(
            "warning" if spoilt else "note", "outliers", {"count": len(steps), "places": places}, repair
        )
    if examined.shifts:
        changes = [f"{shift.change:+.6g}" for shift in examined.shifts]
        places = _format_places(series, [shift.at for shift in examined.shifts], changes)
        repair = {"model.normalization": "last"} if config.model.normalization == "none" else None
        level = "warning" if repair else "note"
        yield _make_finding(level, "level-shifts", {"count": len(changes), "places": places}, repair)


def _report_range(values: np.ndarray, config: Config) -> Iterator[Finding]:
    """Offer a transform or a bound, where the config has none, and a head for other values."""
    if config.data.transform != "none" or config.data.minimum is not None or config.model.head in _BOUNDED:
        return
    if has_proportional_changes(values):
        yield _make_finding("note", "proportional-changes", {}, {"data.transform": "log"})
    elif stays_above_zero(values):
        yield _make_finding("note", "never-negative", {"counts": is_count(values)}, {"data.minimum": 0})


def _report_seasons(examined: SeriesStatistics) -> Iterator[Finding]:
    errors = examined.errors
    if errors is None or len(errors.seasonal) < 2:
        return
    main, best = examined.seasons[0], min(errors.seasonal, key=lambda season: errors.seasonal[season])
    if best != main and errors.seasonal[best] < _BETTER * errors.seasonal[main]:
        order = [best, *(season for season in examined.seasons if season != best)]
        detail = {"best": best, "main": main, "frequency": examined.series.frequency}
        yield _make_finding("note", "better-season", detail, {"data.season": order})


def _report_learnability(examined: SeriesStatistics) -> Iterator[Finding]:
    errors = examined.errors
    if errors is None:
        yield _make_finding("note", "too-short-to-measure", {})
        return
    level, code = "warning", "hard-to-beat"
    if errors.learnable:
        level, code = "note", "learnable"
    elif errors.gain > WORTH_IT:
        level, code = "note", "perhaps-learnable"
    yield _make_finding(level, code, {"errors": _describe_errors(errors, examined.series.frequency)})


def _describe_errors(errors: Errors, frequency: str) -> str:
    rivals = [f"last value {errors.naive:.4g}"]
    rivals += [f"value {count_steps(season, frequency)} before {e:.4g}" for season, e in errors.seasonal.items()]
    ahead = count_steps(errors.ahead, frequency)
    return f"{ahead} ahead: a straight line through the past {errors.line:.4g}, {', '.join(rivals)}"


def _format_places(series: Series, steps: Sequence[int] | np.ndarray, texts: Sequence[str]) -> list[str]:
    """Write the first places, each with its text in brackets."""
    stamps = format_timestamps([series.find_timestamp(int(step)) for step in steps[:KEPT]])
    return [f"{stamp} ({text})" for stamp, text in zip(stamps, texts, strict=False)]
