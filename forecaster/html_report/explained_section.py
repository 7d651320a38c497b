"""The section on what a forecast is made of: the contributions of level, season, window and covariates."""

import math
from collections.abc import Sequence

import numpy as np

from forecaster.explain.contributions import BASELINE, Contributions
from forecaster.html_report.content import Cell, Chart, Color, Line, Panel, Section, Sentences, Table
from forecaster.html_report.series_panels import format_times

MOST_SERIES = 20  # that are explained
_MOST_LINES = 6  # groups with a line each; the others are added up
_COLORS: Sequence[Color] = ("blue", "orange", "green", "purple", "sky", "ink")


def build_explained_section(found: Sequence[Contributions], is_reconciled: bool = False) -> Section:
    """Build the section from the contributions to the forecasts of some series, the first of which is tabulated.

    Args:
        found: the contributions to the forecast of each series, before any reconciliation.
        is_reconciled: whether the forecasts that the report shows have been reconciled.
    """
    sizes: dict[str, float] = {}
    for each in found:
        for group, values in zip(each.groups, each.totals, strict=True):
            sizes[group.name] = max(sizes.get(group.name, 0.0), float(np.abs(values).mean()))
    names = sorted(sizes, key=lambda name: -sizes[name])
    shown = names if len(names) <= _MOST_LINES + 1 else names[:_MOST_LINES]
    lines = [Line(name, (*_COLORS, "grey")[place], place % 4) for place, name in enumerate(shown)]
    lines += [Line("all others", "grey", 2)] if len(shown) < len(names) else []
    panels = [_make_panel(each, shown, len(shown) < len(names)) for each in found]
    sentences = [
        "Added to the baseline, the mean of the series without a season, these contributions are the forecast "
        "(forecast explain)."
    ]
    if is_reconciled:
        sentences.append("They explain the forecast before reconciliation, which differs from the one above.")
    title = "What each part of the history adds to the forecast, or takes from it"
    return Section("Explained", [Sentences(sentences), Chart("explained", title, lines, panels), _tabulate(found[0])])


def _make_panel(found: Contributions, shown: Sequence[str], has_others: bool) -> Panel:
    """Make the panel of one series; a group that it has none of adds nothing."""
    totals = dict(zip((group.name for group in found.groups), found.totals, strict=True))
    values = [totals.get(name, np.zeros(len(found.timestamps))) for name in shown]
    if has_others:
        values.append(
            sum((each for name, each in totals.items() if name not in shown), np.zeros(len(found.timestamps)))
        )
    return Panel(found.series.name, format_times(found.timestamps), values)


def _tabulate(found: Contributions) -> Table:
    """Tabulate the contributions to one forecast over its steps: mean, lowest and highest."""
    rows = [(BASELINE, found.baseline.sum(axis=0))]
    rows += [(group.name, values) for group, values in zip(found.groups, found.totals, strict=True)]
    rows.append(("forecast", found.forecast))
    largest = max(float(np.abs(values).max()) for _, values in rows)
    # Rounded like the forecast, so that a part that adds nothing is 0 and not 1e-07.
    decimals = 0 if largest == 0 else 5 - math.floor(math.log10(largest))
    cells: list[list[Cell]] = [
        [name, *(round(float(f(values)), decimals) for f in (np.mean, np.min, np.max))] for name, values in rows
    ]
    note = f"{found.series.name}: over {len(found.timestamps):,} steps; the means add up to that of the forecast."
    return Table(["part", "mean", "lowest", "highest"], cells, note)
