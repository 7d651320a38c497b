"""Make oil.csv: the monthly price of a barrel of West Texas crude, from FRED's MCOILWTICO (EIA, public domain)."""

import sys
from pathlib import Path

import pandas as pd


def main() -> None:
    """Read the long file of FRED series named on the command line and write the CSV beside this script."""
    raw = pd.read_csv(sys.argv[1])
    oil = raw[raw["series_id"] == "MCOILWTICO"][["datetime", "value"]].sort_values("datetime")
    oil.columns = ["month", "dollars_per_barrel"]
    oil.to_csv(Path(__file__).with_name("oil.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
