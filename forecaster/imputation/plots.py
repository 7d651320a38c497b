"""The plot of filled gaps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.imputation.filled_csv import FilledSeries
from forecaster.reporting.figures import (
    BLUE,
    INK,
    ValueFormatter,
    add_legend,
    apply_style,
    drop_repeated_labels,
    format_time_axis,
    make_figure,
    style_band,
    to_axis,
)
from forecaster.time.gaps import Gap, find_gaps

_MAX_PANELS = 2


def plot_filling(filling: FilledSeries, name: str) -> Figure:
    """Plot up to two of the longest gaps with their surroundings: observed, filled and intervals."""
    gaps = find_gaps(filling.series.values)
    shown = _select_spans(gaps, len(filling.values))
    title = f"{name}: nothing to fill" if not gaps else f"{name}: {_name_gaps(len(shown), len(gaps))}, filled"
    with apply_style():
        figure, panels = make_figure(title, max(1, len(shown)))
        for axes, span in zip(panels, shown or [slice(None)], strict=True):
            _draw_span(axes, filling, span)
        drop_repeated_labels(panels)
        add_legend(panels[0])
        return figure


def _name_gaps(shown: int, gaps: int) -> str:
    """Name the gaps shown: all of them, or the longest."""
    if shown == gaps:
        return "1 gap" if gaps == 1 else f"{gaps} gaps"
    return f"the {'longest' if shown == 1 else f'{shown} longest'} of {gaps:,} gaps"


def _select_spans(gaps: Sequence[Gap], steps: int) -> list[slice]:
    """Select the steps around the longest gaps, in chronological order and without overlap."""
    spans: list[slice] = []
    for gap in sorted(gaps, key=lambda gap: -gap.length):
        around = max(2 * gap.length, 36)
        span = slice(max(0, gap.first - around), min(steps, gap.first + gap.length + around))
        if all(span.stop <= other.start or other.stop <= span.start for other in spans):
            spans.append(span)
        if len(spans) == _MAX_PANELS:
            break
    return sorted(spans, key=lambda span: span.start)


def _draw_span(axes: Axes, filling: FilledSeries, span: slice) -> None:
    """Draw the observed line with breaks at gaps, and each gap's values joined to the observed cells next to it."""
    index, gap = filling.series.timestamps[span], filling.gap[span]
    values = filling.values[span]
    x = to_axis(index)
    axes.plot(x, np.where(gap, np.nan, values), color=INK, linewidth=1.3, label="observed")
    adjacent = gap | np.append(gap[1:], False) | np.append(False, gap[:-1])
    axes.plot(x, np.where(adjacent, values, np.nan), color=BLUE, linewidth=1.6)
    axes.plot(x, np.where(gap, values, np.nan), "o", color=BLUE, markersize=3.5, label="filled")
    lows = sorted((probability for probability in filling.quantiles if probability < 0.5), reverse=True)
    for place, low in enumerate(lows):
        # The band closes at observed cells, which have no uncertainty.
        bottom, top = (np.where(gap, filling.quantiles[p][span], values) for p in (low, round(1 - low, 10)))
        axes.fill_between(x, bottom, top, where=adjacent, linewidth=0, **style_band(low, place, len(lows)))
    format_time_axis(axes, index[0], index[-1])
    axes.set_ylabel(filling.series.name)
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(ValueFormatter())
