"""What a doctor says of series that were measured: a sentence for each thing that is odd, with its places."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.check.leakage import copied_shift, parts
from forecaster.check.statistics import WORTH_IT, Errors, SeriesStatistics
from forecaster.config.schema import Config
from forecaster.data import Series
from forecaster.forecast import format_timestamps, shorten

_SHOWN = 5  # places or names of each kind
_SHORT = 50  # steps below which there is little to learn from
_MOSTLY_ZERO = 0.5  # share of steps from which a series is intermittent
_BETTER = 0.9  # of the main season's naive error, from which another season is worth more


@dataclass(frozen=True)
class Finding:
    """Something that the doctor has to say.

    Attributes:
        level: `error`, which stops a training; `warning`, which may spoil it; `note`.
        kind: one word.
        text: a sentence, with the places.
        repairs: lines such as `data.gaps: interpolate` that mend it, or are worth a try where it is no error.
    """

    level: str
    kind: str
    text: str
    repairs: tuple[str, ...] = ()


def findings_on(examined: SeriesStatistics, config: Config) -> list[Finding]:
    """Everything odd about one series, and what can be learnt of it."""
    return [*_gaps(examined), *_values(examined, config), *_seasons(examined), *_learnable(examined)]


def findings_on_all(panel: Sequence[SeriesStatistics], config: Config) -> list[Finding]:
    """The same of several series: of each kind how many have it, and which most; each with one line."""
    told = {each.series.name: findings_on(each, config) for each in panel}
    found: dict[tuple[str, str], list[str]] = {}
    repairs: dict[tuple[str, str], tuple[str, ...]] = {}
    for name, findings in told.items():
        for finding in findings:
            key = finding.level, finding.kind
            found.setdefault(key, []).append(name)
            repairs.setdefault(key, finding.repairs)
    return [
        Finding(level, kind, f"{_OF_SEVERAL[kind]} {_of(names, len(panel))}", repairs[level, kind])
        for (level, kind), names in found.items()
        if kind in _OF_SEVERAL
    ]


def trouble(examined: SeriesStatistics) -> float:
    """How ill a series is: the share of its steps that are missing, in a constant stretch or an outlier."""
    odd = examined.missing + sum(stretch.length for stretch in examined.stretches) + len(examined.outliers)
    return odd / len(examined.series)


def row(examined: SeriesStatistics) -> dict[str, Any]:
    """One series in numbers, by the headings of a table."""
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


def leaks(
    series: Series, columns: Mapping[str, np.ndarray], seasons: Sequence[int], read: frozenset[str]
) -> Iterator[Finding]:
    """Columns that are the target of this row or another, or its parts.

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
    copies = {name: shift for name, each in others.items() if (shift := copied_shift(target, each, shifts)) is not None}
    for name, shift in copies.items():
        level = "warning" if name in read and shift >= 0 else "note"
        yield Finding(level, "leakage", f"the column {name!r} is the target {_moved(shift)}")
    whole = parts(target, {name: each for name, each in others.items() if name not in copies})
    if whole:
        named = " and ".join(repr(name) for name in whole)
        text = f"the columns {named}, weighed, add up to the target: they are its parts"
        yield Finding("warning" if read & set(whole) else "note", "leakage", f"{text}, known no sooner")


def _moved(shift: int) -> str:
    rows = "one row" if abs(shift) == 1 else f"{abs(shift)} rows"
    if shift > 0:
        return f"{rows} later: it tells the future"
    return f"{rows} earlier: it tells nothing new" if shift else "under another name, and known no sooner"


def _gaps(examined: SeriesStatistics) -> Iterator[Finding]:
    series = examined.series
    if len(series) < _SHORT:
        yield Finding("warning", "short", f"{len(series)} steps are few to learn from; {_SHORT} are a beginning")
    if examined.gaps:
        longest = max(examined.gaps, key=lambda gap: gap.length)
        share = f"{examined.missing:,} of {len(series):,} steps ({examined.missing / len(series):.2%})"
        gaps = f"in {_count(examined.gaps, 'gap', 'gaps')}, the longest of {longest.length}"
        yield Finding("note", "missing", f"{share} are missing, {gaps}: {_at(series, [longest.first])}")


def _values(examined: SeriesStatistics, config: Config) -> Iterator[Finding]:
    series, values = examined.series, examined.series.values
    for code in examined.codes:
        count = int(np.sum(values == code))
        text = f"{code:g} stands {count} times, far from all other values, like a mark for a missing one"
        marks = f"data.na_values: [{', '.join(str(mark) for mark in (*config.data.na_values, int(code)))}]"
        yield Finding("warning", "code", text, (marks,))
    if examined.stretches:
        told = [f"{stretch.length} steps of {values[stretch.first]:.6g}" for stretch in examined.stretches]
        places = _at(series, [stretch.first for stretch in examined.stretches], told)
        found = _count(told, "constant stretch", "constant stretches, the longest first")
        yield Finding("warning", "constant", f"{found}: {places}")
    if examined.zeros >= _MOSTLY_ZERO:
        yield Finding("note", "zeros", f"{examined.zeros:.0%} of the steps are 0: a forecast of 0 errs little on most")
    if len(examined.outliers):
        steps = examined.episodes
        found = _count(steps, "outlier or run of them", "outliers or runs of them")
        places = _at(series, steps, [f"{value:.6g}" for value in values[steps]])
        text = f"{found}, far from the values a season before and after: {places}"
        spoilt = examined.stretched and config.scaling == "standard"
        yield Finding("warning" if spoilt else "note", "outliers", text, ("scaling: robust",) if spoilt else ())
    if examined.shifts:
        changes = [f"{shift.change:+.6g}" for shift in examined.shifts]
        found = _count(changes, "level shift", "level shifts, the largest first")
        text = f"{found}: {_at(series, [shift.at for shift in examined.shifts], changes)}"
        repairs = ("model.normalization: last",) if config.model.normalization == "none" else ()
        yield Finding("warning" if repairs else "note", "level", text, repairs)


def _seasons(examined: SeriesStatistics) -> Iterator[Finding]:
    errors = examined.errors
    if errors is None or len(errors.seasonal) < 2:
        return
    main, best = examined.seasons[0], min(errors.seasonal, key=lambda season: errors.seasonal[season])
    if best != main and errors.seasonal[best] < _BETTER * errors.seasonal[main]:
        order = [best, *(season for season in examined.seasons if season != best)]
        text = f"the value {best} steps before errs less than that {main} steps before, the main season"
        yield Finding("note", "season", text, (f"data.season: {order}",))


def _learnable(examined: SeriesStatistics) -> Iterator[Finding]:
    errors = examined.errors
    if errors is None:
        yield Finding("note", "untold", "too short to tell whether there is anything to learn")
        return
    told = f"mean absolute error {_compared(errors)}"
    if errors.learnable:
        yield Finding("note", "learnable", f"{told}: there is something to learn beyond the naive")
    elif errors.gain > WORTH_IT:
        yield Finding("note", "doubtful", f"{told}: perhaps there is something to learn; the difference may be chance")
    else:
        yield Finding("warning", "naive", f"{told}: the naive will be hard to beat")


def _compared(errors: Errors) -> str:
    ahead = "1 step" if errors.ahead == 1 else f"{errors.ahead} steps"
    rivals = [f"last value {errors.naive:.4g}"]
    rivals += [f"value {season} steps before {error:.4g}" for season, error in errors.seasonal.items()]
    return f"{ahead} ahead: a straight line through the past {errors.line:.4g}, {', '.join(rivals)}"


_OF_SEVERAL: Mapping[str, str] = {
    "short": f"fewer than {_SHORT} steps, little to learn from:",
    "missing": "steps are missing in",
    "code": "a value like a mark for a missing one in",
    "constant": "constant stretches in",
    "zeros": "mostly 0:",
    "outliers": "outliers in",
    "level": "level shifts in",
    "season": "another season than the main one errs less in",
    "untold": "too short to tell whether there is anything to learn:",
    "learnable": "something to learn beyond the naive in",
    "doubtful": "perhaps something to learn, perhaps chance, in",
    "naive": "the naive will be hard to beat in",
}


def _of(names: Sequence[str], count: int) -> str:
    return f"{len(names):,} of {count:,} series: {_listed([shorten(name) for name in names])}"


def _count(found: Sequence[Any] | np.ndarray, one: str, many: str) -> str:
    return f"1 {one}" if len(found) == 1 else f"{len(found):,} {many}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _at(series: Series, steps: Sequence[int] | np.ndarray, told: Sequence[str] = ()) -> str:
    """The first few places, with what is told of each."""
    texts = format_timestamps([series.timestamps[step] for step in steps[:_SHOWN]])
    if told:
        texts = [f"{text} ({each})" for text, each in zip(texts, told, strict=False)]
    return ", ".join(texts) + (", ..." if len(steps) > _SHOWN else "")
