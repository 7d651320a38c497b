"""A year of nights on the hourly load of PJM: a nightly `forecast run` on a file that grows by a day.

    .venv/bin/python benchmarks/reliability/year.py PJME_hourly.csv --folder /tmp/year

Each night at 03:00 of a simulated clock (the command `faketime` of Debian's package of this name) the file ends at
midnight, and one `forecast run` scores the night before, trains where a week has passed or drift was found, compares
the new version with the one in use, and forecasts the next day. Planted are: a load that is higher by 80 % from
1 February on, as where a neighbouring zone joins; on three nights, settings with which nothing is learnt; a night
without new rows; and a night on which the sensor reports 9,999,999. The report and the picture say what became of
each. What is in the folder already is continued.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FORECAST = Path(sys.executable).with_name("forecast")
FIRST, LAST = pd.Timestamp("2017-08-01"), pd.Timestamp("2018-07-31")
HISTORY = pd.DateOffset(years=2)
CHANGE, FACTOR = pd.Timestamp("2018-02-01"), 1.8
BAD_SETTINGS = [pd.Timestamp("2017-10-10"), pd.Timestamp("2018-01-09"), pd.Timestamp("2018-05-15")]
NO_ROWS, STUCK = pd.Timestamp("2017-11-15"), pd.Timestamp("2017-12-05")

CONFIG = """\
format: 1
data: {path: load.csv, time: time, target: load, frequency: h, season: 24}
window: {length: 168, horizon: 24}
split: {validation: 0.05, test: 672}
model: {cell: gru, units: [32], segment: 6, normalization: mean, decoder: dense}
training:
  optimizer: {name: adam, learning_rate: RATE, clip_norm: 1.0}
  schedule: {name: cosine}
  loss: mae
  batch_size: 64
  batches_per_epoch: 60
  epochs: EPOCHS
"""
JOBS = """\
format: 1
store: sqlite:///forecasts.db
keep: {last: 5, weekly: 8}
jobs:
  - name: load
    data: load.csv
    config: load.yaml
    output: forecast.csv
    max_age: 12h
    retrain: {every: 7d, on_drift: true}
"""


def main() -> None:
    """Run the nights, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path, help="PJME_hourly.csv")
    parser.add_argument("--folder", type=Path, required=True, help="of the jobs file, the runs and the store")
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--picture", type=Path, help="PNG of the year")
    options = parser.parse_args()
    load = read_load(options.csv)
    run_nights(load, options.folder, options.nights)
    print_report(options.folder)
    if options.picture:
        draw(options.folder, options.picture)


def read_load(path: Path) -> pd.Series:
    """Read the load as a regular series; the two hours of a clock change are averaged, missing ones interpolated."""
    table = pd.read_csv(path, parse_dates=["Datetime"]).groupby("Datetime")["PJME_MW"].mean()
    series = table.resample("h").mean().interpolate()
    return series.where(series.index < CHANGE, series * FACTOR)


def run_nights(load: pd.Series, folder: Path, nights: int) -> None:
    """Run each night that the log does not have."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jobs.yaml").write_text(JOBS)
    log = folder / "nights.jsonl"
    done = len(log.read_text().splitlines()) if log.exists() else 0
    for night in pd.date_range(FIRST, LAST)[done:nights]:
        write_files(load, folder, night)
        with log.open("a") as file:
            file.write(json.dumps(run_night(folder, night)) + "\n")


def write_files(load: pd.Series, folder: Path, night: pd.Timestamp) -> None:
    """Write the config and the data as they are on a night."""
    bad = night in BAD_SETTINGS
    config = CONFIG.replace("RATE", "0.5" if bad else "0.006").replace("EPOCHS", "1" if bad else "8")
    (folder / "load.yaml").write_text(config)
    end = night - pd.Timedelta(days=1) if night == NO_ROWS else night
    known = load[(load.index >= FIRST - HISTORY) & (load.index < end)].round(1)
    if night == STUCK:
        known.iloc[-6:] = 9_999_999
    unfinished = folder / "load.csv.new"
    known.rename_axis("time").rename("load").to_csv(unfinished)
    unfinished.replace(folder / "load.csv")


def run_night(folder: Path, night: pd.Timestamp) -> dict[str, Any]:
    """Run the jobs on a night, and record what they left."""
    versions_before = set(list_versions(folder))
    current = read_text(folder / "runs/load/current")
    before = pd.Timestamp.now()
    clock = ["faketime", "-f", f"@{night:%Y-%m-%d} 03:00:00", str(FORECAST), "run", "jobs.yaml"]
    environment = os.environ | {"TZ": "UTC"}
    result = subprocess.run(clock, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    seconds = (pd.Timestamp.now() - before).total_seconds()
    state = json.loads((folder / "status.json").read_text())["jobs"]["load"]
    new = [name for name in list_versions(folder) if name not in versions_before]
    challenges = {name: read_json(folder / f"runs/load/versions/{name}/challenge.json") for name in new}
    return {
        "night": f"{night:%Y-%m-%d}",
        "exit_code": result.returncode,
        "seconds": round(seconds, 2),
        "stderr": result.stderr,
        "promoted": read_text(folder / "runs/load/current") != current,
        "challenges": challenges,
        "versions": len(list_versions(folder)),
        "state": state,
    }


def list_versions(folder: Path) -> list[str]:
    """List the versions of the run."""
    return sorted(path.name for path in (folder / "runs/load/versions").glob("2*"))


def read_text(path: Path) -> str:
    """Read a file; empty where there is none."""
    return path.read_text() if path.exists() else ""


def read_json(path: Path) -> Any:
    """Read a JSON file; None where there is none."""
    return json.loads(path.read_text()) if path.exists() else None


def read_nights(folder: Path) -> list[dict[str, Any]]:
    """Read the log of the nights."""
    return [json.loads(line) for line in (folder / "nights.jsonl").read_text().splitlines()]


def read_history(folder: Path) -> pd.DataFrame:
    """Read the stored forecasts with their actual values."""
    command = [str(FORECAST), "history", "jobs.yaml", "--format", "csv", "--output", "history.csv"]
    subprocess.run(command, cwd=folder, check=True)
    return pd.read_csv(folder / "history.csv", parse_dates=["origin", "timestamp"]).dropna(subset="actual")


def print_report(folder: Path) -> None:
    """Print what became of the year, of each planted fault, and of each new version."""
    nights, history = read_nights(folder), read_history(folder)
    codes = pd.Series([each["exit_code"] for each in nights]).value_counts().to_dict()
    print(f"nights: {len(nights)}, exit codes: {codes}")
    print(f"seconds of a night without a training: {describe_seconds(nights, trained=False)}")
    print(f"seconds of a night with one: {describe_seconds(nights, trained=True)}")
    for each in nights:
        if each["exit_code"]:
            reason = each["state"]["reason"] if each["state"]["exit_code"] == each["exit_code"] else each["stderr"]
            print(f"{each['night']}: exit {each['exit_code']}: {reason[:150]}")
    print_challenges(nights)
    print_drift(nights)
    for name, part in split_year(history):
        inside = {
            level: ((part["actual"] >= part[f"lower_{level}"]) & (part["actual"] <= part[f"upper_{level}"])).mean()
            for level in (80, 95)
        }
        error = (part["actual"] - part["mean"]).abs().sum() / part["actual"].sum()
        covered = ", ".join(f"{share:.1%} by the {level} % interval" for level, share in inside.items())
        print(f"{name}: WAPE {error:.2%}, covered {covered}, {part['origin'].nunique()} forecasts")


def describe_seconds(nights: list[dict[str, Any]], trained: bool) -> str:
    """Describe the seconds of nights with or without a training."""
    seconds = [each["seconds"] for each in nights if bool(each["challenges"]) == trained]
    return f"{np.median(seconds):.1f} (median of {len(seconds)}), {max(seconds):.1f} at most" if seconds else "none"


def print_challenges(nights: list[dict[str, Any]]) -> None:
    """Print how many new versions were promoted, and whether any of them was worse."""
    all_challenges = [
        (each["night"], each["promoted"], found) for each in nights for found in each["challenges"].values() if found
    ]
    compared = [(night, promoted, *get_errors(found)) for night, promoted, found in all_challenges if "scores" in found]
    kept = [each for each in compared if each[1]]
    worse = sum(challenger > champion for _, _, challenger, champion in kept)
    print(f"new versions compared: {len(compared)}, put into use: {len(kept)}, of these worse: {worse}")
    for night, is_promoted, challenger, champion in compared:
        if pd.Timestamp(night) in BAD_SETTINGS:
            outcome = "put into use" if is_promoted else "not put into use"
            print(f"settings with which nothing is learnt, {night}: MASE {challenger:.3f} ({champion:.3f}), {outcome}")


def get_errors(challenge: dict[str, Any]) -> tuple[float, float]:
    """Get the errors of the new version and of the one in use."""
    scores, measure = challenge["scores"], challenge["measure"]
    return scores["challenger"][measure], scores["champion"][measure]


def print_drift(nights: list[dict[str, Any]]) -> None:
    """Print on which nights drift was reported."""
    found = [each["night"] for each in nights if each["state"].get("drift")]
    after = [night for night in found if pd.Timestamp(night) >= CHANGE]
    days = (pd.Timestamp(after[0]) - CHANGE).days if after else None
    print(f"drift on {len(found)} nights: {', '.join(found)}; after the planted change: {days} days")


def split_year(history: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Split forecasts by origin: before the planted change, the month after it, and after that."""
    origin, settled = history["origin"], CHANGE + pd.DateOffset(months=1)
    yield "before the change", history[origin < CHANGE - pd.Timedelta(days=1)]
    yield "the month after it", history[(origin >= CHANGE - pd.Timedelta(days=1)) & (origin < settled)]
    yield "the months after that", history[origin >= settled]


def draw(folder: Path, path: Path) -> None:
    """Draw the error of each night, the coverage of a month, and the versions."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  only where a picture is asked for
    from matplotlib.dates import DateFormatter  # noqa: PLC0415

    history, nights = read_history(folder), read_nights(folder)
    history["absolute"] = (history["actual"] - history["mean"]).abs()
    by_night = history.groupby(history["origin"].dt.floor("D") + pd.Timedelta(days=1))
    wape = 100 * by_night["absolute"].sum() / by_night["actual"].sum()
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(12.8, 7.2), sharex=True, height_ratios=[3, 2], layout="constrained"
    )
    top.plot(wape.index, wape, color="#999999", linewidth=0.8, label="each night")
    top.plot(wape.index, wape.rolling(14).mean(), color="#0072B2", linewidth=2, label="mean of 14 nights")
    marks = [(True, "^", "#009E73", "new version in use"), (False, "x", "#D55E00", "new version worse, not used")]
    for promoted, marker, color, label in marks:
        dates = [pd.Timestamp(e["night"]) for e in nights if e["challenges"] and e["promoted"] == promoted]
        top.plot(dates, np.full(len(dates), -0.4), marker, color=color, markersize=6, linestyle="", label=label)
    top.set_ylabel("error (% of the load)")
    for level, color in ((80, "#CC79A7"), (95, "#E69F00")):
        inside = (history["actual"] >= history[f"lower_{level}"]) & (history["actual"] <= history[f"upper_{level}"])
        share = 100 * inside.groupby(history["origin"].dt.floor("D") + pd.Timedelta(days=1)).mean()
        bottom.plot(share.index, share.rolling(30).mean(), color=color, linewidth=2, label=f"{level} % interval")
        bottom.axhline(level, color=color, linewidth=1, linestyle=":")
    bottom.set_ylabel("actual values covered,\nmean of 30 nights (%)")
    bottom.set_ylim(50, 101)
    for axes, corner in ((top, "upper left"), (bottom, "lower left")):
        axes.axvline(CHANGE, color="black", linewidth=1, linestyle="--")
        axes.legend(loc=corner, fontsize=11, ncols=2)
        axes.spines[["top", "right"]].set_visible(False)
    drift = [pd.Timestamp(each["night"]) for each in nights if each["state"].get("drift")]
    if drift:
        heights = np.full(len(drift), -0.9)
        top.plot(drift, heights, "D", color="black", markersize=4, linestyle="", label="drift reported")
        top.legend(loc="upper left", fontsize=11, ncols=2)
    place = CHANGE, top.get_ylim()[1]
    top.annotate("load rises by 80 %", place, xytext=(6, -12), textcoords="offset points", fontsize=11)
    top.set_title("A year of nightly forecasts of PJM's load, 24 hours ahead", loc="left")
    bottom.xaxis.set_major_formatter(DateFormatter("%b %Y"))
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    if shutil.which("faketime") is None:
        sys.exit("faketime is missing; it is in Debian's package faketime")
    main()
