"""Make visitors.csv: the daily visitors of two generated pools, and what they depend on.

Warm days bring more people, a discount a third more, public holidays half as many again, a closed day none. The last
two weeks are still to come: their discounts and closures are planned, their weather and their visitors not known.
"""

from pathlib import Path

import numpy as np
import pandas as pd

DAYS, AHEAD = 900, 14
POOLS = {"forest": 300.0, "harbour": 1100.0}
FIXED_HOLIDAYS = ("01-01", "05-01", "10-03", "12-25", "12-26")  # of those in Germany
WEEK = np.array([0.8, 0.8, 0.9, 0.9, 1.0, 1.4, 1.3])  # Monday to Sunday


def main() -> None:
    """Write the CSV beside this script."""
    generator = np.random.default_rng(11)
    days = pd.date_range("2024-01-01", periods=DAYS + AHEAD)
    season = -np.cos(2 * np.pi * (days.day_of_year - 20) / 365)
    weather = np.zeros(len(days))
    for day in range(1, len(days)):  # a warm day follows a warm day
        weather[day] = 0.8 * weather[day - 1] + generator.normal(0, 2)
    temperature = np.asarray(11 + 10 * season + weather)
    holiday = days.strftime("%m-%d").isin(FIXED_HOLIDAYS)
    tables = []
    for pool, size in POOLS.items():
        discount = generator.random(len(days)) < 0.12
        works = generator.random(len(days)) < 0.01
        mean = size * WEEK[days.day_of_week] * np.exp(0.03 * (temperature - 11))
        mean = mean * np.where(discount, 1.35, 1) * np.where(holiday, 1.5, 1) * ~works
        visitors = generator.poisson(mean).astype(object)
        measured = temperature.round(1).astype(object)
        visitors[DAYS:], measured[DAYS:] = "", ""
        opening = np.where(works, "closed", "open")
        columns = {"day": days, "pool": pool, "visitors": visitors, "temperature": measured}
        tables.append(pd.DataFrame(columns | {"discount": discount.astype(int), "opening": opening}))
    pd.concat(tables).to_csv(Path(__file__).with_name("visitors.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
