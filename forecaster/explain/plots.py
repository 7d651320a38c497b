"""Plots of attention weights and of gradients through time."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.explain.attention_weights import AttentionWeights
from forecaster.explain.gradient_norms import GradientNorms
from forecaster.forecast import shorten
from forecaster.reporting.figures import (
    BLUE,
    MAX_ROWS,
    ORANGE,
    STYLE,
    add_row_legend,
    count_shown,
    make_figure,
    make_panels,
    make_step_locator,
)
from forecaster.wording import name_steps, name_time

_STATE_NAMES = {"h": "hidden state h", "c": "cell state c"}


def plot_attention(attentions: Sequence[AttentionWeights], name: str) -> Figure:
    """Plot the attention weights over the past as heat maps of the first few series."""
    shown = attentions[:MAX_ROWS]
    title = f"{name}: attention weights{count_shown(len(shown), len(attentions))}"
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
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
    with matplotlib.rc_context(STYLE):
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
