"""Rows laid on a regular grid, all series at once: the second half of reading."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forecaster.data.assembly.rows import Rows, report_similar_names
from forecaster.data.assembly.sort_rows import sort_rows
from forecaster.data.options import AUTO, Late, Reading
from forecaster.data.panel import Columns, Panel
from forecaster.data.series import Column
from forecaster.errors import DataError
from forecaster.forecast import Timestamp
from forecaster.problems import Problem
from forecaster.time.closures import find_closure
from forecaster.time.frequency import (
    Irregular,
    check_frequency,
    check_grid,
    count_places,
    find_places,
    is_gapless,
    make_grid,
)
from forecaster.time.gaps import GAP_REPAIRS, fill_gaps, find_longest_gap
from forecaster.time.grid import find_part
from forecaster.time.infer_frequency import infer_frequency
from forecaster.time.resolve_frequency import Step, count_unfinished, find_common_frequency, find_frequency
from forecaster.time.rules import SESSIONS
from forecaster.time.seasons import find_natural_season, find_seasons
from forecaster.time.timezones import is_clock_change
from forecaster.wording import KEPT, format_timestamp, format_timestamps

_COARSE = 1.5  # steps of the grid for each row from which the rows may be of a longer step
_SPARSEST = 20  # steps of the grid for each row, at most


def build_panel(rows: Rows, reading: Reading, step: Step | None = None, whole: bool = True) -> Panel:
    """Lay rows out on a regular grid, by a known step or by the one that they have.

    Args:
        rows: of some series.
        reading: the policies.
        step: the step, where it is known.
        whole: whether these are all series, so that the newest row of any of them shows which steps of others are late.

    Raises:
        DataError: what is wrong with cells, rows and steps; all of it.
    """
    problems = rows.list_problems()
    good = np.array([number not in rows.issues.problems for number in range(len(rows.names))], bool)
    kept = rows.select_series(good) if problems else rows.drop_empty()
    if rows.issues.stop or not kept.names:
        raise DataError(problems)
    layout = _Layout(kept, replace(reading, rules=rows.rules), whole)
    try:
        panel = layout.build_panel(step)
    except DataError as error:
        raise DataError([*problems, *layout.problems, *error.problems]) from None
    if problems or layout.problems:
        raise DataError([*problems, *layout.problems])
    return panel


class _Layout:
    """The way of rows into a panel; every array over series is (series,), over rows (rows,), over steps (steps,)."""

    def __init__(self, rows: Rows, reading: Reading, whole: bool) -> None:
        found = sort_rows(rows, reading.duplicates)
        self._rows, self._ends, self._reading, self._path = found.rows, found.ends, reading, rows.places.path
        self._starts = np.concatenate([[0], found.ends[:-1]])
        self._whole = whole
        self._wrong, self._notices = found.issues.problems, found.issues.notices

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, in the order of the series."""
        return self._rows.list_problems(self._wrong)

    def build_panel(self, known: Step | None) -> Panel:
        """Build the panel by a step that is known or found; raise `DataError` where the series have no common one."""
        self._step = step = known or self._find_step()
        self._notices[0] += [notice.add_place(self._path) for notice in step.notices]
        if self._is_laid():
            self._first, self._last = self._starts, self._ends - 1
            return self._assemble(self._rows.values, None, self._ends)
        self._places = find_places(self._rows.timestamps, self._ends, step.grid)
        values = self._drop_unfinished()
        given = np.flatnonzero(~np.isnan(values))
        self._find_extents(given)
        lengths = self._count_steps()
        late = self._add_late_steps(lengths)
        ends = np.cumsum(lengths)
        if int(ends[-1]) == len(given):
            steps = values if len(given) == len(values) else values[given]
        else:
            laid, places = self._find_steps(given, lengths)
            steps = np.full(int(ends[-1]), np.nan)
            steps[places] = values[laid]
        if late is not None and late.policy == "move_back":
            steps, ends = self._move_back(steps, ends, late.steps)
        return self._assemble(*self._fill(steps, ends), ends)

    def _is_laid(self) -> bool:
        """Whether the rows fill the grid and none is to be reported: the usual case, and fast."""
        asked = self._step.rules.drop_incomplete or self._rows.columns or self._wrong or self._reading.late
        if asked or np.isnan(self._rows.values).any():
            return False
        return is_gapless(self._rows.timestamps, self._ends, self._step.grid)

    def _find_step(self) -> Step:
        """Find the step of all series; raise `DataError` where there is none."""
        timestamps, reading = self._rows.timestamps, self._reading
        asked = reading.frequency, reading.gaps, reading.rules
        try:
            several = self._rows.names, timestamps, self._ends
            step = find_common_frequency(*several, *asked) if self._rows.long else find_frequency(timestamps, *asked)
            check_frequency(step.frequency, timestamps)
        except DataError as error:
            raise DataError(self._add_place(error, slice(None))) from None
        return step

    def _add_place(self, error: DataError, part: slice) -> list[Problem]:
        """Add the place of the row that causes them to problems of the timestamps of some rows."""
        place = self._path
        if isinstance(error, Irregular) and error.stray is not None:
            row = np.flatnonzero(self._rows.timestamps[part] == error.stray)[0]
            place = self._rows.places.locate(self._rows.lines[part][row])
        return [problem.add_place(place) for problem in error.problems]

    def _get_timestamps(self, number: int) -> pd.Index:
        return self._rows.timestamps[find_part(self._ends, number)]

    def _drop_unfinished(self) -> np.ndarray:
        """Set the values of bars that are not complete yet to NaN, with a notice."""
        values = self._rows.values
        if not self._step.rules.drop_incomplete:
            return values
        values = values.copy()
        for number in range(len(self._ends)):
            part = find_part(self._ends, number)
            given = np.flatnonzero(~np.isnan(values[part]))
            known = self._get_timestamps(number)[: given[-1] + 1 if len(given) else 0]
            if len(known) and (dropped := count_unfinished(known, self._step)):
                values[part][len(known) - dropped : len(known)] = np.nan
                detail = {"timestamps": format_timestamps(known[-dropped:])}
                self._notices[number].append(Problem("unfinished-bar", self._path, detail=detail))
        return values

    def _find_extents(self, known: np.ndarray) -> None:
        """Find the first and the last row of each series that has a number, and count those that have."""
        first = np.searchsorted(known, self._starts)
        last = np.searchsorted(known, self._ends)
        self._counts = last - first
        known = known if len(known) else np.zeros(1, int)
        self._first, self._last = known[np.minimum(first, len(known) - 1)], known[np.maximum(last - 1, 0)]

    def _count_steps(self) -> np.ndarray:
        """Count the steps of each series from its first number to its last; 0, with a problem, off the grid."""
        lengths = self._places[self._last] - self._places[self._first] + 1
        further = self._places[self._ends - 1] - self._places[self._first] + 1 if self._rows.columns else lengths
        off = np.logical_or.reduceat(self._places < 0, self._starts)
        sparse = (lengths > _SPARSEST * self._counts) | (further > _SPARSEST * (self._ends - self._starts))
        spans = self._places[self._ends - 1] - self._places[self._starts] + 1
        for number in np.flatnonzero(~off & (spans > _COARSE * (self._ends - self._starts))).tolist():
            if problem := self._find_coarser_step(number):
                self._wrong[number].append(problem)
                lengths[number], sparse[number] = 0, False
        for number in np.flatnonzero(off | sparse | (self._counts == 0)).tolist():
            self._wrong[number] += self._explain_failure(number, bool(off[number]), int(lengths[number]))
            lengths[number] = 0
        return lengths

    def _add_late_steps(self, lengths: np.ndarray) -> Late | None:
        """Add the steps from the last number of each series to the newest row to `lengths`, if they are to be filled.

        More steps than may be late are left out, as without the policy.
        """
        late = self._reading.late
        if late is None:
            return None
        behind = self._count_steps_behind(late.steps)
        for number in np.flatnonzero((behind > 0) & (behind <= late.steps) & (lengths > 0)).tolist():
            if late.policy == "move_back":
                self._report_late(number, int(behind[number]), self._rows.timestamps[self._last[number]])
                continue
            lengths[number] += behind[number]
            if self._step.frequency == SESSIONS:
                self._last[number] += behind[number]
        return late

    def _count_steps_behind(self, most: int) -> np.ndarray:
        """Count the steps from the last number of each series to the newest row, (series,).

        That is the newest row of all series where it is at most `most` steps away, else that of the series itself. Rows
        behind the last number hold the future of covariates where there are any, and then do not count. The days of
        `sessions` are known of the rows of a series alone.
        """
        own = self._places[self._ends - 1] - self._places[self._last]
        if self._rows.columns:
            own = np.zeros_like(own)
        if self._step.frequency == SESSIONS or not self._whole:
            return own
        stamps = self._rows.timestamps[self._last]
        newest = (stamps if self._rows.columns else self._rows.timestamps).max()
        counts = {stamp: count_places(pd.Index([stamp, newest]), self._step.grid) - 1 for stamp in stamps.unique()}
        behind = np.array([counts[stamp] for stamp in stamps])
        return np.where(behind <= most, behind, own)

    def _move_back(self, steps: np.ndarray, ends: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        """End each series before the first missing one of its last steps; give the steps and where each then ends."""
        missing, kept = np.flatnonzero(np.isnan(steps)), np.ones(len(steps), bool)
        for number in np.unique(np.searchsorted(ends, missing, side="right")).tolist():
            part = find_part(ends, number)
            begin = max(part.start, part.stop - most)
            if len(late := np.flatnonzero(np.isnan(steps[begin : part.stop]))):
                first = begin + int(late[0])
                kept[first : part.stop] = False
                origin = self._make_timestamps(number, first - part.start)[-1]
                self._report_late(number, part.stop - first, origin)
                if self._step.frequency == SESSIONS:
                    self._last[number] -= part.stop - first
        return steps[kept], np.cumsum(kept)[ends - 1]

    def _report_late(self, number: int, missing: int, origin: Timestamp) -> None:
        """Note that a series ends before its newest rows."""
        detail = {"missing": missing, "origin": format_timestamp(origin), "frequency": self._step.frequency}
        self._notices[number].append(Problem("origin-moved-back", self._path, detail=detail))

    def _find_coarser_step(self, number: int) -> Problem | None:
        """Report rows that are all of a longer step than the one stated, as of a file that was resampled.

        Where a step without a row counts as zero, such rows may be sales of one weekday.
        """
        timestamps, reading = self._get_timestamps(number), self._reading
        is_open = reading.allows_longer_step or reading.frequency in {AUTO, SESSIONS} or reading.gaps == "zero"
        if is_open or len(timestamps) < 3:
            return None
        try:
            found = infer_frequency(timestamps)
        except DataError:
            return None
        if found == self._step.frequency or count_places(timestamps, found) > len(timestamps):
            return None
        detail = {"found": found, "frequency": self._step.frequency}
        return Problem("coarser-rows", self._path, detail=detail, repairs=({"data.frequency": found},))

    def _explain_failure(self, number: int, off: bool, length: int) -> Sequence[Problem]:
        """Find why a series cannot be laid out."""
        if off:
            try:
                check_grid(self._step.frequency, self._get_timestamps(number), self._step.rules)
            except DataError as error:
                return self._add_place(error, find_part(self._ends, number))
        if not self._counts[number]:
            return [Problem("no-number-in-target", self._path)]
        detail = {"rows": int(self._counts[number]), "steps": length, "frequency": self._step.frequency}
        return [Problem("sparse-series", self._path, detail=detail)]

    def _find_steps(self, rows: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find which of some rows are of series that have steps, and the step of each among those of all series."""
        rows = rows[lengths[self._rows.codes[rows]] > 0]
        begins = np.cumsum(lengths) - lengths - self._places[self._first]
        return rows, begins[self._rows.codes[rows]] + self._places[rows]

    def _fill(self, steps: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Fill the gaps of the values; and give which of them were observed, None where all were.

        A gap filled with zeros counts as observed: a file that leaves a row out states that nothing happened.
        """
        missing = np.flatnonzero(np.isnan(steps))
        if not len(missing):
            return steps, None
        observed, policy, late = ~np.isnan(steps), self._reading.gaps, self._reading.late
        given = np.ones(len(steps), bool) if policy == "zero" else observed
        for number in np.unique(np.searchsorted(ends, missing, side="right")).tolist():
            part = find_part(ends, number)
            if late is not None and late.policy == "fill":
                given[part][self._fill_late(number, steps[part], late.steps)] = False
            if np.isnan(steps[part]).any() and self._report_gaps(number, steps[part]) and policy != "error":
                steps[part] = self._fill_series(number, steps[part], policy)
        return steps, None if given.all() else given

    def _fill_late(self, number: int, values: np.ndarray, most: int) -> np.ndarray:
        """Fill, in place, those of the last `most` values of a series that are missing, and find their places."""
        policy = "previous" if self._reading.gaps == "error" else self._reading.gaps
        places = np.arange(max(0, len(values) - most), len(values))
        late = places[np.isnan(values[places])]
        if len(late):
            values[late] = self._fill_series(number, values, policy)[late]
            timestamps = format_timestamps(self._make_timestamps(number, len(values))[late[:KEPT]])
            detail = {"missing": len(late), "timestamps": timestamps, "policy": policy}
            detail |= {"frequency": self._step.frequency}
            self._notices[number].append(Problem("late-steps-filled", self._path, detail=detail))
        return late

    def _make_timestamps(self, number: int, steps: int) -> pd.Index:
        """Make the timestamps of the steps of one series, from its first number on."""
        first = int(self._first[number])
        if self._step.frequency == SESSIONS:
            return self._rows.timestamps[first : first + steps]
        return make_grid(self._rows.timestamps[first], steps, self._step.grid)

    def _report_gaps(self, number: int, values: np.ndarray) -> bool:
        """Report the missing steps of a series; whether they may be filled."""
        policy = self._reading.gaps
        gaps = np.flatnonzero(np.isnan(values))
        timestamps = self._make_timestamps(number, len(values))
        missing = timestamps[gaps]
        where = self._find_line(number, int(gaps[0]))
        detail = {
            "missing": len(gaps),
            "frequency": self._step.frequency,
            "timestamps": format_timestamps(missing[:KEPT]),
        }
        if policy == "error":
            closure = find_closure(timestamps, np.isnan(values))
            holidays = self._step.frequency == "B" and closure is None
            detail |= {"clock_change": is_clock_change(missing), "weekdays": holidays}
            detail |= {"closed": closure.name if closure else "", "calendar": bool(closure and closure.repair)}
            repairs = (closure.repair, *GAP_REPAIRS) if closure and closure.repair else GAP_REPAIRS
            self._wrong[number].append(Problem("missing-steps", where, detail=detail, repairs=repairs))
        elif problem := self._report_long_gap(number, values):
            self._wrong[number].append(problem)
        elif policy == "mask":
            self._notices[number].append(Problem("steps-masked", where, detail=detail))
        else:
            self._notices[number].append(Problem("steps-filled", where, detail=detail | {"policy": policy}))
        return number not in self._wrong

    def _find_line(self, number: int, gap: int) -> str:
        """Find the line of the row after a missing step, or of the row itself where it has an empty cell."""
        part = find_part(self._ends, number)
        place = self._places[self._first[number]] + gap
        after = int(np.searchsorted(self._places[part], place, side="right"))
        return self._rows.places.locate(self._rows.lines[part][min(after, part.stop - part.start - 1)])

    def _report_long_gap(self, number: int, values: np.ndarray) -> Problem | None:
        """Report a run of missing steps that is longer than the rules allow."""
        gap, most = find_longest_gap(values), self._step.rules.max_gap
        if most is None or gap.length <= most:
            return None
        timestamps = self._make_timestamps(number, len(values))
        first, last = format_timestamps(timestamps[[gap.first, gap.first + gap.length - 1]])
        detail = {"missing": gap.length, "frequency": self._step.frequency, "limit": most}
        detail |= {"first": first, "last": last}
        where, repairs = self._find_line(number, gap.first), ({"data.max_gap": gap.length},)
        return Problem("gap-too-long", where, detail=detail, repairs=repairs)

    def _fill_series(self, number: int, values: np.ndarray, policy: str) -> np.ndarray:
        season = 1
        if policy == "seasonal":
            stated, steps = self._step.rules.season, len(values)
            season = stated or find_natural_season(
                self._step.frequency, self._step.rules, steps, lambda: self._make_timestamps(number, steps)
            )
            if season == 1 and (season := next(iter(find_seasons(values)), 1)) == 1:
                self._wrong[number].append(Problem("no-season-for-gaps", self._path))
                return values
        return fill_gaps(values, policy, season)

    def _assemble(self, steps: np.ndarray, observed: np.ndarray | None, ends: np.ndarray) -> Panel:
        rows, issues = self._rows, self._rows.issues
        for number, notices in issues.notices.items():
            self._notices[number] += notices
        self._notices[0][:0] = rows.notices
        if self._whole and len(rows.names) > 1:
            self._notices[0] += report_similar_names(self._path, rows.names)
        inner = None
        if self._step.frequency == SESSIONS:
            inside = np.zeros(len(rows) + 1, int)
            np.add.at(inside, self._first, 1)
            np.add.at(inside, self._last + 1, -1)
            inner = rows.timestamps[np.cumsum(inside)[:-1] > 0]
        return Panel(
            rows.names,
            rows.targets,
            rows.times[0] if len(rows.times) == 1 else rows.times or None,
            self._step.frequency,
            rows.timestamps[self._first],
            ends,
            steps,
            self._step.rules,
            inner,
            observed,
            self._reading.static,
            rows.categories,
            self._lay_out_covariates(ends),
            {number: tuple(notices) for number, notices in self._notices.items() if notices},
            rows.dialect,
            rows.ids,
        )

    def _lay_out_covariates(self, ends: np.ndarray) -> Columns:
        """Put the covariates on the grid of each series, from its first number to its last row."""
        if not self._rows.columns:
            return Columns()
        begins = self._places[self._first]
        observed = np.diff(ends, prepend=0)
        lengths = np.where(observed > 0, np.maximum(observed, self._places[self._ends - 1] - begins + 1), 0)
        inside, steps = self._find_steps(np.flatnonzero(self._places >= begins[self._rows.codes]), lengths)
        columns = {}
        for name, column in self._rows.columns.items():
            laid = np.full(int(lengths.sum()), np.nan if column.levels is None else -1, column.values.dtype)
            laid[steps] = column.values[inside]
            columns[name] = Column(laid, column.levels)
        return Columns(columns, np.cumsum(lengths))
