"""The plot of the errors of all trials."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from forecaster.reporting.figures import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    add_legend,
    apply_style,
    format_number,
    make_figure,
)


def plot_trials(errors: Mapping[int, float | None], baseline: tuple[str, float], own: int | None, title: str) -> Figure:
    """Plot the error of each trial in order, and the best so far.

    Args:
        errors: by trial number, at least one; None for a trial without an error, drawn as a mark on the lower edge.
        baseline: name and error of a horizontal line.
        own: number of the trial with the original config, if it was tried.
    """
    trials, found = np.array(list(errors)), np.array(list(errors.values()), float)
    best = np.fmin.accumulate(found)
    ended = np.isfinite(found)
    with apply_style():
        figure, (axes,) = make_figure(title)
        axes.plot(trials[ended], found[ended], "o", color=BLUE, markersize=4.5, alpha=0.75, label="trial")
        axes.step(trials, best, where="post", color=INK, linewidth=1.6, label="best so far")
        if own is not None:
            rings: dict[str, Any] = {"markersize": 10, "fillstyle": "none", "markeredgewidth": 1.6}
            axes.plot(own, found[trials == own], "o", color=ORANGE, label="original config", **rings)
        axes.axhline(baseline[1], color=GREY, linestyle=(0, (4, 2)), label=baseline[0])
        if not ended.all():
            edge: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            without = trials[~ended], np.zeros((~ended).sum())
            axes.plot(*without, "x", color=GREY, markersize=6, label="not completed", **edge)
        _label_error_axis(axes, found[ended], best[-1])
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        add_legend(axes)
        return figure


def _label_error_axis(axes: Axes, errors: np.ndarray, best: float) -> None:
    """Label the y axis, on a log scale if the largest error is several times the best."""
    if errors.max() > 5 * best > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(format_number))
        axes.yaxis.set_minor_formatter(FuncFormatter(format_number))
    axes.set_ylabel("validation error (MASE)")
