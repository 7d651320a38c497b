"""The pictures: the only room that imports matplotlib."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from forecaster.attention import Attention
from forecaster.baselines import names
from forecaster.data import Series
from forecaster.data.checkup import Examined
from forecaster.data.filling import Filling
from forecaster.data.gaps import Gap, find_gaps
from forecaster.flow import Flow
from forecaster.forecast import Forecast, shortened, timestamp_texts

# Okabe & Ito (2008): told apart by every common form of colour blindness, and by lightness in print.
INK, GREY, BLUE, ORANGE, GREEN = "#222222", "#8a8a8a", "#0072b2", "#d55e00", "#009e73"
# For ticks of years, months, days, hours, minutes and seconds: each says its day, month or year itself.
_DATE_FORMATS: Any = {
    "formats": ["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%-d %b", "%-d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "", "%Y", "%Y", "%-d %b %Y", "%-d %b %Y %H:%M"],
}
_RIVAL_COLORS = (INK, ORANGE, GREEN, GREY)
_LEVEL_COLORS = (BLUE, ORANGE, GREEN)
_PANELS = 2  # of gaps in one picture
_SHOWN_SERIES = 6
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


def plot_forecast(
    history: pd.Series,
    forecast: Forecast,
    title: str,
    truth: pd.Series | None = None,
    truth_label: str = "held-out truth",
) -> bytes:
    """The end of the history and the forecast after it, with the truth where it is known; a PNG.

    Args:
        history: observed values up to the origin, indexed by their timestamps.
        title: one line above the picture.
        truth: observed values over the forecast's timestamps.
        truth_label: what the legend calls them.
    """
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _canvas(title)
        _draw_forecast(axes, history, forecast, truth, truth_label)
        _legend(axes)
        return _png(figure)


def plot_future(panel: Sequence[Series], forecasts: Sequence[Forecast], name: str) -> bytes:
    """Forecasts of the real future after the end of their series, the first few below each other; a PNG."""
    shown = min(len(panel), _SHOWN_SERIES)
    steps, origins = len(forecasts[0].mean), {forecast.origin for forecast in forecasts}
    after = f" after {timestamp_texts(list(origins))[0]}" if len(origins) == 1 else ""
    some = f", {shown} of {len(panel)} series" if len(panel) > shown else ""
    with matplotlib.rc_context(_STYLE):
        figure, rows = _canvas(f"{name}: {_steps(steps)}{after}{some}", shown)
        for axes, series, forecast in zip(rows, panel, forecasts, strict=False):
            history = pd.Series(series.values, series.timestamps).iloc[-shown_steps(steps) :]
            _draw_forecast(axes, history, forecast)
        _legend(rows[0])
        return _png(figure)


def plot_attention(attentions: Sequence[Attention], name: str) -> bytes:
    """A heat map of the weights over the past, the first few series below each other; a PNG."""
    shown = attentions[: _SHOWN_SERIES // 2]
    with matplotlib.rc_context({**_STYLE, "axes.grid": False}):
        figure, rows = _canvas(f"{name}: where it looked", len(shown))
        for axes, attention in zip(rows, shown, strict=True):
            _draw_attention(figure, axes, attention)
        rows[-1].set_xlabel(f"steps of {shown[0].series.frequency} before the origin")
        return _png(figure)


def _draw_attention(figure: Figure, axes: Axes, attention: Attention) -> None:
    edges = np.append(attention.read, attention.read[-1] - attention.segment) + attention.segment - 0.5
    heights = np.arange(len(attention.weights) + 1) - 0.5
    mesh = axes.pcolormesh(edges, heights, attention.weights, cmap="cividis", vmin=0)
    axes.invert_xaxis()
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    if attention.step.any():
        axes.set_ylabel(f"{attention.series.name}: step of the horizon")
        labels = [f"{step}" for step in attention.step]
    else:
        axes.set_ylabel(f"{attention.series.name}: origin")
        labels = [
            text.removesuffix(":00") for text in timestamp_texts(list(attention.series.timestamps[attention.origin]))
        ]
    axes.yaxis.set_major_formatter(lambda row, _: labels[int(row)] if 0 <= row < len(labels) else "")
    figure.colorbar(mesh, ax=axes, label="weight", pad=0.01)


def _draw_forecast(
    axes: Axes, history: pd.Series, forecast: Forecast, truth: pd.Series | None = None, truth_label: str = ""
) -> None:
    axes.plot(_x(history.index), history.to_numpy(), color=INK, linewidth=1.3, label="observed")
    axes.axvline(_x(history.index)[-1], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)))
    if truth is not None:
        observed = pd.concat([history.iloc[-1:], truth])
        axes.plot(_x(observed.index), observed.to_numpy(), color=INK, linewidth=1.3, alpha=0.5, label=truth_label)
    _fan(axes, forecast)
    marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(forecast.mean) <= 40 else {}
    axes.plot(_x(forecast.timestamps), forecast.mean, color=BLUE, linewidth=2.0, label="forecast", **marker)
    _time_axis(axes, history.index)
    axes.set_ylabel(forecast.series)
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(FuncFormatter(_number))


def plot_filling(filling: Filling, name: str) -> bytes:
    """What surrounds the longest gaps, two at most: observed lines, filled points and their intervals; a PNG."""
    gaps = find_gaps(filling.series.values)
    shown = _longest_apart(gaps, len(filling.values))
    title = f"{name}: nothing to fill" if not gaps else f"{name}: the {_longest(len(shown))} of {len(gaps):,}, filled"
    with matplotlib.rc_context(_STYLE):
        figure, panels = _canvas(title, max(1, len(shown)))
        for axes, span in zip(panels, shown or [slice(None)], strict=True):
            _filled_stretch(axes, filling, span)
        _legend(panels[0])
        return _png(figure)


def _longest(count: int) -> str:
    return "longest gap" if count == 1 else f"{count} longest gaps"


def _longest_apart(gaps: Sequence[Gap], steps: int) -> list[slice]:
    """The steps to show of the longest gaps, in order of time; the second only where the first does not show it."""
    spans: list[slice] = []
    for gap in sorted(gaps, key=lambda gap: -gap.length):
        around = max(2 * gap.length, 36)
        span = slice(max(0, gap.first - around), min(steps, gap.first + gap.length + around))
        if all(span.stop <= other.start or other.stop <= span.start for other in spans):
            spans.append(span)
        if len(spans) == _PANELS:
            break
    return sorted(spans, key=lambda span: span.start)


def _filled_stretch(axes: Axes, filling: Filling, span: slice) -> None:
    """The observed line, broken at the gaps, and each gap's values joined to the observed cells beside it."""
    index, gap = filling.series.timestamps[span], filling.gap[span]
    values = filling.values[span]
    x = _x(index)
    axes.plot(x, np.where(gap, np.nan, values), color=INK, linewidth=1.3, label="observed")
    beside = gap | np.append(gap[1:], False) | np.append(False, gap[:-1])
    levels = {low: round(1 - low, 10) for low in filling.quantiles if low < 0.5}
    for place, (low, high) in enumerate(levels.items()):
        # An observed cell is certain: the band closes on it.
        bottom, top = (np.where(gap, filling.quantiles[p][span], values) for p in (low, high))
        shade: Any = {"color": BLUE, "alpha": _shade(place, len(levels)), "linewidth": 0}
        axes.fill_between(x, bottom, top, where=beside, label=f"{100 * (1 - 2 * low):.6g} %", **shade)
    axes.plot(x, np.where(beside, values, np.nan), color=BLUE, linewidth=1.6)
    axes.plot(x, np.where(gap, values, np.nan), "o", color=BLUE, markersize=3.5, label="filled")
    _time_axis(axes, index)
    axes.set_ylabel(filling.series.name)
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(FuncFormatter(_number))


def shown_steps(horizon: int) -> int:
    """How much of the history goes with a forecast: enough to judge it by, not so much that it shrinks."""
    return max(4 * horizon, 48)


def _steps(count: int) -> str:
    return "the next step" if count == 1 else f"the next {count} steps"


def plot_loss(
    losses: Sequence[float], validation: Sequence[float | None], chosen_epoch: int, title: str, unit: str
) -> bytes:
    """Training and validation loss by epoch, the chosen epoch marked; a PNG.

    Args:
        losses, validation: of each epoch from the first; None where there was no validation part.
        chosen_epoch: counted from 1.
        unit: what the axis says of the loss.
    """
    epochs = np.arange(1, len(losses) + 1)
    marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(epochs) <= 30 else {}
    watched = np.array(losses if validation[0] is None else validation, float)
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _canvas(title)
        axes.plot(epochs, losses, color=BLUE, linewidth=1.8, label="training", **marker)
        if validation[0] is not None:
            axes.plot(epochs, watched, "--", color=ORANGE, linewidth=1.8, label="validation", **marker)
        chosen: dict[str, Any] = {"markersize": 9, "fillstyle": "none", "markeredgewidth": 1.6}
        label = f"chosen: epoch {chosen_epoch}"
        axes.plot(chosen_epoch, watched[chosen_epoch - 1], "o", color=INK, label=label, **chosen)
        shown = [loss for loss in (*losses, *validation) if loss is not None and loss > 0]
        if shown and max(shown) > 20 * min(shown):
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        _legend(axes)
        return _png(figure)


def plot_comparison(by_step: pd.DataFrame, facts: Mapping[str, Any], title: str) -> bytes:
    """The error of a network and of baselines by step ahead, and how much its intervals cover; a PNG.

    Args:
        by_step: scores by forecaster and step (`Comparison.by_step`).
        facts: as `Comparison.facts`.
    """
    levels = list(facts["coverage"])
    with matplotlib.rc_context(_STYLE):
        figure, rows = _canvas(title, 2 if levels else 1)
        _error_lines(rows[0], by_step[facts["measure"]].unstack("forecaster"), facts)
        for level, color in zip(levels, _LEVEL_COLORS * len(levels), strict=False):
            covered = by_step[f"coverage_{level}"].unstack("forecaster")["model"]
            rows[1].plot(covered.index, covered, color=color, linewidth=1.8, label=f"{level} % interval")
            rows[1].axhline(float(level), color=color, linewidth=0.9, linestyle=(0, (2, 3)))
        if levels:
            rows[1].set_ylabel("share covered, %")
            rows[1].set_ylim(0, 102)
            _legend(rows[1])
        rows[-1].set_xlabel(f"steps ahead, over {facts['origins']:,} forecasts")
        return _png(figure)


def _error_lines(axes: Axes, errors: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    called = names(facts)
    others = [name for name in errors.columns if name != "model"]
    styles: list[Any] = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2))]
    for place, name in enumerate(others):
        color = _RIVAL_COLORS[place % len(_RIVAL_COLORS)]
        style = styles[(place // len(_RIVAL_COLORS)) % len(styles)]
        axes.plot(errors.index, errors[name], color=color, linewidth=1.4, linestyle=style, label=called[name])
    axes.plot(errors.index, errors["model"], color=BLUE, linewidth=2.4, label=called["model"])
    axes.set_ylabel({"mase": "scaled error (MASE)", "mae": "mean absolute error"}[facts["measure"]])
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    _legend(axes)


class LossCurve(NamedTuple):
    """The losses of a network by epoch, as `plot_loss` takes them."""

    losses: Sequence[float]
    validation: Sequence[float | None]
    chosen_epoch: int


def plot_losses(curves: Sequence[LossCurve], title: str, unit: str) -> bytes:
    """The loss by which epochs were compared of each network of an ensemble, the chosen epochs marked; a PNG."""
    watched = [np.array(c.losses if c.validation[0] is None else c.validation, float) for c in curves]
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(curves)))
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _canvas(title)
        for number, (curve, losses, color) in enumerate(zip(curves, watched, colors, strict=True), 1):
            label = f"member {number}" if len(curves) <= 5 or number in {1, len(curves)} else None
            axes.plot(np.arange(1, len(losses) + 1), losses, color=color, linewidth=1.4, label=label)
            axes.plot(curve.chosen_epoch, losses[curve.chosen_epoch - 1], "o", color=color, markersize=6)
        axes.plot([], [], "o", color=INK, markersize=6, label="chosen")
        shown = np.concatenate(watched)
        if shown.min() > 0 and shown.max() > 20 * shown.min():
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"{'validation ' if curves[0].validation[0] is not None else ''}{unit}")
        _legend(axes)
        return _png(figure)


def plot_trials(errors: Mapping[int, float | None], baseline: tuple[str, float], own: int | None, title: str) -> bytes:
    """The error of each trial in their order, and the best so far; a PNG.

    Args:
        errors: by the number of the trial, one at least; None of one that has none, drawn as a mark on the lower edge.
        baseline: what a line is drawn at, its name and error.
        own: the number of the config as it stands, if it was tried.
    """
    trials, found = np.array(list(errors)), np.array(list(errors.values()), float)
    best = np.fmin.accumulate(found)
    ended = np.isfinite(found)
    with matplotlib.rc_context(_STYLE):
        figure, (axes,) = _canvas(title)
        axes.plot(trials[ended], found[ended], "o", color=BLUE, markersize=4.5, alpha=0.75, label="trial")
        axes.step(trials, best, where="post", color=INK, linewidth=1.6, label="best so far")
        if own is not None:
            rings: dict[str, Any] = {"markersize": 10, "fillstyle": "none", "markeredgewidth": 1.6}
            axes.plot(own, found[trials == own], "o", color=ORANGE, label="config as it stands", **rings)
        axes.axhline(baseline[1], color=GREY, linestyle=(0, (4, 2)), label=baseline[0])
        if not ended.all():
            edge: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            without = trials[~ended], np.zeros((~ended).sum())
            axes.plot(*without, "x", color=GREY, markersize=6, label="stopped early, impossible", **edge)
        _error_axis(axes, found[ended], best[-1])
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _legend(axes)
        return _png(figure)


def _error_axis(axes: Axes, errors: np.ndarray, best: float) -> None:
    """What is several times the best would press all others together: on a log scale it does not."""
    if errors.max() > 5 * best > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(_number))
        axes.yaxis.set_minor_formatter(FuncFormatter(_number))
    axes.set_ylabel("error on the validation part (MASE)")


def plot_gradients(before: Sequence[Flow], after: Sequence[Flow], title: str) -> bytes:
    """The norm of the gradient by steps back, before and after training, a panel for each layer; a PNG.

    Of a stack of more than two layers the lowest and the highest are shown. A norm of 0 has no place on a log axis.
    """
    top = max(flow.level for flow in after)
    layers = list(dict.fromkeys(flow.layer for flow in after if flow.level in {0, top}))
    with matplotlib.rc_context(_STYLE):
        figure, panels = _panels(title, len(layers))
        for layer, axes in zip(layers, panels, strict=True):
            for when, flows, color in (("before", before, ORANGE), ("after", after, BLUE)):
                _flow_lines(axes, [flow for flow in flows if flow.layer == layer], when, color)
            _flow_axes(axes, next(flow for flow in after if flow.layer == layer))
        figure.supylabel("gradient norm of a window's loss, scaled", fontsize=10)
        _row_legend(figure, panels[0])
        return _png(figure)


def plot_checkup(examined: Sequence[Examined], name: str) -> bytes:
    """The first few series of a file with what is odd about them, below each other; a PNG."""
    shown = examined[: _SHOWN_SERIES // 2]
    worst = f", the {len(shown)} worst of {len(examined):,} series" if len(examined) > len(shown) else ""
    with matplotlib.rc_context(_STYLE):
        figure, rows = _canvas(f"{name}{worst}: what is odd", len(shown))
        for axes, each in zip(rows, shown, strict=True):
            _draw_examined(axes, each)
            if len(shown) > 1:
                axes.set_title(shortened(each.series.name), fontsize=10, loc="right")
            else:
                axes.set_ylabel(shortened(each.series.target))
        _shared_legend(rows)
        return _png(figure)


def _draw_examined(axes: Axes, examined: Examined) -> None:
    series = examined.series
    x, values = _x(series.timestamps), series.values
    crowded = len(values) > 3000  # the line is a surface then, on which what is odd must be seen
    axes.plot(x, values, color=GREY if crowded else INK, linewidth=0.4 if crowded else 0.9, label="observed")
    _draw_gaps(axes, x, examined.gaps)
    for number, stretch in enumerate(examined.stretches):
        part = slice(stretch.first, stretch.first + stretch.length)
        label = "constant" if number == 0 else None
        axes.plot(x[part], values[part], color=GREEN, linewidth=4, solid_capstyle="butt", label=label)
        axes.plot(x[part][:1], values[part][:1], "s", color=GREEN, markersize=4)  # seen however short it is
    for number, shift in enumerate(examined.shifts):
        label = "level shift" if number == 0 else None
        axes.axvline(x[shift.at], color=BLUE, linestyle=(0, (4, 2)), label=label)
    rings: dict[str, Any] = {"markersize": 8, "fillstyle": "none", "markeredgewidth": 1.5}
    if len(examined.outliers):
        axes.plot(x[examined.outliers], values[examined.outliers], "o", color=ORANGE, label="outlier", **rings)
    if examined.codes:
        marks = np.flatnonzero(np.isin(values, examined.codes))
        axes.plot(x[marks], values[marks], "x", color=ORANGE, markersize=6, label="mark for missing")
    _time_axis(axes, series.timestamps)
    axes.margins(x=0.01)
    axes.yaxis.set_major_formatter(FuncFormatter(_number))


def _draw_gaps(axes: Axes, x: np.ndarray, gaps: Sequence[Gap]) -> None:
    """Long gaps as bands, short ones, which as bands would look longer than they are, as marks on the lower edge."""
    long = [gap for gap in gaps if gap.length > len(x) * _BAND]
    for number, gap in enumerate(long):
        ends = x[max(gap.first - 1, 0)], x[min(gap.first + gap.length, len(x) - 1)]
        label = "missing" if number == 0 else None
        axes.axvspan(*ends, color=ORANGE, alpha=0.35, linewidth=0, label=label)
    short = [gap.middle for gap in gaps if gap not in long]
    if short:
        lower = np.zeros(len(short))
        label = "missing" if not long else "missing, briefly"
        edge: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(x[short], lower, "^", color=ORANGE, markersize=6, linestyle="none", label=label, **edge)


def _shared_legend(rows: Sequence[Axes]) -> None:
    """Above the first axes, of whatever any of them shows, each once."""
    found = [axes.get_legend_handles_labels() for axes in rows]
    labelled = {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
    rows[0].legend(
        list(labelled.values()), list(labelled), loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(labelled),
        borderaxespad=0.2, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip


def _flow_lines(axes: Axes, flows: Sequence[Flow], when: str, color: str) -> None:
    """The states of a layer, each with its own style."""
    for flow in flows:
        reached = flow.norms > 0  # a dilated layer hands the gradient on from some of its steps alone
        marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if reached.sum() <= 40 else {}
        style = {"h": "-", "c": (0, (4, 2))}[flow.state]
        line = np.asarray(flow.steps_back)[reached], flow.norms[reached]
        axes.plot(*line, color=color, linestyle=style, linewidth=1.8, label=f"{flow.state}, {when} training", **marker)


def _flow_axes(axes: Axes, flow: Flow) -> None:
    """The whole way back, where nothing is left of the gradient, too."""
    axes.set_title(flow.layer if flow.stride == 1 else f"{flow.layer}, {flow.stride} steps at a time", fontsize=10)
    axes.set_yscale("log")
    margin = 0.02 * max(flow.span, 1)
    axes.set_xlim(-margin, flow.span + margin)
    if len(flow.norms) <= 8:
        axes.set_xticks(flow.steps_back)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("steps back in the order of reading")


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
