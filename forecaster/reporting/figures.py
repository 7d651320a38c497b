"""The pictures: the only room that imports matplotlib."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecaster.forecast import Forecast

# Okabe & Ito (2008): told apart by every common form of colour blindness, and by lightness in print.
INK, GREY, BLUE, ORANGE, GREEN = "#222222", "#8a8a8a", "#0072b2", "#d55e00", "#009e73"
# For ticks of years, months, days, hours, minutes and seconds: each says its day, month or year itself.
_DATE_FORMATS: Any = {
    "formats": ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%-d %b", "%-d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "", "%Y", "%Y", "%-d %b %Y", "%-d %b %Y %H:%M"],
}
_LEVEL_COLORS = (BLUE, ORANGE, GREEN)
_PANELS = 2  # of gaps in one picture
_BAND = 0.005  # share of the steps from which a gap is drawn as a band
_STYLE: Any = {
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


def _steps(count: int) -> str:
    return "the next step" if count == 1 else f"the next {count} steps"


def _shared_legend(rows: Sequence[Axes]) -> None:
    """Above the first axes, of whatever any of them shows, each once."""
    found = [axes.get_legend_handles_labels() for axes in rows]
    labelled = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
    rows[0].legend(
        list(labelled.values()), list(labelled), loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(labelled),
        borderaxespad=0.2, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip


def _panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    """Axes two in a row, their values on one scale, with room for a legend below the title."""
    columns, rows = min(count, 2), -(-count // 2)
    figure = Figure(figsize=(9, 1.6 + 2.8 * rows), dpi=110, layout="constrained")
    figure.suptitle(f"{title}\n\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for spare in panels[count:]:
        spare.remove()
    return figure, panels[:count]


def _row_legend(figure: Figure, axes: Axes) -> None:
    """What the lines of all panels are, in one row below the title."""
    handles, labels = axes.get_legend_handles_labels()
    place = (0.005, 1 - 0.26 / figure.get_figheight())
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=place, ncols=4, handlelength=2.4)


def _canvas(title: str, rows: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(9, 4.2 if rows == 1 else 1.2 + 2.2 * rows), dpi=110, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure, list(figure.subplots(rows, squeeze=False)[:, 0])


def _x(index: pd.Index) -> np.ndarray:
    """The index as matplotlib takes it: dates without a zone, or numbers."""
    return index.tz_localize(None).to_numpy() if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def _fan(axes: Axes, forecast: Forecast) -> None:
    """The intervals, the widest lightest and lowest; a single step as a bar."""
    lows = [probability for probability in forecast.quantiles if probability < 0.5]
    x = _x(forecast.timestamps)
    for index, low in enumerate(lows):
        band = forecast.quantiles[low], forecast.quantiles[round(1 - low, 10)]
        label, alpha = f"{100 * (1 - 2 * low):.6g} %", _shade(index, len(lows))
        if len(x) > 1:
            axes.fill_between(x, *band, color=BLUE, alpha=alpha, linewidth=0, label=label)
        else:
            axes.vlines(x, *band, color=BLUE, alpha=min(1.0, alpha + 0.2), linewidth=9, label=label)


def _shade(place: int, count: int) -> float:
    """How dark the band at a place from outside is: each darker than the one around it, none opaque."""
    return 0.14 + min(0.12, 0.6 / count) * place


def _number(value: float, position: int | None) -> str:
    """42,500 rather than 42500, and 0.25 as it is."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"


def _time_axis(axes: Axes, index: pd.Index) -> None:
    if isinstance(index, pd.DatetimeIndex):
        locator = AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, **_DATE_FORMATS))
        if index.tz is not None:
            axes.set_xlabel(str(index.tz))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step")


def _legend(axes: Axes) -> None:
    """Above the axes, so that it never lies on a line."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(len(labels), 7), borderaxespad=0.2,
        handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
