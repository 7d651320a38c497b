"""The plot of the findings of `forecast check` in each series."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.check.statistics import SeriesStatistics
from forecaster.forecast import shorten
from forecaster.reporting.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MAX_ROWS,
    ORANGE,
    ValueFormatter,
    add_shared_legend,
    apply_style,
    count_shown,
    drop_repeated_labels,
    format_time_axis,
    make_figure,
    to_axis,
)
from forecaster.time.gaps import Gap

_MIN_BAND_SHARE = 0.005  # share of the steps above which a gap is drawn as a band


def plot_checkup(examined: Sequence[SeriesStatistics], name: str) -> Figure:
    """Draw the first few series of a file with their anomalies, below each other."""
    shown = examined[:MAX_ROWS]
    worst = f"{count_shown(len(shown), len(examined))}, the worst first" if len(examined) > len(shown) else ""
    with apply_style():
        found = any(
            len(marks)
            for each in shown
            for marks in (each.gaps, each.stretches, each.shifts, each.outliers, each.codes)
        )
        figure, rows = make_figure(f"{name}: {'anomalies' if found else 'no anomalies'}{worst}", len(shown))
        for axes, each in zip(rows, shown, strict=True):
            _draw_examined(axes, each)
            if len(shown) > 1:
                axes.set_title(shorten(each.series.name), fontsize=10, loc="right")
            else:
                axes.set_ylabel(shorten(each.series.target))
        drop_repeated_labels(rows)
        add_shared_legend(rows)
        return figure


def _draw_examined(axes: Axes, examined: SeriesStatistics) -> None:
    series = examined.series
    x, values = to_axis(series.timestamps), series.values
    crowded = len(values) > 3000  # the line is a surface then, on which anomalies must be visible
    axes.plot(x, values, color=GREY if crowded else INK, linewidth=0.4 if crowded else 0.9, label="observed")
    _draw_gaps(axes, x, examined.gaps)
    for number, stretch in enumerate(examined.stretches):
        part = slice(stretch.first, stretch.first + stretch.length)
        label = "constant" if number == 0 else None
        axes.plot(x[part], values[part], color=GREEN, linewidth=4, solid_capstyle="butt", label=label)
        axes.plot(x[part][:1], values[part][:1], "s", color=GREEN, markersize=4)  # visible even if it is short
    for number, shift in enumerate(examined.shifts):
        label = "level shift" if number == 0 else None
        axes.axvline(x[shift.at], color=BLUE, linestyle=(0, (4, 2)), label=label)
    rings: dict[str, Any] = {"markersize": 8, "fillstyle": "none", "markeredgewidth": 1.5}
    if len(examined.outliers):
        axes.plot(x[examined.outliers], values[examined.outliers], "o", color=ORANGE, label="outlier", **rings)
    if examined.codes:
        marks = np.flatnonzero(np.isin(values, examined.codes))
        axes.plot(x[marks], values[marks], "x", color=ORANGE, markersize=6, label="code for missing")
    format_time_axis(axes, series.timestamps[0], series.timestamps[-1])
    axes.margins(x=0.01, y=0.15)  # rings at the edge are seen whole
    axes.yaxis.set_major_formatter(ValueFormatter())


def _draw_gaps(axes: Axes, x: np.ndarray, gaps: Sequence[Gap]) -> None:
    """Draw long gaps as bands, and short ones, whose bands would be too wide, as marks on the lower edge."""
    long = [gap for gap in gaps if gap.length > len(x) * _MIN_BAND_SHARE]
    for number, gap in enumerate(long):
        ends = x[max(gap.first - 1, 0)], x[min(gap.first + gap.length, len(x) - 1)]
        label = "missing" if number == 0 else None
        axes.axvspan(*ends, color=ORANGE, alpha=0.35, linewidth=0, label=label)
    short = [gap.middle for gap in gaps if gap not in long]
    if short:
        lower = np.zeros(len(short))
        label = "missing" if not long else "missing (short gap)"
        edge: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(x[short], lower, "^", color=ORANGE, markersize=6, linestyle="none", label=label, **edge)
