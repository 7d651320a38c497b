"""Coverage and width of adaptive intervals over a year of nights, next to those that stay as they are.

    python benchmarks/reliability/intervals.py --data ../shared/data --plot docs/intervals.png

Forecasts are those of a weekly profile, which adapts to nothing; intervals are conformal, from the last 90 nights
before the year. From its middle on the series is two standard deviations higher. The picture shows the first series.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nights as simulation
import numpy as np
from nights import Nights, forecast_profile, load_nights, plant

from forecaster.forecasting.conformal import compute_half_widths
from forecaster.jobs.adaptive_intervals import AdaptiveIntervals, Intervals, replay
from forecaster.reporting.figures import BLUE, ORANGE, add_legend, apply_style, make_figure, render_figure

LEVELS = (80, 95)
SHIFTED = ("PJME", "COMED", "ETTh1 HUFL", "bike sharing", "Beijing PM2.5")
CALIBRATED, SETTLED = 90, 30  # nights


def simulate(nights: Nights) -> tuple[np.ndarray, Intervals, Intervals]:
    """Return the actual values, the static and the adapted intervals, each (nights, 1, levels or 1, horizon)."""
    before = replace(nights, origins=nights.origins[0] - nights.season * np.arange(CALIBRATED, 0, -1))
    errors = before.actuals - forecast_profile(before)
    half = np.stack([compute_half_widths(errors, level) for level in LEVELS])  # (levels, horizon)
    mean = forecast_profile(nights)[:, None, None]
    run = Intervals(mean - half, mean + half, mean + 0 * half, mean + 0 * half)
    actual = nights.actuals[:, None, None]
    state = AdaptiveIntervals.start(LEVELS, run.low.shape[1:])
    return actual, run, replay(state, nights.origins, actual, run)


def cover(actual: np.ndarray, intervals: Intervals) -> np.ndarray:
    """Compute the coverage of each night and level in percent, (nights, levels)."""
    return np.asarray(100 * ((intervals.low <= actual) & (actual <= intervals.high)).mean(axis=(1, 3)))


def draw(covers: Sequence[np.ndarray], night: int, path: Path) -> None:
    """Draw the coverage of four weeks, static and adapted, into a picture."""
    with apply_style():
        figure, rows = make_figure("Coverage of the last 28 nights; the level shifts at the line", len(LEVELS))
        for place, axes in enumerate(rows):
            for each, label, color in zip(covers, ("static", "adaptive"), (ORANGE, BLUE), strict=True):
                means = np.convolve(each[:, place], np.ones(28) / 28, mode="valid")
                axes.plot(np.arange(28, len(each) + 1), means, color=color, linewidth=2, label=label)
            axes.axhline(LEVELS[place], color="#222222", linewidth=1, linestyle=(0, (2, 3)))
            axes.axvline(night, color="#8a8a8a", linewidth=1)
            axes.set_ylabel(f"in {LEVELS[place]} % (%)")
            axes.set_ylim(-2, 102)
            add_legend(axes)
        rows[-1].set_xlabel("night")
        path.write_bytes(render_figure(figure, path.suffix))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print coverage before and after the shift, and the width of adapted intervals over that of static ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=simulation.DATA)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(arguments)
    simulation.DATA = options.data
    print(
        "| series | level | static: before | after | adaptive: before | after |", "|---|---|---|---|---|---|", sep="\n"
    )
    for name in SHIFTED:
        nights = load_nights(name)
        night = len(nights.origins) // 2
        actual, run, adapted = simulate(plant(nights, "level", night, 2.0))
        covers = [cover(actual, each) for each in (run, adapted)]
        for place, level in enumerate(LEVELS):
            cells = [f"{each[part, place].mean():.1f}" for each in covers
                     for part in (slice(SETTLED, night), slice(night + SETTLED, None))]  # fmt: skip
            print(f"| {name} | {level} % | {' | '.join(cells)} |", flush=True)
        if options.plot is not None and name == SHIFTED[0]:
            draw(covers, night, options.plot)


if __name__ == "__main__":
    main()
