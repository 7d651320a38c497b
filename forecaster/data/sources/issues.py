"""Where the rows of a file, or of several below each other, stand: what a message says of a line."""

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

SHOWN_PLACES = 5


@dataclass(frozen=True)
class Places:
    """The files, and which lines of all of them are whose.

    Attributes:
        path: what they are called together.
        files: each file, with the number of lines in those before it.
        header_line: the line of the header, 0 where there is none.
        counts_rows: whether the lines are numbers of rows, from 1, of a source that has no lines; its header is 0.
    """

    path: str
    files: tuple[tuple[int, str], ...]
    header_line: int = 1
    counts_rows: bool = False

    def where(self, line: int) -> str:
        """`file:line`, as an editor counts it, or `file: row 7`."""
        before, name = self.files[max(0, bisect.bisect_left(self.files, int(line), key=lambda file: file[0]) - 1)]
        if not line:
            return name
        return f"{name}: row {line - before}" if self.counts_rows else f"{name}:{line - before}"

    def spot(self, line: int) -> str:
        """`line 7` or `row 7`, with its file where there are several."""
        if len(self.files) > 1:
            return self.where(line)
        return f"row {line}" if self.counts_rows else f"line {line}"

    def cells(
        self, column: str, lines: np.ndarray, text: Callable[[int], str], wrong: np.ndarray, what: str, mend: str
    ) -> "WrongCells":
        """What is said of some cells of a column.

        Args:
            column: its name.
            lines: of each row.
            text: the cell of a row.
            wrong: the numbers of the rows that it is said of, one at least.
            what: is wrong with them.
            mend: what to do about it.
        """
        shown = tuple(f"{text(row)!r} ({self.spot(lines[row])})" for row in wrong[:SHOWN_PLACES].tolist())
        return WrongCells(self.where(lines[wrong[0]]), column, len(wrong), what, shown, mend)


@dataclass(frozen=True)
class WrongCells:
    """`file:line: column: 3 cells are not a number: 'x' (line 7), ...; mend`, with the first few places."""

    where: str
    column: str
    count: int
    what: str
    shown: tuple[str, ...]
    mend: str

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.shown) else ""
        found = f"{self.where}: {self.column}: {counted_cells(self.count)} {self.what}"
        return f"{found}: {', '.join(self.shown)}{more}; {self.mend}"

    def joined(self, later: "WrongCells") -> "WrongCells":
        """The same said of cells further on, too."""
        shown = (*self.shown, *later.shown)[:SHOWN_PLACES]
        return replace(self, count=self.count + later.count, shown=shown)

    @property
    def kind(self) -> tuple[str, str, str]:
        """What is alike where the same is said of other cells."""
        return self.column, self.what, self.mend


def counted_cells(count: int) -> str:
    """`1 cell is` or `7 cells are`."""
    return "1 cell is" if count == 1 else f"{count} cells are"


def listed(things: Sequence[object] | pd.Index) -> str:
    """The first few of them."""
    shown = [str(thing) for thing in list(things[:SHOWN_PLACES])]
    return ", ".join(shown) + (", ..." if len(things) > SHOWN_PLACES else "")


FILE = -1  # the number under which is said what concerns no series alone


@dataclass
class IssueLog:
    """What is said of each series, by its number: what is wrong with it, and what was made of its cells.

    Attributes:
        stop: whether timestamps are so wrong that nothing more can be told of any series.
    """

    problems: dict[int, list[str | WrongCells]] = field(default_factory=lambda: defaultdict(list))
    notices: dict[int, list[str | WrongCells]] = field(default_factory=lambda: defaultdict(list))
    stop: bool = False

    def add(self, later: "IssueLog", numbers: Sequence[int]) -> None:
        """Take over what is said of rows further on, whose series have other numbers here."""
        self.stop |= later.stop
        for mine, theirs in ((self.problems, later.problems), (self.notices, later.notices)):
            for number, said in theirs.items():
                _join(mine[number if number == FILE else numbers[number]], said)


def _join(mine: list[str | WrongCells], later: list[str | WrongCells]) -> None:
    """Add what is said to what was said, the same said of other cells in one sentence."""
    kinds = {each.kind: place for place, each in enumerate(mine) if isinstance(each, WrongCells)}
    for each in later:
        if isinstance(each, WrongCells) and each.kind in kinds:
            first = mine[kinds[each.kind]]
            assert isinstance(first, WrongCells)
            mine[kinds[each.kind]] = first.joined(each)
        else:
            mine.append(each)


@dataclass(frozen=True)
class CellReporter:
    """What it takes to say something of cells, series by series.

    Attributes:
        places: what messages say of lines.
        columns: what the column of each series is called; that of the first stands for those behind the last.
        lines: of each row.
        text: the cell of a row.
        codes: the number of each row's series.
    """

    places: Places
    columns: Sequence[str]
    lines: np.ndarray
    text: Callable[[int], str]
    codes: np.ndarray

    def of(self, wrong: np.ndarray, what: str, mend: str, into: dict[int, list[str | WrongCells]]) -> None:
        """Say it of some rows, (rows,) bool."""
        for number, rows in by_series(wrong, self.codes):
            column = self.columns[number % len(self.columns)]
            into[number].append(self.places.cells(column, self.lines, self.text, rows, what, mend))


def by_series(wrong: np.ndarray, codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each series of some rows with their numbers: (rows,) bool or numbers, (all rows,)."""
    chosen = np.flatnonzero(wrong) if wrong.dtype == bool else wrong
    if not len(chosen):
        return
    order = np.argsort(codes[chosen], kind="stable")
    numbers, first = np.unique(codes[chosen][order], return_index=True)
    yield from zip(numbers.tolist(), np.split(chosen[order], first[1:]), strict=True)
