"""Plots of forecasts with their intervals."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from forecaster.data import Series
from forecaster.forecast import Forecast
from forecaster.reporting.figures import (
    BLUE,
    GREY,
    INK,
    MAX_SERIES,
    STYLE,
    add_legend,
    draw_intervals,
    format_number,
    format_time_axis,
    make_figure,
    render_png,
    to_axis,
)
from forecaster.wording import count_steps, format_timestamps


def plot_forecast(
    history: pd.Series,
    forecast: Forecast,
    title: str,
    actuals: pd.Series | None = None,
    actuals_label: str = "actual",
) -> bytes:
    """Plot the end of the history and the forecast after it, with actuals if they are known, as a PNG.

    Args:
        history: observed values up to the origin, indexed by their timestamps.
        title: one line above the plot.
        actuals: actuals over the forecast's timestamps.
        actuals_label: their label in the legend.
    """
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = make_figure(title)
        _draw_forecast(axes, history, forecast, actuals, actuals_label)
        add_legend(axes)
        return render_png(figure)


def plot_future(panel: Sequence[Series], forecasts: Sequence[Forecast], name: str) -> bytes:
    """Plot forecasts after the end of their series, the first few below each other, as a PNG."""
    shown = min(len(panel), MAX_SERIES)
    steps, origins = len(forecasts[0].mean), {forecast.origin for forecast in forecasts}
    after = f" after {format_timestamps(list(origins))[0]}" if len(origins) == 1 else ""
    some = f", {shown} of {len(panel)} series" if len(panel) > shown else ""
    with matplotlib.rc_context(STYLE):
        figure, rows = make_figure(f"{name}: next {count_steps(steps, panel[0].frequency)}{after}{some}", shown)
        for axes, series, forecast in zip(rows, panel, forecasts, strict=False):
            history = pd.Series(series.values, series.timestamps).iloc[-count_history_steps(steps) :]
            _draw_forecast(axes, history, forecast)
        add_legend(rows[0])
        return render_png(figure)


def _draw_forecast(
    axes: Axes, history: pd.Series, forecast: Forecast, actuals: pd.Series | None = None, actuals_label: str = ""
) -> None:
    """Draw history, intervals and forecast of one series."""
    axes.plot(to_axis(history.index), history.to_numpy(), color=INK, linewidth=1.3, label="observed")
    axes.axvline(to_axis(history.index)[-1], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)))
    if actuals is not None:
        joined = pd.concat([history.iloc[-1:], actuals])
        style: dict[str, Any] = {"color": INK, "linewidth": 1.3, "linestyle": (0, (3, 1.2))}
        axes.plot(to_axis(joined.index), joined.to_numpy(), label=actuals_label, **style)
    marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(forecast.mean) <= 40 else {}
    axes.plot(to_axis(forecast.timestamps), forecast.mean, color=BLUE, linewidth=2.0, label="forecast", **marker)
    draw_intervals(axes, forecast)
    format_time_axis(axes, history.index)
    axes.set_ylabel(forecast.series)
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(FuncFormatter(format_number))


def count_history_steps(horizon: int) -> int:
    """Return how many steps of history to plot: enough to judge the forecast by, few enough to see it."""
    return max(4 * horizon, 48)
