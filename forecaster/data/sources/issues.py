"""Problems of cells: where the rows of one or several files are, and what is wrong with them, by series."""

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecaster.problems import Cells, Problem
from forecaster.wording import SHOWN


@dataclass(frozen=True)
class Places:
    """The files that rows come from, called `path` together, and the lines of each.

    Attributes:
        files: each file, with the number of lines in those before it.
        header_line: the line of the header, 0 where there is none.
        counts_rows: whether the lines are numbers of rows, from 1, of a source that has no lines; its header is 0.
    """

    path: str
    files: tuple[tuple[int, str], ...]
    header_line: int = 1
    counts_rows: bool = False

    def locate(self, line: int) -> str:
        """Write `file:line`, as an editor counts it, or `file: row 7`."""
        before, name = self.files[max(0, bisect.bisect_left(self.files, int(line), key=lambda file: file[0]) - 1)]
        if not line:
            return name
        return f"{name}: row {line - before}" if self.counts_rows else f"{name}:{line - before}"

    def name_line(self, line: int) -> str:
        """Write `line 7` or `row 7`, with its file where there are several."""
        if len(self.files) > 1:
            return self.locate(line)
        return f"row {line}" if self.counts_rows else f"line {line}"


def report_columns(where: str, first: str, names: Sequence[str], expected: Sequence[str]) -> Problem:
    """Report a file whose columns are not those of the first."""
    return Problem("different-columns", where, detail={"first": first, "columns": [*names], "expected": [*expected]})


FILE = -1  # the number of problems that concern no single series


@dataclass
class IssueLog:
    """Problems and notices of each series, by its number.

    No other problem of a series can be found where timestamps are so wrong that reading has to `stop`.
    """

    problems: dict[int, list[Problem]] = field(default_factory=lambda: defaultdict(list))
    notices: dict[int, list[Problem]] = field(default_factory=lambda: defaultdict(list))
    stop: bool = False

    def select(self, numbers: Sequence[int]) -> "IssueLog":
        """Select those of some series, which are numbered anew."""
        chosen = IssueLog(stop=self.stop)
        for ours, theirs in ((chosen.problems, self.problems), (chosen.notices, self.notices)):
            ours |= {new: theirs[old] for new, old in enumerate(numbers) if old in theirs}
        return chosen

    def add(self, later: "IssueLog", numbers: Sequence[int]) -> None:
        """Take over the problems of later rows, whose series have other numbers here."""
        self.stop |= later.stop
        for mine, theirs in ((self.problems, later.problems), (self.notices, later.notices)):
            for number, problems in theirs.items():
                merge_problems(mine[number if number == FILE else numbers[number]], problems)


def merge_problems(known: list[Problem], later: Sequence[Problem]) -> None:
    """Add problems to a list; those that differ from a known one in their cells alone are merged with it."""
    kinds = {problem.kind: place for place, problem in enumerate(known) if problem.cells is not None}
    for problem in later:
        if problem.cells is not None and problem.kind in kinds:
            place = kinds[problem.kind]
            known[place] = known[place].merge(problem)
        else:
            known.append(problem)


@dataclass(frozen=True)
class CellReporter:
    """Reports cells series by series, by the line, the text and the number of the series of each row.

    Attributes:
        columns: the name of each series' column; that of the first counts for those behind the last.
    """

    places: Places
    columns: Sequence[str]
    lines: np.ndarray
    text: Callable[[int], str]
    codes: np.ndarray

    def report(
        self,
        code: str,
        wrong: np.ndarray,
        into: dict[int, list[Problem]],
        detail: Mapping[str, Any] | None = None,
        repairs: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        """Add a problem for each series that has some of the rows, (rows,) bool."""
        for number, rows in group_by_series(wrong, self.codes):
            column, lines = self.columns[number % len(self.columns)], self.lines[rows]
            shown = zip(rows[:SHOWN].tolist(), lines, strict=False)
            cells = Cells(len(rows), tuple((self.text(row), self.places.name_line(line)) for row, line in shown))
            into[number].append(Problem(code, self.places.locate(lines[0]), column, cells, detail or {}, repairs))


def group_by_series(wrong: np.ndarray, codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Group some rows, bool or numbers, (rows,), by series: the number of each, and its rows."""
    chosen = np.flatnonzero(wrong) if wrong.dtype == bool else wrong
    if not len(chosen):
        return
    order = np.argsort(codes[chosen], kind="stable")
    numbers, first = np.unique(codes[chosen][order], return_index=True)
    yield from zip(numbers.tolist(), np.split(chosen[order], first[1:]), strict=True)
