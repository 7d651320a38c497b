"""Charts as SVG that any width stretches, and as the JSON that the script of the page draws zoomed parts from."""

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from forecaster.html_report.content import Chart, Panel

_SIZE = 1000  # of a drawing in its own units, both ways
_TIME_TICKS, _VALUE_TICKS = 5, 5  # labels at most, so that they fit on a telephone
_NEAR_END, _END = 0.95 * _SIZE, ' class="end"'  # a label further right ends at its place, so that it is not cut
_MARGIN = 0.05  # of the values, above and below
_WHOLE, _HORIZONS, _LEAST_HISTORY = (
    150,
    4,
    48,
)  # points that are drawn whole; of a longer panel, those before a forecast
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIGITS = 6


def encode_panel(panel: Panel, times: int) -> dict[str, Any]:
    """Encode a panel for the script: n(ame), the number of its t(imes), l(ines), b(ands), p(laces), o(rigin)."""
    return {
        "n": panel.name,
        "t": times,
        "l": [_encode(values) for values in panel.lines],
        "b": [[_encode(low), _encode(high)] for low, high in panel.bands],
        **({} if panel.places is None else {"p": panel.places.tolist()}),
        **({} if panel.origin is None else {"o": panel.origin}),
    }


def _encode(values: np.ndarray) -> list[float | int | None]:
    """Round values to `_DIGITS` digits; None where they are not finite, integers without a decimal point."""
    rounded = [float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None for value in values.tolist()]
    return [
        int(value) if value is not None and value.is_integer() and abs(value) < 1e15 else value for value in rounded
    ]


def draw_plot(chart: Chart, panel: Panel) -> str:
    """Draw a panel as HTML: labels of the y axis, an SVG that fills its place, labels of the x axis.

    Where the chart shows the newest points at first, these are drawn; the script shows the others.
    """
    panel = _cut(panel, chart.shown)
    places = np.arange(len(panel.times)) if panel.places is None else panel.places
    low, high = _find_limits(chart, panel)
    x = _SIZE * (places - places[0]) / max(places[-1] - places[0], 1)
    ticks = choose_ticks(low, high)

    def scale(values: np.ndarray) -> np.ndarray:
        return _SIZE * (high - values) / (high - low)

    parts = [f'<path class="grid" d="M0,{_SIZE * (high - tick) / (high - low):.1f}H{_SIZE}"/>' for tick in ticks]
    parts += [
        f'<path class="band band{number}" d="{_trace_band(x, scale(lower), scale(upper))}"/>'
        for number, (lower, upper) in enumerate(panel.bands)
    ]
    if panel.origin is not None:
        parts.append(f'<path class="origin" d="M{x[panel.origin]:.1f},0V{_SIZE}"/>')
    parts += [
        f'<path class="line {line.color} dash{line.dash}" d="{_trace_line(x, scale(values))}"/>'
        for line, values in zip(chart.lines, panel.lines, strict=True)
    ]
    values = "".join(
        f'<span style="bottom:{100 * (tick - low) / (high - low):.2f}%">{format_value(tick)}</span>' for tick in ticks
    )
    times = "".join(
        f'<span{_END if at > _NEAR_END else ""} style="left:{100 * at / _SIZE:.2f}%">{html.escape(text)}</span>'
        for at, text in ((x[place], text) for place, text in pick_times(panel.times))
    )
    svg = f'<svg viewBox="0 0 {_SIZE} {_SIZE}" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'
    return f'<div class="values">{values}</div><div class="area">{svg}</div><div class="times">{times}</div>'


def _cut(panel: Panel, shown: int) -> Panel:
    """Cut the newest `shown` points of a panel; all where it is 0."""
    first = max(0, len(panel.times) - shown) if shown else 0
    return Panel(
        panel.name,
        panel.times[first:],
        [values[first:] for values in panel.lines],
        [(lower[first:], upper[first:]) for lower, upper in panel.bands],
        None if panel.places is None else panel.places[first:],
        None if panel.origin is None else panel.origin - first,
    )


def _find_limits(chart: Chart, panel: Panel) -> tuple[float, float]:
    """Find the lowest and the highest value of the y axis."""
    every = np.concatenate([*panel.lines, *(bound for band in panel.bands for bound in band)])
    known = every[np.isfinite(every)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = _MARGIN * (high - low) or _MARGIN * abs(high) or 1.0
    return (min(low, 0.0), high + room) if chart.is_from_zero else (low - room, high + room)


def choose_ticks(low: float, high: float, most: int = _VALUE_TICKS) -> list[float]:
    """Choose round values between two: multiples of 1, 2 or 5 times a power of ten."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= most)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _trace_line(x: np.ndarray, y: np.ndarray) -> str:
    """Trace a line; values that are NaN interrupt it, and a single value is a dot."""
    return "".join(
        f"M{x[first]:.1f},{y[first]:.1f}"
        + ("".join(f"L{x[place]:.1f},{y[place]:.1f}" for place in range(first + 1, last)) or "h0")
        for first, last in _find_runs(y)
    )


def _trace_band(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> str:
    """Trace the outline of a band: its upper bounds, then its lower ones back."""
    path = ""
    for first, last in _find_runs(lower + upper):
        there = "L".join(f"{x[place]:.1f},{upper[place]:.1f}" for place in range(first, last))
        back = "L".join(f"{x[place]:.1f},{lower[place]:.1f}" for place in reversed(range(first, last)))
        path += f"M{there}L{back}Z"
    return path


def _find_runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Find the runs of values that are not NaN: the first place of each, and that after its last."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(known[1:] != known[:-1])
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def pick_times(times: Sequence[str], most: int = _TIME_TICKS) -> list[tuple[int, str]]:
    """Pick the places of an x axis that are labelled: begins of years, months or days, or round numbers.

    The script does the same with the part that is shown.
    """
    ranks = [_rank(times, place) for place in range(len(times))]
    for least in (4, 3, 2, 1, 0):
        found = [place for place, rank in enumerate(ranks) if rank >= least]
        if len(found) >= 3 or least == 0:
            break
    return [(place, _name_tick(times[place], ranks[place])) for place in found[:: max(1, math.ceil(len(found) / most))]]


def _rank(times: Sequence[str], place: int) -> int:
    """Rank a time: 4 begins a year, 3 a month, 2 a day, 1 a quarter of a day; numbers by what divides them."""
    text, before = times[place], times[place - 1] if place else ""
    if "-" not in text[1:]:
        number = int(text) if text.lstrip("-").isdigit() else 1
        return next((rank for rank, divisor in ((3, 100), (2, 10), (1, 5)) if number % divisor == 0), 0)
    if not before:
        return 4 if text[4:10] == "-01-01" else 3 if text[7:10] == "-01" else 2 if text[11:16] in {"", "00:00"} else 0
    for rank, length in ((4, 4), (3, 7), (2, 10)):
        if text[:length] != before[:length]:
            return rank
    return 1 if text[14:16] == "00" and int(text[11:13]) % 6 == 0 else 0


def _name_tick(text: str, rank: int) -> str:
    """Name a time of a rank: `2026`, `Mar 2026`, `14 Mar` or `06:00`."""
    if "-" not in text[1:]:
        return text
    month = _MONTHS[int(text[5:7]) - 1]
    if rank >= 3:
        return text[:4] if rank == 4 else f"{month} {text[:4]}"
    return f"{int(text[8:10])} {month}" if rank == 2 or text[11:16] in {"", "00:00"} else text[11:16]


def format_value(value: float) -> str:
    """Format a number with up to six digits and commas between thousands."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3e}"
    decimals = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    text = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\N{MINUS SIGN}")
