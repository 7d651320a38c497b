"""What the plots of several verbs share: style, figures, axes, legends, intervals and the PNG."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import Locator, MaxNLocator, MultipleLocator

from forecaster.forecast import Forecast

# Okabe & Ito (2008): distinguishable under every common form of colour blindness, and by lightness in print.
INK, GREY, BLUE, ORANGE, GREEN = "#222222", "#8a8a8a", "#0072b2", "#d55e00", "#009e73"
# For ticks of years, months, days, hours, minutes and seconds: each tick names its own day, month or year.
_DATE_FORMATS: Any = {
    "formats": ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%-d %b", "%-d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "", "%Y", "%Y", "%-d %b %Y", "%-d %b %Y %H:%M"],
}
MAX_SERIES = 6  # plotted in one figure
_LEGEND_WIDTH = 100  # characters in a row of a legend
STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "font.family": "DejaVu Sans",
}


def _make_layout() -> ConstrainedLayoutEngine:
    """Make a layout with more room than the default between labels and the edge of the figure."""
    return ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)  # inches


def add_shared_legend(rows: Sequence[Axes]) -> None:
    """Add one legend above the first axes, with every label of all axes once."""
    found = [axes.get_legend_handles_labels() for axes in rows]
    labelled = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
    width = sum(len(label) + 8 for label in labelled)  # in characters: a handle and its spaces are as wide as 8
    columns = math.ceil(len(labelled) / math.ceil(width / _LEGEND_WIDTH))
    rows[0].legend(
        list(labelled.values()), list(labelled), loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns,
        borderaxespad=0.2, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip


def make_panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    """Make a figure with two axes per row that share their y axis, with room for a legend below the title."""
    columns, rows = min(count, 2), -(-count // 2)
    figure = Figure(figsize=(9, 1.6 + 2.8 * rows), dpi=110, layout=_make_layout())
    figure.suptitle(f"{title}\n\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for spare in panels[count:]:
        spare.remove()
    return figure, panels[:count]


def add_row_legend(figure: Figure, axes: Axes) -> None:
    """Add the legend of one panel to the figure, in one row below the title."""
    handles, labels = axes.get_legend_handles_labels()
    place = (0.005, 1 - 0.26 / figure.get_figheight())
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=place, ncols=4, handlelength=2.4)


def make_figure(title: str, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with a title and `rows` axes below each other."""
    figure = Figure(figsize=(9, 4.2 if rows == 1 else 1.2 + 2.2 * rows), dpi=110, layout=_make_layout())
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure, list(figure.subplots(rows, squeeze=False)[:, 0])


def to_axis(index: pd.Index) -> np.ndarray:
    """Convert an index to what matplotlib plots: local timestamps without a time zone, or numbers."""
    return index.tz_localize(None).to_numpy() if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def draw_intervals(axes: Axes, forecast: Forecast) -> None:
    """Draw the prediction intervals, the narrowest first and darkest; a horizon of one step as a bar."""
    lows = sorted((probability for probability in forecast.quantiles if probability < 0.5), reverse=True)
    x = to_axis(forecast.timestamps)
    for place, low in enumerate(lows):
        band = forecast.quantiles[low], forecast.quantiles[round(1 - low, 10)]
        style = style_band(low, place, len(lows))
        if len(x) > 1:
            axes.fill_between(x, *band, linewidth=0, **style)
        else:
            axes.vlines(x, *band, linewidth=9, **style)


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


def format_number(value: float, position: int | None) -> str:
    """Format a tick label: 42,500 rather than 42500; 0.25 stays."""
    text = f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}")


def format_time_axis(axes: Axes, index: pd.Index) -> None:
    """Label the x axis with dates, and the time zone if there is one, or with step numbers."""
    if isinstance(index, pd.DatetimeIndex):
        locator = AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, **_DATE_FORMATS))
        if index.tz is not None:
            axes.set_xlabel(str(index.tz))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.set_xlabel("step")


def make_step_locator(unit: str, span: float, ticks: int = 12) -> Locator:
    """Make a locator of a limited number of ticks, for hours at whole parts and multiples of a day."""
    fitting = [hours for hours in (1, 2, 3, 6, 12, 24, 48, 168) if span / hours <= ticks]
    if unit == "hours" and fitting:
        return MultipleLocator(fitting[0])
    return MaxNLocator(nbins=ticks, integer=True, steps=[1, 2, 5, 10])


def add_legend(axes: Axes) -> None:
    """Add a legend above the axes, where it cannot cover a line."""
    add_shared_legend([axes])


def render_png(figure: Figure) -> bytes:
    """Render a figure as the bytes of a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
