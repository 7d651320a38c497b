"""Plots of errors by step ahead, of the network and of baselines, and of anomalies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from forecaster.evaluation.anomalies import Anomalies
from forecaster.evaluation.baselines import name_forecasters
from forecaster.forecast import shorten
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.reporting.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MAX_ROWS,
    ORANGE,
    PURPLE,
    SKY,
    ValueFormatter,
    add_legend,
    add_row_legend,
    add_shared_legend,
    apply_style,
    count_shown,
    drop_repeated_labels,
    format_time_axis,
    make_figure,
    make_step_locator,
    to_axis,
)
from forecaster.wording import count_of

# The same forecaster has the same color in every picture.
_RIVAL_COLORS = {"network_alone": SKY, "naive": ORANGE, "seasonal_naive": GREEN, ZERO_SHOT: PURPLE}
_OTHER_COLORS = (INK, GREY)
_DENSE = 400  # values above which a line is thinner
_NUMBERED = 10  # events, those with the largest scores
_LINE_STYLES: Sequence[Any] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)))


def plot_comparison(by_step: pd.DataFrame, facts: Mapping[str, Any], title: str, unit: str) -> Figure:
    """Plot the errors of network and baselines by step ahead, and the coverage of its intervals.

    Args:
        by_step: scores by forecaster and step (`Comparison.tabulate_by_step`).
        facts: as `Comparison.summary`.
        title: one line above the plot.
        unit: the steps' name, such as `hours`.
    """
    levels = sorted(facts["coverage"], key=float, reverse=True)
    with apply_style():
        figure, rows = make_figure(title, 2 if levels else 1)
        _plot_error_lines(rows[0], by_step[facts["measure"]].unstack("forecaster"), facts)
        for place, level in enumerate(levels):
            _draw_coverage(rows[1], by_step[f"coverage_{level}"].unstack("forecaster")["model"], level, place)
        if levels:
            _format_coverage_axes(rows[1], by_step[[f"coverage_{level}" for level in levels]])
        for axes in rows:
            axes.xaxis.set_major_locator(make_step_locator(unit, facts["horizon"]))
        figure.align_ylabels(rows)
        rows[-1].set_xlabel(f"{unit} ahead (mean of {count_of(facts['origins'], 'forecast')})")
        return figure


def _draw_coverage(axes: Axes, covered: pd.Series, level: str, place: int) -> None:
    """Draw the coverage of an interval by step; narrower ones are drawn over wider ones, darker and thinner.

    Args:
        axes: to draw on.
        covered: in percent, by step.
        level: of the interval, in percent.
        place: counted from the widest, 0.
    """
    color = (SKY, BLUE, INK)[min(place, 2)]
    style: dict[str, Any] = {"linewidth": max(1.2, 5.0 - 3 * place), "solid_capstyle": "butt"}
    marker: dict[str, Any] = {"marker": "o", "markersize": 6 - 2 * min(place, 1)} if len(covered) == 1 else {}
    axes.plot(covered.index, covered, color=color, label=f"{level} % interval", **style, **marker)
    axes.axhline(float(level), color=color, linewidth=1.2, linestyle=(0, (2, 3)))


def _format_coverage_axes(axes: Axes, coverages: pd.DataFrame) -> None:
    """Label the coverage axis, from 50 % if no interval covers less, and the lines of the nominal levels."""
    axes.plot([], [], color=GREY, linewidth=1.2, linestyle=(0, (2, 3)), label="nominal level")
    axes.set_ylabel("coverage (%)")
    least = 50 if coverages.to_numpy().min() > 55 else 0
    axes.set_ylim(least - 2, 102)  # lines at 0 and at 100 are seen whole
    axes.set_yticks(range(least, 101, 10 if least else 25))
    add_legend(axes)


def _plot_error_lines(axes: Axes, errors: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    called = name_forecasters(facts)
    marker: dict[str, Any] = {"marker": "o", "markersize": 4} if len(errors) == 1 else {}
    axes.plot(errors.index, errors["model"], color=BLUE, linewidth=3.2, label=called["model"], **marker)
    others = [name for name in errors.columns if name not in {"model", *_RIVAL_COLORS}]
    for name in errors.columns.drop("model"):
        place = others.index(name) if name in others else 0
        color = _RIVAL_COLORS.get(name) or _OTHER_COLORS[place % len(_OTHER_COLORS)]
        style: Any = _LINE_STYLES[place // len(_OTHER_COLORS) % len(_LINE_STYLES)]
        axes.plot(errors.index, errors[name], color=color, linewidth=1.4, linestyle=style, label=called[name], **marker)
    axes.set_ylabel({"mase": "scaled error (MASE)", "mae": "mean absolute error"}[facts["measure"]])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(ValueFormatter())
    add_legend(axes)


def plot_anomalies(found: Anomalies, name: str) -> Figure:
    """Plot observed values, the interval of the rate and the anomalies, of the series with the largest events first."""
    ranked = dict.fromkeys([*(event.series for event in found.events), *found.rows["series"].unique()])
    shown = list(ranked)[:MAX_ROWS]
    share = f"{found.flagged:,} of {count_of(found.checked, 'value')}"
    title = f"{name}: {share} outside of their interval{count_shown(len(shown), len(ranked))}"
    with apply_style():
        figure, panels = make_figure(title, max(1, len(shown)))
        for axes, series in zip(panels, shown, strict=False):
            _draw_anomalies(axes, found, series)
            if len(ranked) > 1:
                axes.set_title(shorten(series))
        if shown:
            drop_repeated_labels(panels)
            add_shared_legend(panels) if len(ranked) == 1 else add_row_legend(figure, panels[0])
        return figure


def _draw_anomalies(axes: Axes, found: Anomalies, series: str) -> None:
    """Draw the values of one series, their intervals and anomalies; the largest events are numbered."""
    rows = found.rows[found.rows["series"] == series]
    x = to_axis(pd.Index(rows["timestamp"]))
    width = 1.2 if len(rows) <= _DENSE else 0.6
    label = f"{100 * (1 - found.rate):.6g} % interval"
    low, high = rows[["lower", "upper"]].replace([np.inf, -np.inf], np.nan).to_numpy().T
    axes.fill_between(x, low, high, linewidth=0, label=label, color="#b9d8ec", zorder=0.4)
    axes.plot(x, rows["actual"], color=INK, linewidth=width, label="observed")
    flagged = rows["anomaly"].to_numpy(bool)
    small: dict[str, Any] = {"markersize": 3.5, "markeredgewidth": 0.9} if len(rows) > _DENSE else {"markersize": 5}
    marker: dict[str, Any] = {"fillstyle": "none", "zorder": 4, **small}
    axes.plot(x[flagged], rows["actual"][flagged], "o", color=ORANGE, label="anomaly", **marker)
    for number, event in enumerate(found.events[:_NUMBERED], 1):
        if event.series == series:
            at = to_axis(pd.Index([event.peak]))[0]
            above = event.actual >= event.mean
            values = rows["actual"][rows["event"] == number]
            edge = values.max() if above else values.min()  # beyond all circles of the event
            axes.annotate(
                str(number), (at, edge), xytext=(0, 6 if above else -6), textcoords="offset points",
                ha="center", va="bottom" if above else "top", fontsize="small", fontweight="bold", color=ORANGE,
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )  # fmt: skip
    format_time_axis(axes, rows["timestamp"].iloc[0], rows["timestamp"].iloc[-1])
    low, high = rows["actual"].min(), rows["actual"].max()
    room = 0.15 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)  # intervals of a few steps may be many times as wide
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(ValueFormatter())
