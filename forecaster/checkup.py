"""A CSV seen by a doctor: what is wrong with it, what is odd, what can be learnt, and the YAML lines that repair it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.config import LoadedConfig
from forecaster.config.sections import Data
from forecaster.data import Panel, Series
from forecaster.data.checkup import (
    constant_stretches,
    errors_ahead,
    level_shifts,
    outliers,
    season_strength,
)
from forecaster.data.dialect import Dialect
from forecaster.data.gaps import find_gaps
from forecaster.data.read import series_of
from forecaster.data.rules import TimeRules
from forecaster.data.season import natural_season
from forecaster.data.table import Table, read_table
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import timestamp_texts

_SHOWN = 5  # places of each kind
_SERIES = 20  # that are looked at one by one, the longest
_STEPS = 20_000  # of each that are, the newest
_COPY = 0.9999  # correlation of changes from which a column is the target under another name
_SEASONS = {"h": (24, 168), "min": (1440,), "D": (7, 365), "B": (5,), "W": (52,), "MS": (12,), "QS": (4,)}


@dataclass(frozen=True)
class Finding:
    """Something that the doctor has to say.

    Attributes:
        level: `error`, which stops a training; `warning`, which may spoil it; `note`.
        kind: one word.
        text: a sentence, with the places.
        repair: the line of YAML that would mend it, if one would.
    """

    level: str
    kind: str
    text: str
    repair: str | None = None


@dataclass(frozen=True)
class Examined:
    """One series, and where it is odd.

    Attributes:
        series: NaN where a step is missing.
        outliers, shifts: numbers of steps.
    """

    series: Series
    outliers: np.ndarray
    shifts: np.ndarray


@dataclass(frozen=True)
class Checkup:
    """All findings on a CSV.

    Attributes:
        path: the CSV.
        facts: what it holds, by name.
        findings: errors first.
        examined: its longest series, as far as they can be read.
    """

    path: str
    facts: dict[str, Any]
    findings: list[Finding]
    examined: list[Examined] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether a training would take it."""
        return all(finding.level != "error" for finding in self.findings)

    def to_json(self) -> str:
        """Path, facts and findings."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"path": self.path, "facts": self.facts, "findings": findings}, indent=1) + "\n"

    def to_text(self) -> str:
        """The facts, then a line for each finding with its repair below."""
        lines = [self.path, *(f"  {name}: {_spoken(value)}" for name, value in self.facts.items())]
        for finding in self.findings:
            lines.append(f"{finding.level}: {finding.text.removeprefix(f'{self.path}: ')}")
            lines += [f"  mend it with: {finding.repair}"] if finding.repair else []
        lines.append("ready to train" if self.healthy else "a training would refuse it")
        return "\n".join(lines) + "\n"


def check(path: Path, loaded: LoadedConfig) -> Checkup:
    """Look at every series of a CSV.

    Args:
        path: the CSV.
        loaded: what is said of its columns and policies.

    Raises:
        ConfigError: the config has problems.
        DataError: nothing can be read as a series.
    """
    if loaded.problems:
        raise ConfigError(loaded.problems)
    data = loaded.config.data
    table = read_table(path, Dialect.of(data.model_dump()))
    errors, frequency = _errors(table, data)
    lenient = {
        "frequency": frequency,
        "gaps": "mask",
        "text": "missing",
        "longest_gap": None,
        "duplicates": "mean" if data.duplicates == "error" else data.duplicates,
    }
    try:
        panel = _read(table, data.model_copy(update=lenient))
    except DataError as error:
        raise DataError(list(error.problems)) from None
    looked_at = sorted(panel, key=len, reverse=True)[:_SERIES]
    seasons = [_seasons(series, data) for series in looked_at]
    findings, examined = [*errors, *_missing(panel), *_short(panel)], []
    for series, strengths in zip(looked_at, seasons, strict=True):
        season = max(strengths, key=lambda length: strengths[length]) if strengths else 1
        oddities, places = _oddities(series, season, f"series {series.name}: " if len(panel) > 1 else "")
        findings += [*oddities, _learnable(series, season, len(panel) > 1)]
        examined.append(places)
    findings += _copies(table, panel)
    ranks = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: ranks[finding.level])
    return Checkup(str(path), _facts(table, panel, seasons[0]), findings, examined)


def _spoken(fact: Any) -> str:
    return ", ".join(f"{name}: {value}" for name, value in fact.items()) if isinstance(fact, dict) else str(fact)


def _read(table: Table, data: Data) -> Panel:
    rules = TimeRules.of(data.model_dump())
    return series_of(
        table,
        data.time,
        data.target,
        data.frequency,
        data.gaps,
        data.duplicates,
        series=data.series,
        rules=rules,
        text=data.text,
        na_values=data.na_values,
    )


def _errors(table: Table, data: Data) -> tuple[list[Finding], str]:
    """What a training would refuse, each with its repair: what stands behind its colon; and the frequency it found."""
    try:
        panel = _read(table, data)
    except DataError as error:
        return [_refused(problem) for problem in error.problems], data.frequency
    return [], panel[0].frequency


def _refused(problem: str) -> Finding:
    for key, choice in (("data.duplicates", "mean"), ("data.gaps", "interpolate")):
        if f"{key}: " in problem:
            text = problem.split("; say ", maxsplit=1)[0]
            return Finding("error", key.removeprefix("data."), text, f"{key}: {choice}")
    return Finding("error", "cells", problem)


def _facts(table: Table, panel: Sequence[Series], seasons: dict[int, float]) -> dict[str, Any]:
    steps = sum(map(len, panel))
    first, last = timestamp_texts([min(s.timestamps[0] for s in panel), max(s.timestamps[-1] for s in panel)])
    longest = max(panel, key=len)
    strengths = {str(season): round(strength, 3) for season, strength in seasons.items()}
    return {
        "encoding": table.dialect.encoding,
        "delimiter": {"\t": "tab"}.get(table.dialect.delimiter, table.dialect.delimiter),
        "rows": len(table),
        "columns": ", ".join(table.columns),
        "time": longest.time or "none: the row is the step",
        "target": longest.target,
        "series": len(panel),
        "steps": steps,
        "frequency": longest.frequency,
        "span": f"{first} to {last}",
        "strength of seasons, from 0 to 1": strengths or "none fits the frequency",
    }


def _seasons(series: Series, data: Data) -> dict[int, float]:
    """The strength of each season that the frequency suggests, or of the one that is stated."""
    if data.season != "auto":
        candidates = data.seasons
    else:
        unit = series.frequency.split("-")[0]
        candidates = _SEASONS.get(unit, (natural_season(series.frequency, series.timestamps, series.rules),))
    values = series.values[-_STEPS:]
    return {season: season_strength(values, season) for season in candidates if 1 < season <= len(values) / 2.5}


def _missing(panel: Sequence[Series]) -> Iterator[Finding]:
    for series in panel:
        gaps = find_gaps(series.values)
        if not gaps:
            continue
        longest = max(gaps, key=lambda gap: gap.length)
        missing, where = sum(gap.length for gap in gaps), _at(series, [longest.first])
        found = f"{missing:,} of {len(series):,} steps are missing, in {_count(gaps, 'gap', 'gaps')}"
        text = f"{_named(series, panel)}{found}; the longest of {longest.length}, from {where}"
        yield Finding("note", "missing", text)


def _short(panel: Sequence[Series]) -> Iterator[Finding]:
    short = [series.name for series in panel if len(series) < 50]
    if short:
        names = ", ".join(short[:_SHOWN]) + (", ..." if len(short) > _SHOWN else "")
        count = "1 series has" if len(short) == 1 else f"{len(short)} series have"
        yield Finding("warning", "short", f"{count} fewer than 50 steps, little to learn from: {names}")


def _oddities(series: Series, season: int, name: str) -> tuple[list[Finding], Examined]:
    """What is odd in the values of one series, and where; of a very long one in its newest steps."""
    values, offset = series.values[-_STEPS:], max(0, len(series) - _STEPS)
    stretches = constant_stretches(values, max(12, season))
    far = outliers(values, season)
    shifts = level_shifts(values, max(2 * season, 30))
    findings = []
    if stretches:
        places = _at(series, [offset + stretch.first for stretch in stretches])
        found = _count(stretches, "constant stretch", "constant stretches")
        findings.append(
            Finding("warning", "constant", f"{name}{found}, the longest of {stretches[0].length} steps: {places}")
        )
    if len(far):
        places = _at(series, offset + far, values[far])
        text = f"{name}{_count(far, 'outlier', 'outliers')}, the farthest first: {places}"
        findings.append(Finding("warning", "outliers", text, "scaling: robust"))
    if shifts:
        places = _at(series, [offset + shift.at for shift in shifts], [shift.change for shift in shifts])
        text = f"{name}{_count(shifts, 'level shift', 'level shifts')}, the largest first: {places}"
        findings.append(Finding("warning", "level", text, "model.normalization: last"))
    return findings, Examined(series, offset + far, offset + np.array([shift.at for shift in shifts], int))


def _learnable(series: Series, season: int, several: bool) -> Finding:
    name = f"series {series.name}: " if several else ""
    errors = errors_ahead(series.values[-_STEPS:], season)
    if errors is None:
        return Finding("note", "learnable", f"{name}too short to tell whether there is anything to learn")
    ahead = "1 step" if errors.ahead == 1 else f"{errors.ahead} steps"
    rivals = f"last value {errors.naive:.4g}"
    if errors.seasonal_naive is not None:
        rivals += f", seasonal naive {errors.seasonal_naive:.4g}"
    told = f"{name}mean absolute error {ahead} ahead: a straight line through the past {errors.line:.4g}, {rivals}"
    if errors.gain > 0.02:
        return Finding("note", "learnable", f"{told}: there is something to learn beyond the naive")
    return Finding("warning", "learnable", f"{told}: the naive will be hard to beat")


def _copies(table: Table, panel: Sequence[Series]) -> Iterator[Finding]:
    """Columns that are the target, or its future, under another name."""
    if len(panel) > 1:
        return
    (series,) = panel
    target = pd.to_numeric(table.columns[series.target], errors="coerce").to_numpy(float)
    for name, cells in table.columns.items():
        if name in {series.target, series.time}:
            continue
        other = pd.to_numeric(cells, errors="coerce").to_numpy(float)
        if _correlation(other[:-1], target[1:]) > max(_COPY, _correlation(other, target)):
            yield Finding("warning", "leakage", f"the column {name!r} is the target one row later: it tells the future")
        elif _correlation(other, target) > _COPY:
            yield Finding("warning", "leakage", f"the column {name!r} is the target under another name")


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of the changes from row to row, 0 where either does not change."""
    changes = np.stack([np.diff(one), np.diff(other)])
    changes = changes[:, np.isfinite(changes).all(axis=0)]
    if changes.shape[1] < 10 or (changes.std(axis=1) == 0).any():
        return 0.0
    return float(np.corrcoef(changes)[0, 1])


def _named(series: Series, panel: Sequence[Series]) -> str:
    return f"series {series.name}: " if len(panel) > 1 else ""


def _count(found: Sequence[Any] | np.ndarray, one: str, many: str) -> str:
    return f"1 {one}" if len(found) == 1 else f"{len(found):,} {many}"


def _at(series: Series, steps: Sequence[int] | np.ndarray, values: Sequence[float] | np.ndarray | None = None) -> str:
    """The first few places, with what stands there."""
    texts = timestamp_texts([series.timestamps[step] for step in steps[:_SHOWN]])
    if values is not None:
        texts = [f"{text} ({value:.6g})" for text, value in zip(texts, values[:_SHOWN], strict=False)]
    return ", ".join(texts) + (", ..." if len(steps) > _SHOWN else "")
