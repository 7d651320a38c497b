"""A CSV seen by a doctor: what is wrong with it, what is odd, what can be learnt, and the YAML lines that repair it."""

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from forecaster.check.findings import Finding, findings_on, findings_on_all, leaks, row, trouble
from forecaster.check.repairs import RepairResult, gap_line, mend, read_leniently, with_lines
from forecaster.check.statistics import SeriesStatistics, examine
from forecaster.config import LoadedConfig
from forecaster.config.reader import as_yaml
from forecaster.config.schema import Data
from forecaster.data import Panel, Series
from forecaster.data.assembly.localize import row_timestamps
from forecaster.data.dialect import USUAL
from forecaster.data.seasonality import seasons_of
from forecaster.data.sources.files import described
from forecaster.data.sources.number_formats import to_numbers
from forecaster.data.sources.text_table import Table
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import Timestamp, format_timestamps, shorten
from forecaster.preprocessing.plan import plan_training

_STEPS = 3_000_000  # that are looked at, of the longest series
_SERIES = 10_000  # that are looked at, the longest
_ROWS = 10  # of the table of series
_COLUMNS = 12  # that are named
_NOTICES = 5
_GAPS = re.compile(r"steps? of \S+ (?:is|are) missing")  # which are told in another way
_UNCOVERED = re.compile(r"data\.covariates\.missing: \{(.+): last \| seasonal\}")
_RANKS = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Checkup:
    """All findings on a CSV.

    Attributes:
        path: the CSV.
        facts: what it holds, by name.
        findings: errors first.
        lines: of YAML, `data.gaps: interpolate`, with which a training takes it; empty where it does already.
        mendable: whether it does with these lines.
        examined: the series, the worst first.
    """

    path: str
    facts: dict[str, Any]
    findings: list[Finding]
    lines: tuple[str, ...] = ()
    mendable: bool = True
    examined: list[SeriesStatistics] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether a training would take it as it is."""
        return all(finding.level != "error" for finding in self.findings)

    @property
    def worth_a_try(self) -> list[str]:
        """Lines that may help a training, though it takes the CSV without them."""
        lines = [line for finding in self.findings if finding.level != "error" for line in finding.repairs]
        return [line for line in dict.fromkeys(lines) if line not in self.lines]

    def to_json(self) -> str:
        """Everything, with a row for each series."""
        return json.dumps(
            {
                "path": self.path,
                "healthy": self.healthy,
                "facts": self.facts,
                "findings": [asdict(finding) for finding in self.findings],
                "lines": self.lines,
                "mendable": self.mendable,
                "worth_a_try": self.worth_a_try,
                "series": [row(each) for each in self.examined],
            },
            indent=1,
            ensure_ascii=False,
        ) + "\n"  # fmt: skip

    def to_text(self) -> str:
        """The facts, a line for each finding, the worst series, and the lines of YAML."""
        told = [self.path, *(f"  {name}: {_spoken(value)}" for name, value in self.facts.items() if value != "")]
        told += [f"{finding.level}: {finding.text}" for finding in self.findings]
        told += format_table([row(each) for each in self.examined]) if len(self.examined) > 1 else []
        if self.lines and self.mendable:
            told += ["with these lines a training takes it:", *_yaml(self.lines)]
        elif self.lines:
            told += ["these lines mend some of it:", *_yaml(self.lines)]
        if self.worth_a_try:
            told += ["worth a try:", *_yaml(self.worth_a_try)]
        told.append("ready to train" if self.healthy else "a training would refuse it as it is")
        return "\n".join(told) + "\n"


def check(loaded: LoadedConfig) -> Checkup:
    """Look at every series of a config's CSV, or say why none can be read.

    Raises:
        ConfigError: the config has problems.
    """
    if loaded.problems:
        raise ConfigError(loaded.problems)
    path = described(loaded.config.data.path)
    try:
        mended = mend(loaded)
    except DataError as error:
        return Checkup(path, {}, [_error(problem) for problem in error.problems], mendable=False)
    try:
        panel, notices = _panel(mended)
    except DataError as error:
        findings = _refused(mended)[0] or [_error(problem) for problem in error.problems]
        return Checkup(path, _table_facts(mended.table), findings, _lines(findings), mendable=False)
    longest = panel.longest
    data = mended.loaded.config.data
    seasons = data.seasons if data.season != "auto" else seasons_of(longest)[0]
    if data.season == "auto":  # the search takes longer than all else, and what follows goes by its result
        settled = with_lines(mended.loaded, [f"data.season: {list(seasons) or 1}"])
        mended = dataclasses.replace(mended, loaded=settled)
    examined = sorted((examine(series, seasons) for series in _affordable(panel)), key=trouble, reverse=True)
    refused, left = _refused(mended)
    config = mended.loaded.config
    found = findings_on_all(examined, config) if len(panel) > 1 else findings_on(examined[0], config)
    findings = [
        *refused,
        *_tried(found, mended),
        *leaks(longest, _columns(mended.table, longest, data, set(panel.targets)), seasons, _covariates(data)),
        *(Finding("note", "read", notice) for notice in _said_once(notices, refused)),
    ]
    if len(examined) < len(panel):
        findings.append(Finding("note", "longest", f"the longest {len(examined):,} of {len(panel):,} series are told"))
    findings.sort(key=lambda finding: _RANKS[finding.level])
    return Checkup(path, _facts(mended.table, panel, examined), findings, _lines(refused), not left, examined)


def _panel(mended: RepairResult) -> tuple[Panel, list[str]]:
    """The series with their gaps open, and what was said while they were read as a training reads them.

    Raises:
        DataError: they cannot be read even so.
    """
    strict, table = mended.panel, mended.table
    open_gaps = mended.loaded.config.data.gaps in {"error", "mask"}
    panel = strict if strict and open_gaps else read_leniently(table, mended.loaded, strict)
    return panel, list(dict.fromkeys([*table.notices, *(strict.said if strict else ())]))


def _refused(mended: RepairResult) -> tuple[list[Finding], bool]:
    """What a training would refuse, and whether something of it is left once all is mended that can be."""
    found = [Finding("error", refusal.kind, refusal.text, refusal.repairs) for refusal in mended.refusals]
    if mended.panel is None:
        return found, True
    try:
        plan_training(mended.loaded)
    except (ConfigError, DataError) as error:
        lines = _covariate_lines(error.problems, mended)
        found += [_error(problem, lines if _UNCOVERED.search(problem) else ()) for problem in error.problems]
        return found, not lines
    return found, False


def _error(problem: str, repairs: tuple[str, ...] = ()) -> Finding:
    return Finding("error", "config", problem, repairs)


def _covariate_lines(problems: Sequence[str], mended: RepairResult) -> tuple[str, ...]:
    """The line by which missing cells of covariates are their last one, where a training takes it."""
    named = {found[1]: "last" for problem in problems if (found := _UNCOVERED.search(problem))}
    missing = mended.loaded.config.data.covariates.missing | named
    policies = ", ".join(f"{as_yaml(name)}: {policy}" for name, policy in missing.items())
    line = f"data.covariates.missing: {{{policies}}}"
    return (line,) if named and _taken([line], mended) else ()


def _tried(findings: Sequence[Finding], mended: RepairResult) -> list[Finding]:
    """Findings whose lines a training takes as well; those that it does not take lose them."""
    with_gaps = [_filling(finding, mended) for finding in findings]
    every = list(dict.fromkeys(line for finding in with_gaps for line in finding.repairs))
    if not every or _taken(every, mended):
        return with_gaps
    return [
        finding if _taken(finding.repairs, mended) else dataclasses.replace(finding, repairs=())
        for finding in with_gaps
    ]


def _filling(finding: Finding, mended: RepairResult) -> Finding:
    """A mark for missing numbers opens gaps, which need a line of their own where none is there."""
    if finding.kind != "code" or mended.loaded.config.data.gaps != "error":
        return finding
    again = with_lines(mended.loaded, finding.repairs)
    return dataclasses.replace(finding, repairs=(*finding.repairs, gap_line(mended.table, again)))


def _taken(lines: Sequence[str], mended: RepairResult) -> bool:
    again = with_lines(mended.loaded, lines)
    try:
        return mended.panel is not None and not again.problems and bool(plan_training(again))
    except (ConfigError, DataError):
        return False


def _lines(refused: Sequence[Finding]) -> tuple[str, ...]:
    """The repairs of all errors, the last one of each key."""
    lines = [line for finding in refused for line in finding.repairs]
    return tuple({line.partition(":")[0]: line for line in lines}.values())


def _said_once(notices: Sequence[str], refused: Sequence[Finding]) -> list[str]:
    """Notices of what is no finding yet, the first few."""
    told = [
        notice
        for notice in notices
        if not _GAPS.search(notice) and not any(notice.startswith(finding.text[:60]) for finding in refused)
    ]
    more = len(told) - _NOTICES
    return [*told[:_NOTICES], f"... and {more:,} more"] if more > 0 else told


def _affordable(panel: Panel) -> list[Series]:
    """The longest series, as many as can be looked at in a few seconds; the first whatever its length."""
    order = np.argsort(-panel.lengths, kind="stable")
    most = int(np.searchsorted(np.cumsum(panel.lengths[order]), _STEPS, side="right"))
    return [panel[number] for number in order[: min(max(1, most), _SERIES)].tolist()]


def _covariates(data: Data) -> frozenset[str]:
    """The columns besides the target that a training reads."""
    return frozenset((*data.covariates.past, *data.covariates.future, *data.covariates.static))


def _columns(table: Table, series: Series, data: Data, targets: set[str]) -> dict[str, np.ndarray]:
    """The columns that hold numbers, (rows,) each, of the rows of one series in order of time; no other target's."""
    if data.layout == "rows":
        return {}
    mine = np.arange(len(table))
    if data.ids:
        ids = functools.reduce(lambda text, more: text + "/" + more, (table.columns[name] for name in data.ids))
        mine = np.flatnonzero(ids.to_numpy() == series.id_in(data.wide))
    time = data.time if isinstance(data.time, tuple) else series.time
    timestamps = row_timestamps(table, time, series.frequency, series.rules)[mine]
    beside = {*([time] if isinstance(time, str) else time or ()), *data.ids, *targets} - {series.target}
    order = mine[np.argsort(timestamps, kind="stable")]
    dialect = series.dialect
    numbers = {
        name: to_numbers(cells.iloc[order], dialect.decimal, dialect.thousands)
        for name, cells in table.columns.items()
        if name not in beside
    }
    return {name: values for name, values in numbers.items() if name == series.target or np.isfinite(values).any()}


def _facts(table: Table, panel: Panel, examined: Sequence[SeriesStatistics]) -> dict[str, Any]:
    longest, lengths = panel.longest, panel.lengths
    each = f"{len(panel):,}, of {lengths.min():,} to {lengths.max():,} steps" if len(panel) > 1 else "1"
    strengths = next(each.strengths for each in examined if each.series.name == longest.name)
    return {
        "written": _dialect(longest),
        **_table_facts(table),
        "time": longest.time or "none: the row is the step",
        "target": longest.target,
        "series": each,
        "steps": int(lengths.sum()),
        "frequency": longest.frequency,
        "span": " to ".join(format_timestamps(_span(panel))),
        "strength of seasons, from 0 to 1": {str(season): round(value, 2) for season, value in strengths.items()}
        or "no season",
    }


def _table_facts(table: Table) -> dict[str, Any]:
    names = list(table.columns)
    return {"rows": len(table), "columns": ", ".join(names[:_COLUMNS]) + (", ..." if len(names) > _COLUMNS else "")}


def _span(panel: Panel) -> list[Timestamp]:
    """The first and the last timestamp of all series; of those that begin and last alike one is looked at."""
    if panel.timestamps is not None:
        return [panel.timestamps.min(), panel.timestamps.max()]
    alike = dict(zip(zip(panel.firsts, panel.lengths.tolist(), strict=True), range(len(panel)), strict=True))
    return [min(panel.firsts), max(panel[number].timestamps[-1] for number in alike.values())]


def _dialect(series: Series) -> str:
    """How the CSV is written, as far as that is not usual."""
    found, usual = asdict(series.dialect), asdict(USUAL)
    shown = {"\t": "tab", " ": "space"}
    odd = {name: shown.get(value, value) for name, value in found.items() if value != usual[name] and value}
    return ", ".join(f"{name} {value}" for name, value in odd.items())


def _spoken(fact: Any) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name}: {value}" for name, value in fact.items())
    return f"{fact:,}" if isinstance(fact, int) else str(fact)


def _yaml(lines: Sequence[str]) -> Iterator[str]:
    """Dotted lines as YAML, each section once."""
    opened: set[tuple[str, ...]] = set()
    for line in sorted(lines, key=lambda line: line.partition(":")[0].split(".")[:-1]):
        key, colon, value = line.partition(":")
        *sections, name = key.split(".")
        for depth in range(1, len(sections) + 1):
            if (section := tuple(sections[:depth])) not in opened:
                opened.add(section)
                yield f"{'  ' * depth}{section[-1]}:"
        yield f"{'  ' * (len(sections) + 1)}{name}{colon}{value}"


def format_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The first rows below their headings, with what they are."""
    body = [[_cell(value) for value in each.values()] for each in rows[:_ROWS]]
    widths = [max(map(len, column)) for column in zip(rows[0], *body, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}" for index, (cell, width) in enumerate(pairs))
        for pairs in (zip(cells, widths, strict=True) for cells in (list(rows[0]), *body))
    ]
    title = "the worst series first" + (f", {_ROWS} of {len(rows):,}" if len(rows) > _ROWS else "")
    return [f"{title}; gain: how much less a straight line errs than the best naive", *(f"  {line}" for line in lines)]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return shorten(value)
    return "-" if value is None else f"{value:,}"
