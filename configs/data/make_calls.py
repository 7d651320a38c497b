"""Make calls.csv: generated counts of daily emergency calls in a small town, more on weekends and in winter."""

from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 1461
WEEK = np.array([0.9, 0.85, 0.85, 0.9, 1.1, 1.3, 1.1])  # Monday to Sunday
DISPERSION = 0.15  # the variance of a day is mean + 0.15 mean²


def main() -> None:
    """Write the CSV beside this script."""
    generator = np.random.default_rng(3)
    days = pd.date_range("2022-01-01", periods=DAYS)
    mean = 6 * WEEK[days.day_of_week] * (1 + 0.4 * np.cos(2 * np.pi * days.day_of_year / 365.25))
    calls = generator.poisson(generator.gamma(1 / DISPERSION, DISPERSION * mean))
    rows = pd.DataFrame({"day": days, "calls": calls})
    rows.to_csv(Path(__file__).with_name("calls.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
