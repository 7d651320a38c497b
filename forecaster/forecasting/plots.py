"""Plots of forecasts with their intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.data import Series
from forecaster.forecast import Forecast, shorten
from forecaster.reporting.figures import (
    BLUE,
    GREY,
    INK,
    MAX_SERIES,
    ValueFormatter,
    add_legend,
    add_row_legend,
    apply_style,
    count_shown,
    draw_intervals,
    drop_repeated_labels,
    format_time_axis,
    make_figure,
    make_panels,
    to_axis,
)
from forecaster.wording import count_steps, name_time

_DENSE = 400  # steps above which lines are drawn thinner, or they would merge into a surface


def plot_forecast(history: pd.Series, forecast: Forecast, title: str, label: str, actuals: pd.Series) -> Figure:
    """Plot the end of the history, the actuals that follow it, and their forecast.

    Args:
        history: observed values up to the origin, indexed by their timestamps.
        title: one line above the plot.
        label: of the axis of values.
        actuals: actuals over the forecast's timestamps.
    """
    with apply_style():
        figure, (axes,) = make_figure(title)
        _draw_forecast(axes, history, forecast, actuals)
        axes.set_ylabel(shorten(label))
        add_legend(axes)
        return figure


def plot_future(panel: Sequence[Series], forecasts: Sequence[Forecast], name: str) -> Figure:
    """Plot forecasts after the end of their series, the first few in a panel each."""
    shown, frequency = min(len(panel), MAX_SERIES), panel[0].frequency
    steps, origins = len(forecasts[0].mean), [forecast.origin for forecast in forecasts]
    after = f" after {name_time(origins[0], frequency)}" if len(set(origins)) == 1 else ""
    title = f"{name}: next {count_steps(steps, frequency)}{after}{count_shown(shown, len(panel))}"
    with apply_style():
        figure, rows = make_panels(title, shown)
        for axes, series, forecast in zip(rows, panel, forecasts, strict=False):
            history = pd.Series(series.values, series.timestamps).iloc[-count_history_steps(steps) :]
            _draw_forecast(axes, history, forecast)
            axes.set_ylabel(shorten(series.target))
            if len(panel) > 1:
                axes.set_title(shorten(series.name))
        if shown > 1:
            drop_repeated_labels(rows, 2)
            add_row_legend(figure, rows[0])
        else:
            add_legend(rows[0])
        return figure


def _draw_forecast(axes: Axes, history: pd.Series, forecast: Forecast, actuals: pd.Series | None = None) -> None:
    """Draw history, intervals and forecast of one series; the forecast begins at the last value."""
    observed, origin = history.to_numpy(), to_axis(history.index)[-1:]
    thinner = 0.5 if len(observed) + len(forecast.mean) > _DENSE else 1.0
    axes.plot(to_axis(history.index), observed, color=INK, linewidth=1.3 * thinner, label="observed")
    if actuals is not None:
        # Above the forecast, which is wider: neither hides the other over a long horizon.
        x = np.append(origin, to_axis(actuals.index))
        axes.plot(x, np.append(observed[-1], actuals.to_numpy()), color=INK, linewidth=1.0 * thinner, zorder=3)
    x = np.append(origin, to_axis(pd.Index(forecast.timestamps)))
    marker: dict[str, Any] = {"marker": "o", "markersize": 3.5, "markevery": slice(1, None)}
    style: dict[str, Any] = {"color": BLUE, "linewidth": 2.0 * max(thinner, 0.8)} | (
        marker if len(forecast.mean) <= 40 else {}
    )
    axes.plot(x, np.append(observed[-1], forecast.mean), label="forecast", **style)
    draw_intervals(axes, x, forecast, observed[-1])
    axes.axvline(origin[0], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)), label="origin")
    format_time_axis(axes, history.index[0], forecast.timestamps[-1])
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(ValueFormatter())


def count_history_steps(horizon: int) -> int:
    """Return how many steps of history to plot: enough to judge the forecast by, few enough to see it."""
    return max(min(4 * horizon, horizon + _DENSE), 48)
