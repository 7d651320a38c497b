"""Where the rows of a CSV, or of several below each other, stand: what a message says of a line."""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SHOWN_PLACES = 5


@dataclass(frozen=True)
class Places:
    """The files, and which lines of all of them are whose.

    Attributes:
        path: what they are called together.
        files: each file, with the number of lines in those before it.
        header_line: the line of the header.
    """

    path: str
    files: tuple[tuple[int, str], ...]
    header_line: int = 1

    def where(self, line: int) -> str:
        """`file:line`, as an editor counts it."""
        before, name = self.files[bisect.bisect_left(self.files, int(line), key=lambda file: file[0]) - 1]
        return f"{name}:{line - before}"

    def spot(self, line: int) -> str:
        """`line 7`, or `file:7` where there are several files."""
        return f"line {line}" if len(self.files) == 1 else self.where(line)

    def cells(
        self, column: str, lines: np.ndarray, text: Callable[[int], str], wrong: np.ndarray, what: str, mend: str
    ) -> str:
        """`file:line: column: 3 cells are not a number: 'x' (line 7), ...`, with the first few places.

        Args:
            column: its name.
            lines: of each row.
            text: the cell of a row.
            wrong: the numbers of the rows that it is said of, one at least.
            what: is wrong with them.
            mend: what to do about it.
        """
        shown = [f"{text(row)!r} ({self.spot(lines[row])})" for row in wrong[:SHOWN_PLACES].tolist()]
        more = ", ..." if len(wrong) > SHOWN_PLACES else ""
        count = "1 cell is" if len(wrong) == 1 else f"{len(wrong)} cells are"
        return f"{self.where(lines[wrong[0]])}: {column}: {count} {what}: {', '.join(shown)}{more}; {mend}"


def listed(things: Sequence[object] | pd.Index) -> str:
    """The first few of them."""
    shown = [str(thing) for thing in list(things[:SHOWN_PLACES])]
    return ", ".join(shown) + (", ..." if len(things) > SHOWN_PLACES else "")
