"""What the plots of several verbs share: style, figures, axes, legends, intervals and the files."""

import io
import math
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.ticker import Formatter, Locator, MaxNLocator, MultipleLocator

from forecaster.forecast import Forecast, Timestamp
from forecaster.reporting.picture_style import get_style
from forecaster.wording import name_time

# Okabe & Ito (2008): distinguishable under every common form of colour blindness, and by lightness in print.
INK, GREY, BLUE, SKY = "#222222", "#8a8a8a", "#0072b2", "#56b4e9"
ORANGE, GREEN, PURPLE = "#d55e00", "#009e73", "#cc79a7"
# For ticks of years, months, days, hours, minutes and seconds: each tick names its own day, month or year.
_DATE_FORMATS: Any = {
    "formats": ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%-d %b", "%-d %b", "%H:%M", "%H:%M"],
    "show_offset": False,
}
MAX_SERIES = 4  # plotted in one figure, two per row
MAX_ROWS = 3  # axes below each other
_LEGEND: Any = {"handlelength": 1.8, "handletextpad": 0.6, "columnspacing": 1.4}
# Names of large units, from the factor up to which digits are read more easily than a name.
_UNITS = {1e12: "trillion", 1e9: "billion"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WIDTHS = {  # points
    "axes.linewidth": 0.8,
    "grid.linewidth": 0.8,
    **{f"{axis}tick.major.{name}": size for axis in "xy" for name, size in (("width", 0.8), ("size", 3.5))},
}
_SETTINGS: Any = {
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "font.family": "DejaVu Sans",
    "svg.hashsalt": "forecaster",  # the same picture is the same file
}

_DATE = re.compile(r"(?:\d{1,2} )?[A-Z][a-z]+ \d{4}(?: \d\d:\d\d)?")  # as `name_time` writes it


def apply_style(changes: Mapping[str, Any] | None = None) -> AbstractContextManager[None]:
    """Apply the style that is chosen, with changes of matplotlib's settings, to what is drawn in a context."""
    style = get_style()
    widths = {name: width * style.line_scale for name, width in _WIDTHS.items()}
    sizes = {"font.size": style.letters, "axes.titlesize": style.letters}
    settings: Any = {**_SETTINGS, **widths, **sizes, **(changes or {})}
    return matplotlib.rc_context(settings)


def _make_layout() -> ConstrainedLayoutEngine:
    """Make a layout with more room than the default between labels and the edge of the figure."""
    return ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)  # inches


def add_shared_legend(rows: Sequence[Axes]) -> None:
    """Add one legend above the first axes, with every label of all axes once."""
    labelled = _collect_labels(rows)
    rows[0].legend(
        list(labelled.values()), list(labelled), loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2,
        ncols=_count_columns(labelled), **_LEGEND,
    )  # fmt: skip


def add_row_legend(figure: Figure, axes: Axes) -> None:
    """Add the legend of one panel to the figure, below all panels."""
    labelled = _collect_labels([axes])
    columns = _count_columns(labelled)
    figure.legend(list(labelled.values()), list(labelled), loc="outside lower left", ncols=columns, **_LEGEND)


def _collect_labels(rows: Sequence[Axes]) -> dict[str, Any]:
    """Collect the labels of axes with their handles, each label once."""
    found = [axes.get_legend_handles_labels() for axes in rows]
    return {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}


def _count_columns(labels: Collection[str]) -> int:
    """Count the columns of a legend whose rows are as wide as the figure."""
    width = sum(len(label) + 7 for label in labels)  # in characters: a handle and its spaces are as wide as 7
    return math.ceil(len(labels) / math.ceil(width / get_style().legend_width))


def make_figure(title: str, rows: int = 1, columns: int = 1, count: int | None = None) -> tuple[Figure, list[Axes]]:
    """Make a figure with a title, and axes in rows and columns, in the order of reading.

    Args:
        title: one line, or two where it is long; left out where the style has none.
        rows, columns: of axes.
        count: of axes to keep, the first; all where None.
    """
    style = get_style()
    width, height = style.size
    figure = Figure(figsize=(width, max(height, style.row_height * rows)), dpi=style.dpi, layout=_make_layout())
    if style.title:
        text = _wrap_title(title, style.title_width)
        figure.suptitle(text, x=0.01, ha="left", fontsize=style.title, fontweight="bold")
    every = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in every[count or len(every) :]:
        spare.remove()
    return figure, every[:count]


def _wrap_title(title: str, width: int) -> str:
    """Wrap a title into lines of about the same length, at most `width` characters, without a break in a date."""
    joined = _DATE.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), title)
    count = len(textwrap.wrap(joined, width))
    narrow = next(each for each in range(max(1, width // 2), width + 1) if len(textwrap.wrap(joined, each)) <= count)
    return textwrap.fill(joined, narrow if count > 1 else width).replace("\N{NO-BREAK SPACE}", " ")


def make_panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    """Make a figure with up to two axes per row."""
    columns = min(count, 2)
    return make_figure(title, -(-count // columns), columns, count)


def count_shown(shown: int, every: int) -> str:
    """Write how many series a picture shows, to follow a title; empty where it shows all."""
    return "" if shown == every else f"; {shown} of {every:,} series shown"


def to_axis(index: pd.Index) -> np.ndarray:
    """Convert an index to what matplotlib plots: local timestamps without a time zone, or numbers."""
    return index.tz_localize(None).to_numpy() if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def draw_intervals(axes: Axes, x: np.ndarray, forecast: Forecast, start: float) -> None:
    """Draw the prediction intervals, the narrowest first and darkest; they open at the last value.

    Args:
        axes: to draw on.
        x: the origin and the forecast timestamps, (1 + horizon,).
        forecast: with quantiles, each (horizon,).
        start: the value at the origin; where it is NaN, the intervals begin at the first step.
    """
    lows = sorted((probability for probability in forecast.quantiles if probability < 0.5), reverse=True)
    for place, low in enumerate(lows):
        lower, upper = (np.append(start, forecast.quantiles[each]) for each in (low, round(1 - low, 10)))
        style = style_band(low, place, len(lows))
        if len(x) > 2 or np.isfinite(start):
            axes.fill_between(x, lower, upper, linewidth=0, **style)
        else:
            axes.vlines(x[1:], lower[1:], upper[1:], linewidth=9, **style)


def style_band(low: float, place: int, count: int) -> dict[str, Any]:
    """Return label, color and place of an interval, each lighter than the one inside it and behind it.

    Args:
        low: its lower quantile.
        place: counted from the narrowest, 0.
        count: of all intervals.
    """
    strength = 0.4 - 0.25 * (place / (count - 1) if count > 1 else 0.5)
    color = tuple(1 - strength * (1 - part) for part in to_rgb(BLUE))
    # Opaque, so that the legend shows the same color, and below the grid, which is at 0.5.
    return {"label": f"{100 * (1 - 2 * low):.6g} % interval", "color": color, "zorder": 0.4 - 0.1 * place / count}


class ValueFormatter(Formatter):
    """Formats the ticks of an axis alike and apart: `42,500`, `1.25 billion`, `1.0002×10¹⁵`."""

    def __call__(self, value: float, position: int | None = None) -> str:
        """Format one tick."""
        return self.format_ticks([value])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Format all ticks, with the decimals that the smallest distance between two of them needs."""
        largest = max(map(abs, values), default=0)
        factor, unit = _choose_unit(largest)
        distances = np.diff(np.unique(values))
        digits = _count_decimals((distances.min() if len(distances) else largest) / factor)
        texts = [f"{value / factor:,.{digits}f}".replace("-", "\N{MINUS SIGN}") for value in values]
        return [text if float(value) == 0 else f"{text}{unit}" for text, value in zip(texts, values, strict=True)]


def _choose_unit(largest: float) -> tuple[float, str]:
    """Choose what ticks up to `largest` are divided by, and what is written after them."""
    exponent = math.floor(math.log10(largest)) if largest > 0 else 0
    if -5 < exponent < 9:
        return 1.0, ""
    if exponent < 0 or exponent >= 15:
        return 10.0**exponent, f"×10{str(exponent).translate(_SUPERSCRIPTS)}"
    return next((factor, f" {name}") for factor, name in _UNITS.items() if largest >= factor)


def _count_decimals(distance: float) -> int:
    """Count the decimals that write a distance such as 0.25 to three digits, up to 12."""
    if distance <= 0:
        return 0
    exponent = math.floor(math.log10(distance))
    digits = f"{distance / 10.0**exponent:.2f}".rstrip("0").rstrip(".")
    return min(12, max(0, len(digits.partition(".")[2]) - exponent))


def format_number(value: float, position: int | None) -> str:
    """Format a tick label of a logarithmic axis: 42,500 rather than 42500; 0.25 stays."""
    text = f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}")


def format_time_axis(axes: Axes, first: Timestamp, last: Timestamp) -> None:
    """Label the x axis with dates, with the year where no tick names it and the time zone, or with step numbers."""
    if isinstance(first, pd.Timestamp):
        locator = AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, **_DATE_FORMATS))
        zone = "" if first.tz is None else f"{first.tz} time"
        axes.set_xlabel(", ".join(filter(None, [_name_span(first, last), zone])))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
        axes.set_xlabel("step")


def drop_repeated_labels(panels: Sequence[Axes], columns: int = 1) -> None:
    """Keep the labels of x axes in the last row only, where they are the same in every panel."""
    if len({axes.get_xlabel() for axes in panels}) == 1:
        for axes in panels[:-columns]:
            axes.set_xlabel("")


def _name_span(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """Name the part of the dates that no tick names: the day of hours, the year of days; empty for years."""
    span = last - first
    if span > pd.Timedelta(days=400):
        return ""
    ends = [name_time(end.normalize(), "D") if span < pd.Timedelta(days=1) else str(end.year) for end in (first, last)]
    return " to ".join(dict.fromkeys(ends))


_NATURAL_STEPS = {
    "hours": (1, 2, 3, 6, 12, 24, 48, 168),
    "days": (1, 2, 7, 14, 28, 56),
    "months": (1, 2, 3, 6, 12, 24),
    "quarters": (1, 2, 4, 8),
}


def make_step_locator(unit: str, span: float, ticks: int = 10) -> Locator:
    """Make a locator of a limited number of ticks, at parts and multiples of a day, a week or a year."""
    fitting = [steps for steps in _NATURAL_STEPS.get(unit, ()) if span / steps <= ticks]
    return MultipleLocator(fitting[0]) if fitting else MaxNLocator(nbins=ticks, integer=True, steps=[1, 2, 5, 10])


def add_legend(axes: Axes) -> None:
    """Add a legend above the axes, where it cannot cover a line."""
    add_shared_legend([axes])


@contextmanager
def _scale_lines(figure: Figure) -> Iterator[None]:
    """Draw lines and markers in the size of the style that is chosen."""
    factor = get_style().line_scale
    lines = [line for axes in figure.axes for line in axes.lines]
    lines += [each for legend in figure.findobj(Legend) for each in legend.get_lines()]
    sizes = [(line.get_linewidth(), line.get_markersize()) for line in lines]
    try:
        for line, (width, size) in zip(lines, sizes, strict=True):
            line.set(linewidth=factor * width, markersize=factor * size)
        yield
    finally:
        for line, (width, size) in zip(lines, sizes, strict=True):
            line.set(linewidth=width, markersize=size)


def render_figure(figure: Figure, suffix: str = ".png") -> bytes:
    """Render a figure as the bytes of a file with this suffix: `.png`, `.svg` or `.pdf`."""
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    file = io.BytesIO()
    with apply_style(), _scale_lines(figure):  # ticks are made while a figure is drawn
        figure.savefig(file, format=suffix[1:].lower(), metadata=undated.get(suffix.lower()))
    return file.getvalue()
