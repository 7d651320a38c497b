"""What is said of series while they are read, and of which of them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecaster.data.places import Places, WrongCells

FILE = -1  # the number under which is said what concerns no series alone


@dataclass
class Told:
    """What is said of each series, by its number: what is wrong with it, and what was made of its cells.

    Attributes:
        stop: whether timestamps are so wrong that nothing more can be told of any series.
    """

    problems: dict[int, list[str | WrongCells]] = field(default_factory=lambda: defaultdict(list))
    notices: dict[int, list[str | WrongCells]] = field(default_factory=lambda: defaultdict(list))
    stop: bool = False

    def add(self, later: "Told", numbers: Sequence[int]) -> None:
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
class Saying:
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
