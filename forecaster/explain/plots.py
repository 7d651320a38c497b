"""Plots of contributions, of importance, of attention weights and of gradients through time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecaster.explain.attention_weights import AttentionWeights
from forecaster.explain.contributions import BASELINE, Contributions, count_decimals
from forecaster.explain.gradient_norms import GradientNorms
from forecaster.explain.importance import Importance
from forecaster.forecast import shorten
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
    apply_style,
    count_shown,
    make_figure,
    make_panels,
    make_step_locator,
)
from forecaster.wording import name_steps, name_time

YELLOW, AMBER = "#f0e442", "#e69f00"  # Okabe & Ito (2008), as the colors of other plots
_MAX_GROUPS = 8  # with a color each
_SMALLEST_SHARE = 0.01  # of all contributions that has a color
_MAX_BARS = 12
_STATE_NAMES = {"h": "hidden state h", "c": "cell state c"}


def plot_attention(attentions: Sequence[AttentionWeights], name: str) -> Figure:
    """Plot the attention weights over the past as heat maps of the first few series."""
    shown = attentions[:MAX_ROWS]
    title = f"{name}: attention weights{count_shown(len(shown), len(attentions))}"
    with apply_style({"axes.grid": False}):
        figure, rows = make_figure(title, len(shown))
        for axes, attention in zip(rows, shown, strict=True):
            _draw_attention(figure, axes, attention)
        rows[-1].set_xlabel(f"{name_steps(shown[0].series.frequency)} before the origin")
        return figure


def _draw_attention(figure: Figure, axes: Axes, attention: AttentionWeights) -> None:
    """Draw the weights of one series, a row per origin or step of the horizon."""
    edges = np.append(attention.steps_back, attention.steps_back[-1] - attention.segment) + attention.segment - 0.5
    first = int(attention.step[0])
    heights = np.arange(first, first + len(attention.weights) + 1) - 0.5
    mesh = axes.pcolormesh(edges, heights, attention.weights, cmap="cividis", vmin=0)
    axes.invert_xaxis()
    axes.invert_yaxis()
    unit = name_steps(attention.series.frequency)
    axes.xaxis.set_major_locator(make_step_locator(unit, edges[0]))
    if first:
        axes.set_ylabel(f"{shorten(attention.series.name)}\n{unit} ahead")
        axes.yaxis.set_major_locator(make_step_locator(unit, len(attention.weights), ticks=5))
    else:
        axes.set_ylabel(f"{shorten(attention.series.name)}\norigin")
        rows = _choose_rows(len(attention.weights))
        axes.set_yticks(rows)
        axes.set_yticklabels(
            name_time(attention.series.timestamps[attention.origin[row]], attention.series.frequency) for row in rows
        )
    figure.colorbar(mesh, ax=axes, label="weight", pad=0.01)


def _choose_rows(count: int, most: int = 8) -> range:
    """Choose rows of a heat map to label, evenly spaced from the first on."""
    return range(0, count, -(-count // most))


def plot_contributions(found: Sequence[Contributions], name: str) -> Figure:
    """Plot the contributions to the first forecast by step, and their mean over the horizon as a waterfall."""
    first = found[0]
    of = "" if first.series.name == name or len(found) == 1 else f" of {first.series.name}"
    title = f"{name}: contributions to the forecast{of}{count_shown(1, len(found))}"
    groups, values = _merge_small_groups(first)
    colors = _choose_colors(groups)
    with apply_style():
        figure, (steps, waterfall) = make_figure(title, 1, 2)
        _draw_steps(steps, first, values, colors)
        waterfall.grid(False)
        waterfall.grid(axis="x")
        _draw_waterfall(waterfall, first, groups, values, colors)
        return figure


def _merge_small_groups(found: Contributions) -> tuple[list[str], np.ndarray]:
    """Merge groups that are small, or too many for a color each: names, and contributions (groups, horizon)."""
    totals, names = found.totals, [group.name for group in found.groups]
    sizes = np.abs(totals).mean(axis=1)
    shown = np.argsort(-sizes, kind="stable")[: _MAX_GROUPS - 1]
    shown = np.sort(shown[sizes[shown] >= _SMALLEST_SHARE * sizes.sum()])
    others = np.setdiff1d(np.arange(len(names)), shown)
    if len(others) < 2:
        return names, totals
    merged = np.concatenate([totals[shown], totals[others].sum(axis=0, keepdims=True)])
    return [*(names[place] for place in shown.tolist()), f"{len(others)} others"], merged


def _choose_colors(groups: Sequence[str]) -> list[str]:
    """Choose a color for each group, of which the last may be what others are merged into."""
    colors = [BLUE, ORANGE, SKY, GREEN, PURPLE, YELLOW, AMBER]
    return [*colors, *[GREY] * len(groups)][: len(groups)]


def _draw_steps(axes: Axes, found: Contributions, values: np.ndarray, colors: Sequence[str]) -> None:
    """Draw the contributions (groups, horizon) to each step, stacked from the baseline up and down."""
    horizon, baseline = values.shape[1], found.baseline.sum(axis=0)
    x = np.arange(1, horizon + 1)
    tops, bottoms = np.zeros(horizon), np.zeros(horizon)
    for row, color in zip(values, colors, strict=True):
        starts = np.where(row >= 0, tops, bottoms)
        axes.bar(x, row, 0.86, baseline + starts, color=color, edgecolor="white", linewidth=0.3)
        tops, bottoms = tops + np.maximum(row, 0), bottoms + np.minimum(row, 0)
    line: dict[str, Any] = {"linewidth": 1.8, "marker": "o", "markersize": 3 if horizon <= 30 else 0}
    axes.step(x, baseline, where="mid", color=GREY, linewidth=1.4, linestyle=(0, (4, 2)), label=BASELINE)
    axes.plot(x, found.forecast, color=INK, markerfacecolor="white", label="forecast", **line)
    unit = name_steps(found.series.frequency)
    axes.xaxis.set_major_locator(make_step_locator(unit, horizon, ticks=7))
    axes.yaxis.set_major_formatter(ValueFormatter())
    axes.set_xlabel(f"{unit} ahead")
    add_legend(axes)


def _draw_waterfall(
    axes: Axes, found: Contributions, groups: Sequence[str], values: np.ndarray, colors: Sequence[str]
) -> None:
    """Draw the means of contributions (groups, horizon) below each other, each from where the one above it ends."""
    means, start = values.mean(axis=1), float(found.baseline.sum(axis=0).mean())
    ends = start + np.cumsum(means)
    starts = np.array([start, *ends[:-1]])
    places = np.arange(1, len(groups) + 1)
    axes.barh(places, means, 0.7, starts, color=colors)
    edges = np.array([start, *ends])
    axes.plot(edges[[0, 0]], [-0.35, 1.35], color=GREY, linewidth=0.8)
    for place, end in zip(places.tolist(), ends.tolist(), strict=True):
        axes.plot([end, end], [place - 0.35, place + 1.35], color=GREY, linewidth=0.8)
    axes.plot([start, ends[-1]], [0, len(groups) + 1], "D", color=INK, markersize=5)
    low, high = edges.min(), edges.max()
    margin = 0.04 * (high - low or 1)
    digits = count_decimals(edges)
    texts = [f"{start:,.{digits}f}", *(f"{mean:+,.{digits}f}" for mean in means), f"{ends[-1]:,.{digits}f}"]
    rights = [start, *np.maximum(starts, ends), ends[-1]]
    for place, (right, text) in enumerate(zip(rights, texts, strict=True)):
        axes.text(right + margin, place, text.replace("-", "\N{MINUS SIGN}"), va="center", fontsize=9)
    axes.set_yticks(range(len(groups) + 2), [BASELINE, *(shorten(group, 24) for group in groups), "forecast"])
    axes.set_xlim(low - 2 * margin, high + 9 * margin)
    axes.set_ylim(len(groups) + 1.6, -0.6)
    axes.xaxis.set_major_formatter(ValueFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("mean over the horizon")


def plot_importance(found: Importance, name: str) -> Figure:
    """Plot by how much the error in validation grows where each group of inputs is permuted."""
    table = found.table.iloc[:_MAX_BARS]
    title = f"{name}: error in validation where an input is permuted"
    with apply_style({"axes.grid.axis": "x"}):
        figure, (axes,) = make_figure(title)
        places = np.arange(len(table))
        axes.barh(places, table["increase"], 0.7, color=BLUE, xerr=table["deviation"], ecolor=INK, capsize=3)
        axes.set_yticks(places, [shorten(group) for group in table["group"]])
        axes.invert_yaxis()
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"increase of the MASE, which is {found.mase:.4g}")
        return figure


def plot_gradients(
    before: Sequence[GradientNorms], after: Sequence[GradientNorms], title: str, unit: str = "steps"
) -> Figure:
    """Plot gradient norms by steps back, before and after training, in a panel for each layer.

    Of a stack of more than two layers only the lowest and the highest are shown. Norms of 0 are not on the log axis.

    Args:
        unit: the steps' name.
    """
    top = max(norms.level for norms in after)
    layers = list(dict.fromkeys(norms.layer for norms in after if norms.level in {0, top}))
    with apply_style():
        figure, panels = make_panels(title, len(layers))
        for layer, axes in zip(layers, panels, strict=True):
            for when, all_norms, color in (("before", before, ORANGE), ("after", after, BLUE)):
                _draw_norms(axes, [norms for norms in all_norms if norms.layer == layer], when, color)
            _format_norm_axes(axes, next(norms for norms in after if norms.layer == layer), unit)
        for axes in panels[1:]:
            axes.sharey(panels[0])
        figure.supylabel("gradient norm of the loss (scaled units)", fontsize=10)
        add_row_legend(figure, panels[0])
        return figure


def _draw_norms(axes: Axes, all_norms: Sequence[GradientNorms], when: str, color: str) -> None:
    """Draw the norms of a layer's states, a line style for each."""
    for norms in all_norms:
        reached = norms.norms > 0  # in a dilated layer only some steps receive a gradient
        marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if reached.sum() <= 12 else {}
        style = {"h": "-", "c": (0, (4, 2))}[norms.state]
        line = np.asarray(norms.steps_back)[reached], norms.norms[reached]
        axes.plot(
            *line,
            color=color,
            linestyle=style,
            linewidth=1.8,
            label=f"{_STATE_NAMES[norms.state]}, {when} training",
            **marker,
        )


def _format_norm_axes(axes: Axes, norms: GradientNorms, unit: str) -> None:
    """Title the panel and show all steps back, including those whose norm is 0."""
    axes.set_title(norms.layer if norms.stride == 1 else f"{norms.layer}, {norms.stride} {unit} per recurrent step")
    axes.set_yscale("log")
    margin = 0.02 * max(norms.span, 1)
    axes.set_xlim(-margin, norms.span + margin)
    if len(norms.norms) <= 8:
        axes.set_xticks(norms.steps_back)
    else:
        axes.xaxis.set_major_locator(make_step_locator(unit, norms.span))
    axes.set_xlabel(f"{unit} back")
