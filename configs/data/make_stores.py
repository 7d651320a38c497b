"""Make stores.csv: the daily sales of six generated stores, three in the city and three in the country.

The city buys on working days, the country on Saturdays; each store has its own size and its own noise.
"""

from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 500
CITY = np.array([1.1, 1.15, 1.1, 1.2, 1.3, 0.7, 0.4])  # Monday to Sunday
COUNTRY = np.array([0.8, 0.85, 0.8, 0.9, 1.2, 1.7, 0.6])
STORES = {"north": 40, "centre": 130, "station": 90, "mill": 25, "farm": 15, "lake": 30}


def main() -> None:
    """Write the CSV beside this script."""
    generator = np.random.default_rng(6)
    days = pd.date_range("2025-01-01", periods=DAYS)
    tables = []
    for number, (store, size) in enumerate(STORES.items()):
        kind, profile = ("city", CITY) if number < 3 else ("country", COUNTRY)
        summer = 1 + (0.3 if kind == "country" else -0.15) * np.sin(2 * np.pi * (days.day_of_year - 100) / 365)
        mean = size * profile[days.day_of_week] * summer
        sold = np.maximum(mean * generator.normal(1, 0.08, DAYS), 0).round(1)
        tables.append(pd.DataFrame({"day": days, "store": store, "kind": kind, "sold": sold}))
    rows = pd.concat(tables).sort_values(["day", "store"])
    rows.to_csv(Path(__file__).with_name("stores.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
