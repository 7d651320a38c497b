"""The pictures of attention weights and of gradients through time."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecaster.explain.attention_weights import AttentionWeights
from forecaster.explain.gradient_norms import GradientNorms
from forecaster.forecast import format_timestamps
from forecaster.reporting.figures import (
    BLUE,
    MAX_SERIES,
    ORANGE,
    STYLE,
    add_row_legend,
    make_figure,
    make_panels,
    render_png,
)


def plot_attention(attentions: Sequence[AttentionWeights], name: str) -> bytes:
    """A heat map of the weights over the past, the first few series below each other; a PNG."""
    shown = attentions[: MAX_SERIES // 2]
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure, rows = make_figure(f"{name}: where it looked", len(shown))
        for axes, attention in zip(rows, shown, strict=True):
            _draw_attention(figure, axes, attention)
        rows[-1].set_xlabel(f"steps of {shown[0].series.frequency} before the origin")
        return render_png(figure)


def _draw_attention(figure: Figure, axes: Axes, attention: AttentionWeights) -> None:
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
            text.removesuffix(":00") for text in format_timestamps(list(attention.series.timestamps[attention.origin]))
        ]
    axes.yaxis.set_major_formatter(lambda row, _: labels[int(row)] if 0 <= row < len(labels) else "")
    figure.colorbar(mesh, ax=axes, label="weight", pad=0.01)


def plot_gradients(before: Sequence[GradientNorms], after: Sequence[GradientNorms], title: str) -> bytes:
    """The norm of the gradient by steps back, before and after training, a panel for each layer; a PNG.

    Of a stack of more than two layers the lowest and the highest are shown. A norm of 0 has no place on a log axis.
    """
    top = max(flow.level for flow in after)
    layers = list(dict.fromkeys(flow.layer for flow in after if flow.level in {0, top}))
    with matplotlib.rc_context(STYLE):
        figure, panels = make_panels(title, len(layers))
        for layer, axes in zip(layers, panels, strict=True):
            for when, flows, color in (("before", before, ORANGE), ("after", after, BLUE)):
                _flow_lines(axes, [flow for flow in flows if flow.layer == layer], when, color)
            _flow_axes(axes, next(flow for flow in after if flow.layer == layer))
        figure.supylabel("gradient norm of a window's loss, scaled", fontsize=10)
        add_row_legend(figure, panels[0])
        return render_png(figure)


def _flow_lines(axes: Axes, flows: Sequence[GradientNorms], when: str, color: str) -> None:
    """The states of a layer, each with its own style."""
    for flow in flows:
        reached = flow.norms > 0  # a dilated layer hands the gradient on from some of its steps alone
        marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if reached.sum() <= 40 else {}
        style = {"h": "-", "c": (0, (4, 2))}[flow.state]
        line = np.asarray(flow.steps_back)[reached], flow.norms[reached]
        axes.plot(*line, color=color, linestyle=style, linewidth=1.8, label=f"{flow.state}, {when} training", **marker)


def _flow_axes(axes: Axes, flow: GradientNorms) -> None:
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
