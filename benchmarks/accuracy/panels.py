"""How accurate `forecast train FILE` is on many series without a YAML, next to the YAMLs of this folder.

    .venv/bin/python benchmarks/accuracy/panels.py --data ../shared/data                  # the last horizon, once
    .venv/bin/python benchmarks/accuracy/panels.py --data ../shared/data --part validation # the one before

Each panel is written as a CSV that ends where the forecasts begin, with a series in each row, trained by the real
command and forecast by `forecast predict`. Only the layout and the horizon of the competition are set. Each score is a
line of panels.jsonl, next to those of the zero-shot forecast and of the last season.
"""

import argparse
import csv
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import m3
import m4
import numpy as np
import pandas as pd
import scores
import tourism

from forecaster import __version__
from forecaster.evaluation.metrics import compute_owa
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import forecast_zero_shot

LOG = Path(__file__).with_suffix(".jsonl")
FORECAST = (sys.executable, "-m", "forecaster")


class Panel(NamedTuple):
    """A panel of a competition.

    Attributes:
        read: returns the training part of each series, and the test parts, (series, horizon).
        seasons: steps in each season, the main one first.
        metrics: besides OWA, which is known where the errors of Naive2 are.
        has_naive2: whether they are.
    """

    read: Callable[[Path], tuple[list[np.ndarray], np.ndarray]]
    seasons: tuple[int, ...]
    metrics: tuple[str, ...]
    has_naive2: bool = False


def _read_m4(data: Path) -> tuple[list[np.ndarray], np.ndarray]:
    (case,) = m4.cases(data).values()
    rows = pd.read_csv(case.csv, index_col="V1").to_numpy(float)
    return [row[~np.isnan(row)] for row in rows], case.truth


PANELS = {
    "M3 Monthly": Panel(lambda data: m3.read_series(data / "M3/M3Month.csv"), (12,), ("smape", "mase")),
    "M3 Quarterly": Panel(lambda data: m3.read_series(data / "M3/M3Quart.csv"), (4,), ("smape", "mase")),
    "Tourism Monthly": Panel(tourism.read_series, (12,), ("mape", "mase")),
    "M4 Hourly": Panel(_read_m4, (24, 168), ("smape", "mase"), has_naive2=True),
}


def main() -> None:
    """Train and forecast each panel, and print its scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--part", choices=("test", "validation"), default="test")
    parser.add_argument("--only", nargs="+", choices=PANELS, default=list(PANELS))
    parser.add_argument("--set", action="append", default=[], help="a setting to try in validation")
    options = parser.parse_args()
    if options.set and options.part == "test":
        parser.error("--set: changed settings are scored on the validation part only; add --part validation")
    for name in options.only:
        for row in score_panel(PANELS[name], options):
            line = json.dumps({"panel": name, "part": options.part, **row, "set": options.set})
            print(line, flush=True)
            with LOG.open("a") as log:
                log.write(line + "\n")


def score_panel(panel: Panel, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Score the trained forecast, the zero-shot forecast and the last season."""
    past, actual = panel.read(options.data)
    horizon = actual.shape[1]
    if options.part == "validation":
        past, actual = [values[:-horizon] for values in past], np.stack([values[-horizon:] for values in past])
    started = time.monotonic()
    forecasts = {
        "trained": forecast_trained(past, horizon, options.set),
        "zero-shot": forecast_untrained(past, panel.seasons, horizon),
        "last season": scores.seasonal_naive(past, panel.seasons[0], horizon),
    }
    seconds, date = round(time.monotonic() - started), datetime.datetime.now(datetime.UTC).date().isoformat()
    facts = {"date": date, "forecaster": __version__, "seconds": seconds}
    season, rows = panel.seasons[0], {}
    for name, each in forecasts.items():
        found = scores.scored(actual, each, past, season, panel.metrics)
        rows[name] = {"owa": compute_owa(found, scores.NAIVE2), **found} if panel.has_naive2 else found
    return [
        {"forecast": name, **{key: round(value, 5) for key, value in found.items()}, **facts}
        for name, found in rows.items()
    ]


def forecast_trained(past: Sequence[np.ndarray], horizon: int, overrides: Sequence[str]) -> np.ndarray:
    """Forecast with `forecast train` and `forecast predict`, (series, horizon)."""
    longest = max(map(len, past))
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "panel.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["series", *range(1, longest + 1)])
            writer.writerows(
                [f"s{number}", *values, *[""] * (longest - len(values))] for number, values in enumerate(past)
            )
        settings = ["data.layout=rows", f"window.horizon={horizon}", *overrides]
        run_command(folder, "train", "panel.csv", *(part for each in settings for part in ("--set", each)))
        table = run_command(folder, "predict", "runs/panel", "--levels", "")
    found: dict[str, list[float]] = {}
    header, *rows = csv.reader(table.splitlines())
    name, column = header.index("series"), header.index("mean")
    for row in rows:
        found.setdefault(row[name], []).append(float(row[column]))
    return np.array([found[f"s{number}"] for number in range(len(past))])


def run_command(folder: str, *arguments: str) -> str:
    """Run a verb in a folder; return what it prints, or end with its message."""
    done = subprocess.run([*FORECAST, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def forecast_untrained(past: Sequence[np.ndarray], seasons: Sequence[int], horizon: int) -> np.ndarray:
    """Forecast with the pretrained network, (series, horizon)."""
    length = count_history_steps(seasons)
    windows = np.full((len(past), length), np.nan)
    for row, values in zip(windows, past, strict=True):
        row[-len(values) :] = values[-length:]
    return forecast_zero_shot(windows, seasons, horizon, (0.5,))[..., 0]


if __name__ == "__main__":
    main()
