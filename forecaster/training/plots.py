"""Plots of losses by epoch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecaster.reporting.figures import BLUE, INK, ORANGE, add_legend, apply_style, make_figure


def plot_loss(
    losses: Sequence[float], validation: Sequence[float | None], chosen_epoch: int, title: str, unit: str
) -> Figure:
    """Plot training and validation loss by epoch, with the chosen epoch marked.

    Args:
        losses, validation: by epoch from the first; None without a validation part.
        chosen_epoch: counted from 1.
        unit: label of the loss axis.
    """
    epochs = np.arange(1, len(losses) + 1)
    marker: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(epochs) <= 30 else {}
    watched = np.array(losses if validation[0] is None else validation, float)
    with apply_style():
        figure, (axes,) = make_figure(title)
        axes.plot(epochs, losses, color=BLUE, linewidth=1.8, label="training", **marker)
        if validation[0] is not None:
            axes.plot(epochs, watched, "--", color=ORANGE, linewidth=1.8, label="validation", **marker)
        chosen: dict[str, Any] = {"markersize": 9, "fillstyle": "none", "markeredgewidth": 1.6}
        label = f"chosen: epoch {chosen_epoch}"
        axes.plot(chosen_epoch, watched[chosen_epoch - 1], "o", color=INK, label=label, **chosen)
        shown = [loss for loss in (*losses, *validation) if loss is not None and loss > 0]
        if shown and max(shown) > 20 * min(shown):
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axes.set_xlabel("epoch")
        axes.set_ylabel(_wrap(unit))
        add_legend(axes)
        return figure


class LossCurve(NamedTuple):
    """The losses of one network by epoch, as in `plot_loss`."""

    losses: Sequence[float]
    validation: Sequence[float | None]
    chosen_epoch: int


def plot_losses(curves: Sequence[LossCurve], title: str, unit: str) -> Figure:
    """Plot the loss of each network of an ensemble by epoch, with the chosen epochs marked."""
    watched = [np.array(c.losses if c.validation[0] is None else c.validation, float) for c in curves]
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(curves)))
    with apply_style():
        figure, (axes,) = make_figure(title)
        for number, (curve, losses, color) in enumerate(zip(curves, watched, colors, strict=True), 1):
            label = f"member {number}" if len(curves) <= 5 or number in {1, len(curves)} else None
            axes.plot(np.arange(1, len(losses) + 1), losses, color=color, linewidth=1.4, label=label)
            axes.plot(curve.chosen_epoch, losses[curve.chosen_epoch - 1], "o", color=color, markersize=6)
        axes.plot([], [], "o", color=INK, markersize=6, label="chosen")
        shown = np.concatenate(watched)
        if shown.min() > 0 and shown.max() > 20 * shown.min():
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axes.set_xlabel("epoch")
        label = f"{'validation ' if curves[0].validation[0] is not None else ''}{unit}"
        axes.set_ylabel(_wrap(label))
        add_legend(axes)
        return figure


def _wrap(label: str) -> str:
    """Break a label that is longer than its axis before its unit."""
    return label if len(label) <= 40 else label.replace(" (", "\n(", 1)
