"""How accurate `forecast train any.csv` is: the inferred settings of a CSV against its seasonal naive.

    .venv/bin/python benchmarks/accuracy/defaults.py                    # scores the test part of each set, once
    .venv/bin/python benchmarks/accuracy/defaults.py --before-test      # to choose by: the test parts cut off

Each set is trained by the real command on its CSV as it is, with only the settings that no tool could infer: the
target column, and what to do about gaps and duplicates. The error is that of `metrics.json`: MASE over origins
throughout the held-out tenth, over that of the seasonal naive (of the last value where there is no season). It is that
of the networks before they are trained again on all rows, which is left out (`training.refit: none`). Each score of
a test part by the settings as inferred is a line of defaults.jsonl. Data from ../shared/data.
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from forecaster import __version__

LOG = Path(__file__).with_suffix(".jsonl")
FORECAST = Path(sys.executable).with_name("forecast")
_GAPS = ["data.gaps=interpolate"]
_PJM = [*_GAPS, "data.duplicates=mean"]
# The folder and name of each CSV, and the settings that it needs.
SETS: dict[str, tuple[str, list[str]]] = {
    "PJME": ("pjm_hourly/PJME_hourly.csv", _PJM),
    "PJMW": ("pjm_hourly/PJMW_hourly.csv", _PJM),
    "AEP": ("pjm_hourly/AEP_hourly.csv", _PJM),
    "COMED": ("pjm_hourly/COMED_hourly.csv", _PJM),
    "taylor": ("classic/taylor.csv", []),
    "AirPassengers": ("classic/AirPassengers.csv", []),
    "milk": ("classic/monthly-milk.csv", []),
    "ausbeer": ("classic/ausbeer.csv", []),
    "wineind": ("classic/wineind.csv", []),
    "woolyrnq": ("classic/woolyrnq.csv", []),
    "car sales": ("classic/jb_monthly-car-sales.csv", []),
    "sunspots": ("classic/monthly-sunspots.csv", []),
    "max temperatures": ("classic/jb_daily-max-temperatures.csv", _GAPS),
    "min temperatures": ("classic/jb_daily-min-temperatures.csv", [*_GAPS, "data.invalid_values=missing"]),
    "births": ("classic/jb_daily-total-female-births.csv", []),
    "gasoline": ("classic/us_gasoline.csv", []),
    "heart rate": ("classic/heart_rate.csv", []),
    "CO2 of gas": ("classic/gasrate_co2.csv", ["data.target=CO2%"]),
    "influenza": ("classic/ILINet.csv", ["data.target='% WEIGHTED ILI'", "data.na_values=[X]", *_GAPS]),
    "tourism": ("classic/australian_tourism.csv", ["data.target=*"]),
    "exchange rates": ("exchange_rate/exchange_rate.csv", ["data.target=*"]),
    "USD in EUR": ("nixtla_long/usdeur.csv", _GAPS),
    "taxis": ("nyc_taxi/nyc_taxi.csv", []),
    "traffic": ("autots/traffic_hourly.csv", ["data.target=traffic_volume", "data.duplicates=mean", *_GAPS]),
    "bikes by day": ("bike_sharing/day.csv", ["data.time=dteday", "data.target=cnt"]),
    "ETTh1": ("ETT-small/ETTh1.csv", ["data.target=OT"]),
    "ETTh2": ("ETT-small/ETTh2.csv", ["data.target=OT"]),
    "ETTm1": ("ETT-small/ETTm1.csv", ["data.target=OT"]),
    "Beijing": ("beijing_pm25/beijing_pm25.csv", ["data.time=[year, month, day, hour]", "data.target=pm2.5", *_GAPS]),
    "electricity prices": ("nixtla_long/electricity-short.csv", ["data.series=unique_id"]),
}


def main() -> None:
    """Train each set, and print its errors, their ratio and the time it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--before-test", action="store_true", help="cut the last tenth off first")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--set", action="append", default=[], help="overrides every config")
    options = parser.parse_args()
    print(
        "| set | MASE of the forecast | of the network alone | of the seasonal naive | ratio | seconds |\n"
        "|---|---|---|---|---|---|"
    )
    ratios = []
    for name in options.only:
        path, settings = SETS[name]
        overrides = ["training.refit=none", *settings, *options.set]
        row = _train(name, options.data.resolve() / path, overrides, options.before_test)
        ratios.append(row["mase"] / row["rival"])
        print(
            f"| {name} | {row['mase']:.3f} | {row['alone']:.3f} | {row['rival']:.3f} | {ratios[-1]:.3f} "
            f"| {row['seconds']:.0f} |",
            flush=True,
        )
        if not options.before_test and not options.set:
            with LOG.open("a") as log:
                log.write(json.dumps(row) + "\n")
    print(
        f"geometric mean of {len(ratios)} ratios {statistics.geometric_mean(ratios):.3f}, the largest {max(ratios):.3f}"
    )


def read_log() -> dict[str, dict[str, Any]]:
    """Read the newest row of each set."""
    return {row["set"]: row for row in map(json.loads, LOG.read_text().splitlines())}


def _train(name: str, csv: Path, settings: list[str], drop_test_parts: bool) -> dict[str, Any]:
    """Train on one set: MASE of the forecast, of the network alone and of the seasonal naive, and the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{csv.stem}.csv"
        if drop_test_parts:
            cut_rows(csv, file, 0.9)
        else:
            file.symlink_to(csv)
        overrides = [part for each in settings for part in ("--set", each)]
        started = time.monotonic()
        done = subprocess.run(
            [FORECAST, "train", file.name, *overrides], cwd=folder, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - started
        if done.returncode:
            sys.exit(f"{name}: {done.stderr}")
        (metrics,) = Path(folder).glob("runs/*/versions/*/metrics.json")
        scores = json.loads(metrics.read_text())["scores"]
    return {
        "set": name,
        "mase": round(scores["model"]["mase"], 5),
        "alone": round(scores.get("network_alone", scores["model"])["mase"], 5),
        "rival": round(scores.get("seasonal_naive", scores["naive"])["mase"], 5),
        "seconds": round(seconds),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "forecaster": __version__,
    }


def cut_rows(csv: Path, file: Path, share: float) -> None:
    """Keep the first share of the rows in order of time, in long files of each id; 0.9 drops the test part."""
    rows = pd.read_csv(csv, dtype=str, keep_default_na=False)
    if "unique_id" in rows:
        kept = rows.groupby("unique_id", group_keys=False)[list(rows)].apply(
            lambda part: part.head(int(share * len(part)))
        )
    else:
        times = pd.to_datetime(rows.iloc[:, 0], errors="coerce", format="mixed")
        order = times.argsort(kind="stable") if times.notna().all() and csv.parent.name == "pjm_hourly" else rows.index
        kept = rows.iloc[order].head(int(share * len(rows)))
    kept.to_csv(file, index=False)


if __name__ == "__main__":
    main()
