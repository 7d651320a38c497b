"""False alarms of the tests of drift over a year of nights of real series, and days until planted changes are found.

    python benchmarks/reliability/drift.py --data ../shared/data

No network is trained: forecasts are those of a linear map from the last week to the next day, fitted on the years
before (`ridge`), and of a weekly profile that adapts to nothing. Changes are planted at two thirds of the year: a level
that is 2 or 4 standard deviations higher (of the values around their weekly profile), a scale that is 2 or 3 times as
large, and a sensor that is stuck.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import nights as simulation
import numpy as np
from nights import FORECASTERS, SERIES, Nights, load_nights, plant

from forecaster.jobs.drift import SIGNIFICANT, detect_error_drift, detect_input_drift, scale_errors

CHANGES = {
    "level + 2 sd": ("level", 2.0),
    "level + 4 sd": ("level", 4.0),
    "scale x 2": ("scale", 1.0),
    "scale x 3": ("scale", 2.0),
    "stuck": ("stuck", 0.0),
}
WATCHED = 30  # nights after a change


def find_error_alarms(nights: Nights, forecaster: str) -> np.ndarray:
    """Find the nights with drift of errors, (nights,)."""
    errors, baseline = (
        np.abs(nights.actuals - FORECASTERS[name](nights)).mean(axis=1) for name in (forecaster, "seasonal naive")
    )
    found = detect_error_drift(scale_errors(errors, baseline))
    return np.zeros(len(errors), bool) if found is None else found.found


def find_input_alarms(nights: Nights, chosen: range) -> np.ndarray:
    """Find which of some nights have drift of inputs, (nights,)."""
    ends = nights.origins[chosen.start : chosen.stop] + nights.season + 1
    results = [detect_input_drift(nights.values[:end], len(nights.training), nights.season) for end in ends]
    return np.array([each is not None and each.unlike_training and each.p_value < SIGNIFICANT for each in results])


def count_days(alarms: np.ndarray) -> str:
    """Count the days until the first alarm; empty without one."""
    return str(int(alarms.argmax()) + 1) if alarms.any() else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of nights with alarms, and one of days until changes are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=simulation.DATA)
    simulation.DATA = parser.parse_args(arguments).data
    print("| series | nights | alarms: ridge | weekly profile | inputs |", "|---|---|---|---|---|", sep="\n")
    for name in SERIES:
        nights = load_nights(name)
        inputs = find_input_alarms(nights, range(len(nights.origins)))
        counts = [find_error_alarms(nights, each).sum() for each in ("ridge", "weekly profile")]
        print(f"| {name} | {len(nights.origins)} | {counts[0]} | {counts[1]} | {inputs.sum()} |", flush=True)
    print("\nDays until found by errors of ridge / errors of the weekly profile / inputs\n")
    print(f"| series | {' | '.join(CHANGES)} |", "|---" * (1 + len(CHANGES)) + "|", sep="\n")
    for name in SERIES:
        cells = []
        for kind, size in CHANGES.values():
            nights = load_nights(name)
            night = 2 * len(nights.origins) // 3
            changed = plant(nights, kind, night, size)
            after = range(night, min(night + WATCHED, len(nights.origins)))
            alarms = [
                find_error_alarms(changed, each)[after.start : after.stop] for each in ("ridge", "weekly profile")
            ]
            cells.append(" / ".join(map(count_days, [*alarms, find_input_alarms(changed, after)])))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
