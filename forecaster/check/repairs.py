"""The problems of a CSV, and the keys of the config that repair them, tried one reading after the other."""

import copy
import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from forecaster.check.findings import Finding
from forecaster.check.id_columns import are_events, find_separating_columns
from forecaster.check.repair_result import RepairResult, apply_repairs
from forecaster.check.statistics import measure_season_strengths
from forecaster.config import LoadedConfig
from forecaster.config.schema import Data
from forecaster.data import Panel, Series
from forecaster.data.assembly.build_rows import localize_rows, parse_rows
from forecaster.data.assembly.column_roles import find_known_columns, find_time_columns
from forecaster.data.assembly.decoded_columns import parse_numbers
from forecaster.data.assembly.localize import parse_row_timestamps
from forecaster.data.assembly.regular_grid import build_panel
from forecaster.data.assembly.rows import Rows
from forecaster.data.assembly.time_columns import find_clock
from forecaster.data.dialect import AUTO
from forecaster.data.options import Reading
from forecaster.data.read_tables import parse_series, read_cells
from forecaster.data.sources.text_table import Table
from forecaster.errors import DataError
from forecaster.formats.number_formats import is_missing, looks_numeric
from forecaster.preprocessing.read_data import build_data_request
from forecaster.preprocessing.seasons import find_series_seasons
from forecaster.problems import Problem
from forecaster.time.gaps import find_longest_gap
from forecaster.time.rules import TimeRules
from forecaster.time.timezones import ZONES

_ROUNDS = 8  # a repaired file may show problems that its first ones hid
_SEASONAL = 0.3  # strength of a season from which it fills long gaps better than a straight line
# Problems of which the first repair is tried; of others it is for the user to choose.
_AUTOMATIC = {
    *("unknown-encoding", "commented-header", "labels-below-header", "dates-in-header", "series-in-rows"),
    *("dates-in-zone", "jittered-timestamps", "jittered-grid", "irregular-months", "irregular-sessions"),
    *("gap-too-long", "outside-transform"),
}
# Names of what is averaged, not summed.
_AVERAGED = re.compile(r"(?i)temp|price|preis|rate|ratio|percent|share|speed|level|pressure|humidity|index|close")
_CLOCK_CODES = {"duplicate-timestamps": "repeated-hour", "missing-steps": "skipped-hour"}
# Rows that are several series, or parts of a time: other problems of the same reading mean nothing then.
_MISREAD = {"several-series", "time-in-several-columns"}


def repair_config(loaded: LoadedConfig) -> RepairResult:
    """Read the CSV of a config; while it has problems, set what repairs them and read again.

    Raises:
        DataError: it is not even a table.
    """
    findings: dict[Problem, Finding] = {}
    table: Table | None = None
    for _ in range(_ROUNDS):
        request = build_data_request(loaded.config)
        try:
            if table is None:
                table = read_cells(request.paths, request.dialect, request.reading.where)
                known = find_known_columns(table.columns, request.reading)
                loaded = apply_repairs(loaded, [{f"data.{key}": name for key, name in known.items()}])
            return RepairResult(loaded, _merge_same_cells(findings.values()), read(table, loaded), table)
        except DataError as error:
            find = _find_first_repair if table is None else _Repairs(table, loaded).find
            new = {problem: find(problem) for problem in error.problems if problem not in findings}
        new = {problem: each for problem, each in new.items() if each.code in _MISREAD} or new
        findings |= new
        again = apply_repairs(loaded, [finding.repair for finding in new.values()])
        if again is loaded or again.problems:
            break
        loaded = again
    if table is None:
        raise DataError(list(findings))
    return RepairResult(loaded, _merge_same_cells(findings.values()), None, table)


def _merge_same_cells(findings: Iterable[Finding]) -> list[Finding]:
    """Merge findings on the same cells: a mark is no number, and a gap once it is read as missing."""
    merged: dict[object, Finding] = {}
    for finding in findings:
        problem = finding.problem
        place = (problem.where, problem.column, problem.cells) if problem.cells else problem
        first = merged.get(place, finding)
        merged[place] = dataclasses.replace(first, repair={**first.repair, **finding.repair})
    return list(merged.values())


def read(table: Table, loaded: LoadedConfig) -> Panel:
    """Read the series of a table as a training does.

    Raises:
        DataError: they have problems.
    """
    return parse_series(table, build_data_request(loaded.config).reading)


def _find_problems(rows: Rows, reading: Reading) -> Sequence[Problem]:
    """Find the problems of rows, whose timestamps are as they are written, by the rules of a reading."""
    try:
        build_panel(localize_rows(dataclasses.replace(rows, issues=copy.deepcopy(rows.issues)), reading), reading)
    except DataError as error:
        return error.problems
    return ()


def read_leniently(table: Table, loaded: LoadedConfig, strict: Panel | None = None) -> Panel:
    """Read the series with their gaps left open, and every other problem ignored that can be.

    Args:
        strict: the same as a training reads them, whose step and calendar are kept; None where they are not known.

    Raises:
        DataError: they cannot be read even so.
    """
    reading = dataclasses.replace(build_data_request(loaded.config).reading, domains=())
    if strict is not None:
        reading = dataclasses.replace(reading, frequency=strict.frequency, rules=strict.rules)
    lenient = dataclasses.replace(
        reading,
        gaps="mask",
        invalid_values="missing",
        duplicates="mean" if reading.duplicates == "error" else reading.duplicates,
        rules=dataclasses.replace(reading.rules, max_gap=None),
        static=(),
        columns=(),
    )
    return parse_series(table, lenient)


def choose_gap_repair(table: Table, loaded: LoadedConfig) -> dict[str, str]:
    """Choose how to fill gaps: from the season where they are half as long as a clear one, else a straight line."""
    try:
        series = max(read_leniently(table, loaded), key=len)
    except DataError:
        return {"data.gaps": "interpolate"}
    seasons = loaded.config.data.seasons or find_series_seasons(series)[0]
    strength = max(measure_season_strengths(series.values, seasons).values(), default=0.0)
    long = bool(seasons) and find_longest_gap(series.values).length > seasons[0] // 2
    return {"data.gaps": "seasonal" if long and strength >= _SEASONAL else "interpolate"}


class _Repairs:
    """The repairs of the problems of one reading, each looked for once however many series need it."""

    def __init__(self, table: Table, loaded: LoadedConfig) -> None:
        self._table, self._loaded, self._data = table, loaded, loaded.config.data

    def find(self, problem: Problem) -> Finding:
        """Find the repair of a problem, by its code."""
        if problem.detail.get("clock_change"):
            if self._zone:
                repair = {"data.timezone": self._zone}
                code = _CLOCK_CODES[problem.code]
                return Finding("error", dataclasses.replace(problem, code=code, repairs=(repair,)), repair)
            problem = dataclasses.replace(problem, detail={**problem.detail, "clock_change": False})
        match problem.code:
            case "duplicate-timestamps":
                return self._separate_rows(problem)
            case "missing-steps" if problem.detail["calendar"]:
                return Finding("error", problem, problem.repairs[0])
            case "missing-steps" if self._data.duplicates == "sum" or (self._apart is None and self._are_events):
                return Finding("error", problem, {"data.gaps": "zero"})  # the sum of no rows
            case "missing-steps" | "missing-cell":
                return Finding("error", problem, self._gap_repair)
            case "not-a-number":
                return Finding("error", problem, _choose_text_repair(problem, self._table, self._data))
            case _:
                return _find_first_repair(problem)

    @functools.cached_property
    def _gap_repair(self) -> dict[str, str]:
        return choose_gap_repair(self._table, self._loaded)

    @functools.cached_property
    def _zone(self) -> str | None:
        """The first zone whose changes of the clock explain hours that are missing or repeated."""
        reading = build_data_request(self._loaded.config).reading
        written = TimeRules(date_order=reading.rules.date_order, time_format=reading.rules.time_format)
        try:  # the cells are parsed once for all zones
            rows = parse_rows(self._table, dataclasses.replace(reading, rules=written))
        except DataError:
            return None
        before = len(_find_problems(rows, reading))
        for zone in ZONES:
            rules = dataclasses.replace(reading.rules, timezone=zone)
            left = _find_problems(rows, dataclasses.replace(reading, rules=rules))
            # A row at an hour that the zone's clock skips shows that it is the wrong one.
            if len(left) < before and all(problem.code != "nonexistent-time" for problem in left):
                return zone
        return None

    def _separate_rows(self, problem: Problem) -> Finding:
        """Find the columns that separate rows of one timestamp; without them, their sum for events, else their mean."""
        if self._apart is None:
            if not self._are_events:
                return Finding("error", problem, {"data.duplicates": "mean"})
            repairs = ({"data.duplicates": "sum"}, {"data.duplicates": "mean"})
            return Finding("error", dataclasses.replace(problem, code="rows-are-events", repairs=repairs), repairs[0])
        repair, columns = self._apart
        code = "time-in-several-columns" if "data.time" in repair else "several-series"
        detail = {**problem.detail, "columns": list(map(repr, columns))}
        return Finding("error", dataclasses.replace(problem, code=code, detail=detail, repairs=(repair,)), repair)

    @functools.cached_property
    def _are_events(self) -> bool:
        """Whether rows are events, whose values add up."""
        return are_events(self._table, self._known) and not _AVERAGED.search(str(self._data.target))

    @functools.cached_property
    def _known(self) -> tuple[str, ...]:
        """The columns of time, then those of ids."""
        return (*self._times, *self._data.ids)

    @functools.cached_property
    def _times(self) -> tuple[str, ...]:
        return find_time_columns(self._table, build_data_request(self._loaded.config).reading)

    @functools.cached_property
    def _apart(self) -> tuple[dict[str, Any], Sequence[str]] | None:
        reading, times = build_data_request(self._loaded.config).reading, self._times
        others = {*reading.ids, *reading.columns, *reading.static, str(reading.target)}
        if (joined := find_clock(self._table, times, others)) != times:
            return {"data.time": list(joined)}, joined[1:]
        found = find_separating_columns(self._table, self._known, self._data.target)
        if found is None or not found.columns:
            return None
        ids = self._data.ids
        key, names = "data.series", ids
        if found.is_clock:
            key, names = "data.time", self._known[: len(self._known) - len(ids)]
        several = [*names, *found.columns]
        return {key: several[0] if len(several) == 1 else several}, found.columns


def _find_first_repair(problem: Problem) -> Finding:
    repair = problem.repairs[0] if problem.code in _AUTOMATIC and problem.repairs else {}
    return Finding("error", problem, repair)


def _choose_text_repair(problem: Problem, table: Table, data: Data) -> dict[str, Any]:
    """List marks that occur repeatedly, so that new kinds of text stay errors; others are read as missing."""
    if problem.column not in table.columns:
        return {"data.invalid_values": "missing"}
    cells = table.columns[problem.column]
    texts = cells[~is_missing(cells, data.na_values) & ~looks_numeric(cells)].str.strip().value_counts()
    if not 0 < len(texts) <= 3 or texts.min() < 2:
        return {"data.invalid_values": "missing"}
    return {"data.na_values": [*data.na_values, *texts.index]}


def repair_covariates(problems: Sequence[Problem], repaired: RepairResult) -> dict[str, Any]:
    """Replace missing cells by the last number before them, by no category; or leave them where most are missing."""
    named = {}
    for column in {problem.column for problem in problems if problem.code == "missing-covariate"}:
        cells = repaired.table.columns[column]
        given = cells[~is_missing(cells)]
        if not looks_numeric(given).all():
            named[column] = "none"
        elif 2 * len(given) > len(cells):
            named[column] = "last"
    repair = {"data.covariates.missing": repaired.loaded.config.data.covariates.missing | named}
    return repair if named and repaired.accepts(repair) else {}


def read_columns(table: Table, series: Series, data: Data, targets: set[str]) -> dict[str, np.ndarray]:
    """Read the columns of numbers, (rows,) each, of the rows of one series in order of time; no other target."""
    if data.layout != "columns":
        return {}
    mine = np.arange(len(table))
    if data.ids:
        ids = functools.reduce(lambda text, more: text + "/" + more, (table.columns[name] for name in data.ids))
        mine = np.flatnonzero(ids.to_numpy() == series.get_id(data.wide))
    time = series.time
    timestamps = parse_row_timestamps(table, time, series.frequency, series.rules)[mine]
    others = {*([time] if isinstance(time, str) else time or ()), *data.ids, *targets} - {series.target}
    order = mine[np.argsort(timestamps, kind="stable")]
    dialect = dataclasses.replace(series.dialect, unit=AUTO)
    numbers = {
        name: parse_numbers(cells.iloc[order], dialect, data.na_values).known
        for name, cells in table.columns.items()
        if name not in others
    }
    return {name: values for name, values in numbers.items() if name == series.target or np.isfinite(values).any()}
