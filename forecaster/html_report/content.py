"""What a report consists of: sections of charts, tables, facts, sentences and code, without any HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Color = Literal["ink", "blue", "sky", "orange", "green", "purple", "grey"]
Cell = str | float | int | None


@dataclass(frozen=True)
class Line:
    """A line of a chart: its label, its color, and its pattern from 0 (solid) to 3, which distinguishes it in print."""

    label: str
    color: Color
    dash: int = 0


@dataclass(frozen=True, eq=False)
class Panel:
    """The values of a chart for one series.

    Attributes:
        name: of the series, by which a reader selects it.
        times: texts of the places on the x axis, (points,): dates, or numbers.
        lines: the values of each line of the chart, each (points,); NaN where there is none.
        bands: lower and upper bounds of each band of the chart, each (points,).
        places: of the points on the x axis, rising, (points,); their numbers where None.
        origin: the number of the point that is the last one known to the forecast; None where there is none.
    """

    name: str
    times: Sequence[str]
    lines: Sequence[np.ndarray]
    bands: Sequence[tuple[np.ndarray, np.ndarray]] = ()
    places: np.ndarray | None = None
    origin: int | None = None


@dataclass(frozen=True)
class Chart:
    """A chart of one or several panels, of which one is shown at a time.

    Attributes:
        name: unique in the report.
        title: one sentence on what it shows.
        lines: in the order of the values of panels.
        bands: labels of the bands, the widest first.
        panels: the first one is shown at first.
        unit: label of the x axis.
        is_from_zero: whether the y axis begins at 0.
        note: what a reader has to know.
        shown: the newest points that are shown at first; 0 for all.
        total: series, where they are more than panels; the page counts those that it holds.
    """

    name: str
    title: str
    lines: Sequence[Line]
    panels: Sequence[Panel]
    bands: Sequence[str] = ()
    unit: str = ""
    is_from_zero: bool = False
    note: str = ""
    shown: int = 0
    total: int = 0


@dataclass(frozen=True)
class Table:
    """A table, whose rows a reader sorts and, where they are many, searches.

    Attributes:
        columns: their names; the first one is that of the row.
        rows: texts and numbers; None is not known.
        note: below it.
        selects: the name of the chart whose panels the first column names.
        follows: the name of the chart whose forecast it lists, that of the panel which is shown.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    selects: str = ""
    follows: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Sentences:
    """Sentences, each a line; warnings are marked."""

    texts: Sequence[str]
    are_warnings: bool = False


@dataclass(frozen=True)
class Code:
    """Text to copy, such as a command; folded away under a summary where there is one."""

    text: str
    summary: str = ""


Block = Chart | Table | Facts | Sentences | Code


@dataclass(frozen=True)
class Section:
    """A section of a report."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Tile:
    """A number at the top of a report, with what it is and a comparison."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        title: what it is on.
        subtitle: which data and when.
        headline: what the forecast is worth next to the last value or season, in one sentence.
        verdict: what follows.
        tiles: the numbers at the top.
        sections: without those that have nothing to show.
    """

    title: str
    subtitle: str
    headline: str
    verdict: Sequence[str]
    tiles: Sequence[Tile]
    sections: Sequence[Section] = field(default_factory=list)
