"""Make gaps.csv: seven months of the hours of power.csv, with gaps of 1 to 24 hours cut out at random.

Half of the gaps are rows that are missing, half are rows whose cell is empty.
"""

import csv
from pathlib import Path

import numpy as np

FIRST, LAST = "2017-09-01 00:00:00", "2018-03-31 23:00:00"
GAPS, LONGEST, SEED = 30, 24, 0


def main() -> None:
    """Write the CSV beside this script."""
    here = Path(__file__).parent
    header, *rows = csv.reader((here / "power.csv").read_text().splitlines())
    rows = [row for row in rows if FIRST <= row[0] <= LAST]
    generator = np.random.default_rng(SEED)
    stretch = len(rows) // GAPS  # one gap somewhere in the middle of each
    removed: set[int] = set()
    for number in range(GAPS):
        first = number * stretch + int(generator.integers(LONGEST, stretch - 2 * LONGEST))
        cells = range(first, first + int(generator.integers(1, LONGEST + 1)))
        if number % 2:
            removed.update(cells)
        for row in cells:
            rows[row][1] = ""
    kept = [row for number, row in enumerate(rows) if number not in removed]
    (here / "gaps.csv").write_text("".join(f"{','.join(row)}\n" for row in [header, *kept]))


if __name__ == "__main__":
    main()
