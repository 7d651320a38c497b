"""The plot of errors by step ahead, of the network and of baselines."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from forecaster.evaluation.baselines import name_forecasters
from forecaster.reporting.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    STYLE,
    add_legend,
    format_number,
    make_figure,
    make_step_locator,
    render_png,
)
from forecaster.wording import count_of

_LEVEL_COLORS = (BLUE, ORANGE, GREEN)
_RIVAL_COLORS = (INK, ORANGE, GREEN, GREY)


def plot_comparison(by_step: pd.DataFrame, facts: Mapping[str, Any], title: str, unit: str) -> bytes:
    """Plot the errors of network and baselines by step ahead, and the coverage of its intervals, as a PNG.

    Args:
        by_step: scores by forecaster and step (`Comparison.tabulate_by_step`).
        facts: as `Comparison.summary`.
        title: one line above the plot.
        unit: the steps' name, such as `hours`.
    """
    levels = list(facts["coverage"])
    with matplotlib.rc_context(STYLE):
        figure, rows = make_figure(title, 2 if levels else 1)
        _plot_error_lines(rows[0], by_step[facts["measure"]].unstack("forecaster"), facts)
        for level, color in zip(levels, _LEVEL_COLORS * len(levels), strict=False):
            covered = by_step[f"coverage_{level}"].unstack("forecaster")["model"]
            rows[1].plot(covered.index, covered, color=color, linewidth=1.8, label=f"{level} % interval")
            rows[1].axhline(float(level), color=color, linewidth=0.9, linestyle=(0, (2, 3)))
        if levels:
            _format_coverage_axes(rows[1], by_step[[f"coverage_{level}" for level in levels]])
        for axes in rows:
            axes.xaxis.set_major_locator(make_step_locator(unit, facts["horizon"]))
        figure.align_ylabels(rows)
        rows[-1].set_xlabel(f"{unit} ahead (mean of {count_of(facts['origins'], 'forecast')})")
        return render_png(figure)


def _format_coverage_axes(axes: Axes, coverages: pd.DataFrame) -> None:
    """Label the coverage axis, from 50 % if no interval covers less, and the lines of the nominal levels."""
    axes.plot([], [], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)), label="nominal level")
    axes.set_ylabel("coverage (%)")
    axes.set_ylim(50 if coverages.to_numpy().min() > 55 else 0, 102)
    add_legend(axes)


def _plot_error_lines(axes: Axes, errors: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    called = name_forecasters(facts)
    others = [name for name in errors.columns if name != "model"]
    styles: list[Any] = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2))]
    axes.plot(errors.index, errors["model"], color=BLUE, linewidth=2.4, zorder=3, label=called["model"])
    for place, name in enumerate(others):
        color = _RIVAL_COLORS[place % len(_RIVAL_COLORS)]
        style = styles[(place // len(_RIVAL_COLORS)) % len(styles)]
        axes.plot(errors.index, errors[name], color=color, linewidth=1.4, linestyle=style, label=called[name])
    axes.set_ylabel({"mase": "scaled error (MASE)", "mae": "mean absolute error"}[facts["measure"]])
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))
    add_legend(axes)
