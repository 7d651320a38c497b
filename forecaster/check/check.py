"""`forecast check`: the problems of a CSV, the anomalies of its series, and the YAML lines that repair them."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from forecaster.check.findings import (
    Finding,
    compute_anomalous_share,
    find_anomalies,
    find_leaks,
    find_panel_anomalies,
    report_last_horizon,
    summarize_series,
)
from forecaster.check.repair_result import RepairResult, apply_repairs, read_plain
from forecaster.check.statistics import SeriesStatistics, examine
from forecaster.config import LoadedConfig
from forecaster.data import Panel, Series
from forecaster.data.dialect import USUAL
from forecaster.data.sources.files import name_source
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import shorten
from forecaster.preprocessing.plan import plan_training
from forecaster.preprocessing.read_data import WARNINGS, find_data_seasons
from forecaster.problems import Problem, condense_problems, format_yaml
from forecaster.wording import count_steps, format_timestamps

_STEPS = 3_000_000  # that are examined, of the longest series
_SERIES = 10_000  # that are examined, the longest
_ROWS = 10  # of the table of series
_COLUMNS = 12  # that are named
_NOTICES = 5
_UNSET = object()
_RANKS = {"error": 0, "warning": 1, "note": 2}
_GAP_NOTICES = {"steps-filled", "steps-masked"}  # gaps are a finding
# Notices of what a problem reports already, by its code.
_REPORTED_AS = {
    "duplicates-merged": "duplicate-timestamps",
    "text-as-missing": "not-a-number",
    "infinite-as-missing": "missing-cell",
}


@dataclass(frozen=True)
class Checkup:
    """All findings on a CSV.

    Attributes:
        path: the CSV.
        facts: what it holds, by name.
        findings: errors first.
        repairs: keys of the config with the values by which a training accepts the CSV; empty where it does already.
        is_repairable: whether it accepts the CSV with these repairs.
        examined: the series, the worst first.
    """

    path: str
    facts: dict[str, Any]
    findings: list[Finding]
    repairs: Mapping[str, Any] = field(default_factory=dict)
    is_repairable: bool = True
    examined: list[SeriesStatistics] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether a training accepts the CSV as it is."""
        return all(finding.level != "error" for finding in self.findings)

    @property
    def suggestions(self) -> dict[str, Any]:
        """Keys that may improve a training, though it accepts the CSV without them."""
        return _merge_repairs([f for f in self.findings if f.level != "error"], self.repairs)

    def to_json(self) -> str:
        """Write everything, with a row for each series."""
        return json.dumps(
            {
                "path": self.path,
                "ready": self.is_ready,
                "facts": self.facts,
                "findings": [finding.to_json() for finding in self.findings],
                "repairs": dict(self.repairs),
                "repairable": self.is_repairable,
                "suggestions": self.suggestions,
                "series": [summarize_series(each) for each in self.examined],
            },
            indent=1,
            ensure_ascii=False,
        ) + "\n"  # fmt: skip

    def to_text(self) -> str:
        """Write the facts, a line for each finding, the worst series, and the lines of YAML."""
        text = [self.path, *(f"  {name}: {_format_fact(value)}" for name, value in self.facts.items() if value != "")]
        for level in _RANKS:
            problems = [finding.problem for finding in self.findings if finding.level == level]
            text += [f"{level}: {problem}" for problem in condense_problems(problems)]
        text += format_table([summarize_series(each) for each in self.examined]) if len(self.examined) > 1 else []
        if self.repairs and self.is_repairable:
            text += ["with these lines a training accepts it:", *_format_yaml(self.repairs)]
        elif self.repairs:
            text += ["these lines repair some of it:", *_format_yaml(self.repairs)]
        if self.suggestions:
            text += ["worth a try:", *_format_yaml(self.suggestions)]
        text.append("ready to train" if self.is_ready else "a training would refuse it as it is")
        return "\n".join(text) + "\n"


def check(loaded: LoadedConfig) -> Checkup:
    """Examine every series of a config's CSV, or report why none can be read.

    Raises:
        ConfigError: the config has problems.
    """
    if loaded.problems:
        raise ConfigError(loaded.problems)
    path = name_source(loaded.config.data.path)
    try:
        repaired = _repair(loaded)
    except DataError as error:
        return Checkup(path, {}, [Finding("error", problem) for problem in error.problems], is_repairable=False)
    try:
        panel, notices = _read_panel(repaired)
    except DataError as error:
        findings = _find_errors(repaired)[0] or [Finding("error", problem) for problem in error.problems]
        repairs = _merge_repairs(findings)
        return Checkup(path, _describe_table(repaired), findings, repairs, is_repairable=False)
    return _examine_panel(path, repaired, panel, notices)


def _repair(loaded: LoadedConfig) -> RepairResult:
    """Read the data of a config, repaired where it needs it; raise `DataError` where it is not even a table."""
    if (plain := read_plain(loaded)) is not None:
        return plain
    from forecaster.check.repairs import repair_config  # noqa: PLC0415  with pandas

    return repair_config(loaded)


def _examine_panel(path: str, repaired: RepairResult, panel: Panel, notices: Sequence[Problem]) -> Checkup:
    """Find what is wrong with series that can be read, and what may improve a training on them."""
    longest, data = panel.longest, repaired.loaded.config.data
    seasons = data.seasons if data.season != "auto" else find_data_seasons(panel)[0]
    if data.season == "auto":  # the search takes longer than all else, and what follows uses its result
        resolved = apply_repairs(repaired.loaded, [{"data.season": list(seasons) or 1}])
        repaired = dataclasses.replace(repaired, loaded=resolved)
    examined = sorted(
        (examine(series, seasons) for series in _choose_longest(panel)), key=compute_anomalous_share, reverse=True
    )
    errors, left = _find_errors(repaired)
    config = repaired.loaded.config
    found = find_panel_anomalies(examined, config) if len(panel) > 1 else find_anomalies(examined[0], config)
    columns = _read_columns(repaired, longest, set(panel.targets))
    covariates = frozenset((*data.covariates.past, *data.covariates.future, *data.covariates.static))
    findings = [
        *errors,
        *_keep_accepted_repairs(found, repaired),
        *report_last_horizon([each.series for each in examined], seasons),
        *find_leaks(longest, columns, seasons, covariates),
        *(
            Finding("warning" if notice.code in WARNINGS else "note", notice)
            for notice in _select_new_notices(notices, errors)
        ),
    ]
    if len(examined) < len(panel):
        detail = {"count": len(examined), "of": len(panel)}
        findings.append(Finding("note", Problem("longest-examined", detail=detail)))
    findings.sort(key=lambda finding: _RANKS[finding.level])
    facts = _collect_facts(repaired, panel, examined)
    return Checkup(path, facts, findings, _merge_repairs(errors), not left, examined)


def find_refusal(loaded: LoadedConfig, trains: bool = True) -> tuple[list[Problem], dict[str, Any]]:
    """Find what a command refuses in the data of a config, and the keys by which it accepts all of it.

    Args:
        loaded: the config.
        trains: whether the command trains, which needs more rows than reading alone.

    Returns:
        The problems, with the ids, calendars and zones that explain them; and the keys, empty where none do.

    Raises:
        DataError: it is not even a table.
    """
    repaired = _repair(loaded)
    errors, left = _find_errors(repaired) if trains else (repaired.findings, repaired.panel is None)
    return [finding.problem for finding in errors], {} if left else _merge_repairs(errors)


def _read_panel(repaired: RepairResult) -> tuple[Panel, list[Problem]]:
    """Read the series with their gaps open, and the notices of reading them as a training does.

    Raises:
        DataError: they cannot be read even so.
    """
    strict, open_gaps = repaired.panel, repaired.loaded.config.data.gaps in {"error", "mask"}
    if strict and (repaired.cells is None or open_gaps):
        panel = strict
    else:
        from forecaster.check.repairs import read_leniently  # noqa: PLC0415  with pandas

        panel = read_leniently(repaired.table, repaired.loaded, strict)
    notices = repaired.cells.notices if repaired.cells is not None else ()
    return panel, list(dict.fromkeys([*notices, *(strict.all_notices if strict else ())]))


def _find_errors(repaired: RepairResult) -> tuple[list[Finding], bool]:
    """Find what a training would refuse, and whether some of it is left with all repairs."""
    if repaired.panel is None:
        return repaired.findings, True
    try:
        plan_training(repaired.loaded)
    except (ConfigError, DataError) as error:
        from forecaster.check.repairs import repair_covariates  # noqa: PLC0415  with pandas

        repair = repair_covariates(error.problems, repaired)
        uncovered = [Finding("error", each, repair if each.code == UNCOVERED else {}) for each in error.problems]
        return [*repaired.findings, *uncovered], not repair
    return repaired.findings, False


UNCOVERED = "missing-covariate"


def _keep_accepted_repairs(findings: Sequence[Finding], repaired: RepairResult) -> list[Finding]:
    """Keep the repairs that a training accepts as well; findings whose repair it refuses lose it."""
    filling = [_add_gap_repair(finding, repaired) for finding in findings]
    every = _merge_repairs(filling)
    if not every or repaired.accepts(every):
        return filling
    return [f if repaired.accepts(f.repair) else dataclasses.replace(f, repair={}) for f in filling]


def _add_gap_repair(finding: Finding, repaired: RepairResult) -> Finding:
    """Add how to fill the gaps that a code for missing values opens, where the config leaves that open."""
    if not finding.code.startswith("missing-code") or repaired.loaded.config.data.gaps != "error":
        return finding
    from forecaster.check.repairs import choose_gap_repair  # noqa: PLC0415  with pandas

    again = apply_repairs(repaired.loaded, [finding.repair])
    return dataclasses.replace(finding, repair={**finding.repair, **choose_gap_repair(repaired.table, again)})


def _merge_repairs(findings: Sequence[Finding], known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Merge the repairs of findings, the last one of each key, but those that are known."""
    merged = {key: value for finding in findings for key, value in finding.repair.items()}
    return {key: value for key, value in merged.items() if (known or {}).get(key, _UNSET) != value}


def _select_new_notices(notices: Sequence[Problem], errors: Sequence[Finding]) -> list[Problem]:
    """Choose the notices that no finding reports, the first few."""
    reported = {(finding.code, finding.problem.where) for finding in errors}
    new = [
        notice
        for notice in notices
        if notice.code not in _GAP_NOTICES and (_REPORTED_AS.get(notice.code), notice.where) not in reported
    ]
    more = len(new) - _NOTICES
    return [*new[:_NOTICES], Problem("more-notices", detail={"count": more})] if more > 0 else new


def _choose_longest(panel: Panel) -> list[Series]:
    """Choose the longest series, as many as can be examined in a few seconds; the first whatever its length."""
    order = np.argsort(-panel.lengths, kind="stable")
    most = int(np.searchsorted(np.cumsum(panel.lengths[order]), _STEPS, side="right"))
    return [panel[number] for number in order[: min(max(1, most), _SERIES)].tolist()]


def _collect_facts(repaired: RepairResult, panel: Panel, examined: Sequence[SeriesStatistics]) -> dict[str, Any]:
    longest, lengths = panel.longest, panel.lengths
    most = count_steps(int(lengths.max()), longest.frequency)
    least = f"{lengths.min():,} to " if lengths.min() < lengths.max() else ""
    each = f"{len(panel):,}, of {least}{most}" if len(panel) > 1 else "1"
    strengths = next(each.strengths for each in examined if each.series.name == longest.name)
    return {
        "dialect": _describe_dialect(longest),
        **_describe_table(repaired),
        "time": ", ".join([longest.time] if isinstance(longest.time, str) else longest.time or ())
        or "none: the row is the step",
        "target": longest.target,
        "series": each,
        "steps": int(lengths.sum()),
        "frequency": longest.frequency,
        "span": " to ".join(format_timestamps(panel.find_span())),
        "strength of seasons, from 0 to 1": {str(season): round(value, 2) for season, value in strengths.items()}
        or "no season",
    }


def _describe_table(repaired: RepairResult) -> dict[str, Any]:
    names, rows = _list_columns(repaired)
    return {"rows": rows, "columns": ", ".join(names[:_COLUMNS]) + (", ..." if len(names) > _COLUMNS else "")}


def _list_columns(repaired: RepairResult) -> tuple[list[str], int]:
    """List the columns, and count the rows."""
    panel = repaired.panel
    if repaired.cells is None and panel is not None:
        return [str(panel.time), *panel.targets], len(panel.values)
    return list(repaired.table.columns), len(repaired.table)


def _read_columns(repaired: RepairResult, series: Series, targets: set[str]) -> dict[str, np.ndarray]:
    """Read the columns of numbers, (rows,) each, of the rows of one series in order of time; no other target."""
    if repaired.cells is None:
        return {series.target: series.values}
    from forecaster.check.repairs import read_columns  # noqa: PLC0415  with pandas

    return read_columns(repaired.cells, series, repaired.loaded.config.data, targets)


def _describe_dialect(series: Series) -> str:
    """Describe the dialect of the CSV, as far as it is not that of most."""
    found, usual = asdict(series.dialect), asdict(USUAL)
    shown = {"\t": "tab", " ": "space"}
    unusual = {name: value for name, value in found.items() if value != usual[name] and value}
    return ", ".join(
        f"{name} {format_yaml(value) if isinstance(value, dict) else shown.get(value, value)}"
        for name, value in unusual.items()
    )


def _format_fact(fact: Any) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name}: {value}" for name, value in fact.items())
    return f"{fact:,}" if isinstance(fact, int) else str(fact)


def _format_yaml(repairs: Mapping[str, Any]) -> Iterator[str]:
    """Write dotted keys as YAML, each section once."""
    opened: set[tuple[str, ...]] = set()
    for key, value in sorted(repairs.items(), key=lambda item: item[0].split(".")[:-1]):
        *sections, name = key.split(".")
        for depth in range(1, len(sections) + 1):
            if (section := tuple(sections[:depth])) not in opened:
                opened.add(section)
                yield f"{'  ' * depth}{section[-1]}:"
        yield f"{'  ' * (len(sections) + 1)}{name}: {format_yaml(value)}"


def format_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lay out the first rows below their headings and a title."""
    body = [[_format_cell(value) for value in each.values()] for each in rows[:_ROWS]]
    widths = [max(map(len, column)) for column in zip(rows[0], *body, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" if index == 0 else f"{cell:>{width}}" for index, (cell, width) in enumerate(pairs))
        for pairs in (zip(cells, widths, strict=True) for cells in (list(rows[0]), *body))
    ]
    title = "the worst series first" + (f", {_ROWS} of {len(rows):,}" if len(rows) > _ROWS else "")
    return [
        f"{title}; gain: how much smaller the error of a straight line is than that of the best naive forecast",
        *(f"  {line}" for line in lines),
    ]


def _format_cell(value: Any) -> str:
    if isinstance(value, str):
        return shorten(value)
    return "-" if value is None else f"{value:,}"
