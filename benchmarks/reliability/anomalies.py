"""The share of ordinary values that `--anomalies` flags, on series without anomalies; and NAB's days of taxi trips.

    python benchmarks/reliability/anomalies.py --data ../shared/data

Each kind of series has 1,500 hours; rates are means and deviations over series, by zero-shot forecasts.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.evaluation.anomalies import find_anomalies_without_training
from forecaster.forecasting.zero_shot import load_data_config

STEPS, SERIES, RATES = 1500, 16, (0.01, 0.05)
# The marathon, Thanksgiving, Christmas, New Year's Day and the snow storm, as NAB labels them.
DAYS = ("2014-11-02", "2014-11-27", "2014-12-25", "2015-01-01", "2015-01-27")
HOUR = 2 * np.pi * np.arange(STEPS) / 24


def _make_autocorrelated(generator: np.random.Generator) -> np.ndarray:
    noise = generator.normal(size=STEPS)
    for step in range(1, STEPS):
        noise[step] += 0.8 * noise[step - 1]
    return 10 * np.sin(HOUR) + noise


KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda generator: 10 * np.sin(HOUR) + generator.normal(size=STEPS),
    "autocorrelated": _make_autocorrelated,
    "Student's t, 3": lambda generator: 10 * np.sin(HOUR) + generator.standard_t(3, STEPS),
    "by the hour": lambda generator: 10 * np.sin(HOUR) + generator.normal(size=STEPS) * (1 + 0.9 * np.sin(HOUR)),
    "random walk": lambda generator: np.cumsum(generator.normal(size=STEPS)),
}


def measure_rates(kind: str, folder: Path) -> dict[float, np.ndarray]:
    """Measure the share of values that are flagged in each series, by rate, (series,)."""
    generator = np.random.default_rng(0)
    found: dict[float, list[float]] = {rate: [] for rate in RATES}
    times = pd.date_range("2026-01-01", periods=STEPS, freq="h")
    for _ in range(SERIES):
        path = folder / "series.csv"
        pd.DataFrame({"time": times, "value": 100 + KINDS[kind](generator)}).to_csv(path, index=False)
        config = load_data_config(path).config
        for rate in RATES:
            anomalies = find_anomalies_without_training(config, rate)
            found[rate].append(anomalies.flagged / anomalies.checked)
    return {rate: np.array(shares) for rate, shares in found.items()}


def main() -> None:
    """Print the shares of each kind, and the rank of each day of taxi trips among the events."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with nyc_taxi/")
    data = parser.parse_args().data
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            shares = measure_rates(kind, Path(folder))
            cells = [f"{100 * each.mean():.2f} % ± {100 * each.std():.2f} at {rate:g}" for rate, each in shares.items()]
            print(f"{kind:<16}", ", ".join(cells), flush=True)
    taxi = find_anomalies_without_training(load_data_config(data / "nyc_taxi" / "nyc_taxi.csv").config)
    print("taxi trips:", taxi.describe())
    for day in DAYS:
        ends = [{str(event.first)[:10], str(event.last)[:10]} for event in taxi.events]
        print(day, "is in event", next((rank for rank, days in enumerate(ends, 1) if day in days), None))


if __name__ == "__main__":
    main()
