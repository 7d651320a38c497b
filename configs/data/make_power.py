"""Make power.csv: two years of hourly load of PJM East from the raw file PJME_hourly.csv (CC0).

The raw file is not in order of time. In local time an hour stands twice each autumn (its mean is
taken) and one is missing each spring (interpolated), so that the CSV is regular.
"""

import sys
from pathlib import Path

import pandas as pd

FIRST, LAST = "2016-08-01 00:00", "2018-07-31 23:00"


def main() -> None:
    """Read the file named on the command line and write the CSV beside this script."""
    raw = pd.read_csv(sys.argv[1], parse_dates=["Datetime"])
    load = raw.groupby("Datetime")["PJME_MW"].mean().loc[FIRST:LAST]
    regular = load.asfreq("h").interpolate().round().astype(int)
    regular.to_csv(Path(__file__).with_name("power.csv"), lineterminator="\n")


if __name__ == "__main__":
    main()
