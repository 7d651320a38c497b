"""Charts of series: their history, thinned where it is long, with forecasts and intervals."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd

from forecaster.data import Series
from forecaster.forecast import Forecast
from forecaster.html_report.content import Chart, Line, Panel
from forecaster.wording import format_timestamps

Bound = TypeVar("Bound")
_LINES = (Line("observed", "ink"), Line("forecast", "blue"), Line("filled", "orange", 2))
_THINNED = "Of long series, each two points of the earlier part are the lowest and the highest value of several steps."
_KEPT_HORIZONS, _LEAST_KEPT, _MOST_KEPT = 10, 300, 1500  # steps before the forecast that are never thinned
_SHOWN_HORIZONS, _LEAST_SHOWN = 4, 96  # steps before the forecast that are shown at first
NEWEST = 300  # points of past forecasts that are shown at first
_POINTS, _FEWEST, _MOST = 40_000, 200, 3000  # of all panels together, and at least and at most of one


def build_forecast_chart(pairs: Sequence[tuple[Series, Forecast]], total: int, unit: str) -> Chart:
    """Build the chart of series and their forecasts, the first of which is shown at first; `total` are not all."""
    most = min(_MOST, max(_FEWEST, _POINTS // len(pairs)))
    panels = [_make_forecast_panel(*pair, most) for pair in pairs]
    is_filled = any(np.isfinite(panel.lines[2]).any() for panel in panels)
    if not is_filled:
        panels = [replace(panel, lines=panel.lines[:2]) for panel in panels]
    bands = [label for label, *_ in list_bands(pairs[0][1].quantiles)]
    title, note = "Forecast, with its intervals and what was observed before", ""
    if any(len(series) > most for series, _ in pairs):
        note = _THINNED
    ahead = len(pairs[0][1].mean)
    shown = ahead + max(_SHOWN_HORIZONS * ahead, _LEAST_SHOWN)
    lines = _LINES if is_filled else _LINES[:2]
    return Chart("forecast", title, lines, panels, bands, unit, note=note, shown=shown, total=total)


def _make_forecast_panel(series: Series, forecast: Forecast, most: int) -> Panel:
    """Make the panel of a series and the forecast after it: observed, forecast, filled, and the intervals.

    Args:
        series: up to the origin.
        forecast: of the steps after it.
        most: points of history; a longer one is thinned.
    """
    values, steps, horizon = series.values, len(series), len(forecast.mean)
    places = _choose_places(values, min(max(_KEPT_HORIZONS * horizon, _LEAST_KEPT), _MOST_KEPT), most)
    origin, ahead = len(places) - 1, np.full(horizon, np.nan)
    filled = _mark_filled(series, places)
    times = [*series.timestamps[places], *forecast.timestamps]
    before = np.full(origin, np.nan)

    def continue_from_origin(bound: np.ndarray) -> np.ndarray:
        return np.concatenate([before, values[-1:], bound])

    return Panel(
        series.name,
        format_times(times),
        [np.append(values[places], ahead), continue_from_origin(forecast.mean), np.append(filled, ahead)],
        [
            (continue_from_origin(lower), continue_from_origin(upper))
            for _, lower, upper in list_bands(forecast.quantiles)
        ],
        np.append(places, steps + np.arange(horizon)),
        origin,
    )


def make_past_panel(
    name: str, times: Sequence[str], lines: Sequence[np.ndarray], quantiles: Mapping[float, np.ndarray], panels: int
) -> Panel:
    """Make one of some panels of forecasts in the past next to their actuals, each (points,), without old ones."""
    newest = slice(-min(_MOST, max(_FEWEST, _POINTS // panels)), None)
    bands = [(lower[newest], upper[newest]) for _, lower, upper in list_bands(quantiles)]
    return Panel(name, times[newest], [values[newest] for values in lines], bands)


def insert_gaps(rows: pd.DataFrame, origins: np.ndarray, times: np.ndarray) -> pd.DataFrame:
    """Insert a row without values, which interrupts lines, at each origin after the end of the forecast before it.

    Args:
        rows: of forecasts, by time, with `timestamp` and `origin`.
        origins, times: the same, which compare, (rows,).
    """
    later = 1 + np.flatnonzero(origins[1:] > times[:-1])
    gaps = pd.DataFrame({"timestamp": rows["origin"].to_numpy()[later]}, index=later - 0.5)
    return pd.concat([rows.reset_index(drop=True), gaps]).sort_index()


def list_bands(quantiles: Mapping[float, Bound]) -> list[tuple[str, Bound, Bound]]:
    """List the intervals between quantiles, the widest first: label, lower and upper bound."""
    lows = sorted(p for p in quantiles if p < 0.5 and round(1 - p, 10) in quantiles)
    return [(f"{100 * (1 - 2 * low):.6g} % interval", quantiles[low], quantiles[round(1 - low, 10)]) for low in lows]


def _choose_places(values: np.ndarray, kept: int, most: int) -> np.ndarray:
    """Choose the steps that are drawn: all of the newest, and of the earlier the lowest and highest of each block."""
    count = len(values)
    if count <= max(most, kept):
        return np.arange(count)
    early = count - min(kept, most // 2)
    blocks = np.array_split(np.arange(early), max(1, (most - (count - early)) // 2))
    lowest = [block[np.argmin(np.where(np.isnan(values[block]), np.inf, values[block]))] for block in blocks]
    highest = [block[np.argmax(np.where(np.isnan(values[block]), -np.inf, values[block]))] for block in blocks]
    return np.unique([*lowest, *highest, *range(early, count)])


def _mark_filled(series: Series, places: np.ndarray) -> np.ndarray:
    """Return the values at the steps that were filled, with the observed ones next to them; NaN elsewhere."""
    if series.observed is None:
        return np.full(len(places), np.nan)
    missing = ~series.observed
    near = missing | np.append(missing[1:], False) | np.insert(missing[:-1], 0, False)
    return np.where(near[places], series.values[places], np.nan)


def format_times(times: Iterable[object]) -> list[str]:
    """Format times as a reader reads them: without their zone, and without seconds where all are 0."""
    texts = [re.sub(r"(\d\d:\d\d:\d\d(?:\.\d+)?)[+-]\d\d:\d\d$", r"\1", text) for text in format_timestamps(times)]
    return (
        [text.removesuffix(":00") for text in texts] if all(re.search(r" \d\d:\d\d:00$", t) for t in texts) else texts
    )
