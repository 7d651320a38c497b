"""Gaps of 1 to 24 hours in real power series: the network against methods without training.

    .venv/bin/python benchmarks/imputation.py ../shared/data/pjm_hourly

From the last fifth of each series gaps are cut at random, with three seeds; `forecast impute` trains on
what is before them and fills them, with the settings of configs/impute.yaml but for SETTINGS, which were
chosen on the part before the last fifth. The mean absolute errors are printed side by side.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.evaluation.metrics import compute_mae
from forecaster.imputation.artificial_gaps import cut_gaps
from forecaster.imputation.interpolation import fill_seasonal_mean, interpolate_seasonally
from forecaster.time.gaps import interpolate_linearly

ROOT = Path(__file__).parent.parent
YEARS = 4
CUT = 0.1  # share of the hours of the last fifth
LENGTHS = np.full(24, 1 / 24)  # gaps of 1 to 24 hours, each as often
DAY, WEEK = 24, 7 * 24
SETTINGS = (
    "split={validation: 0.1, test: 0.2}",
    "model.units=48",
    "model.dropout=0.2",
    "training.optimizer.learning_rate=0.005",
    "training.batch_size=32",
    "training.batches_per_epoch=100",
    "training.epochs=10",
)
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": interpolate_linearly,
    "daily": lambda gapped: fill_seasonal_mean(gapped, DAY),
    "weekly": lambda gapped: fill_seasonal_mean(gapped, WEEK),
    "line + day": lambda gapped: interpolate_seasonally(gapped, DAY),
    "line + week": lambda gapped: interpolate_seasonally(gapped, WEEK),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where PJME_hourly.csv and others lie")
    parser.add_argument("--series", nargs="+", default=["PJME", "AEP"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    _print_versions()
    print(f"MAE in MW of hidden hours: mean and spread over seeds {options.seeds}; below it the share of the network's")
    print(" | ".join(["series", "network", *WAYS, "covered by 80 %, 95 %", "seconds"]))
    for name in options.series:
        _print_row(name, [_errors(options.folder / f"{name}_hourly.csv", seed) for seed in options.seeds])


def _errors(path: Path, seed: int) -> dict[str, float]:
    """Errors of each way on one draw of gaps, the coverage of the intervals, and the seconds it took."""
    raw = pd.read_csv(path, parse_dates=["Datetime"])
    target = raw.columns[1]
    # One hour repeats each autumn and is missing each spring (DST); the network reads the regular series.
    load = raw.groupby("Datetime")[target].mean().asfreq("h").interpolate().iloc[-YEARS * 365 * DAY :].round()
    truth = load.to_numpy()
    gapped = cut_gaps(truth, round(0.8 * len(truth)), len(truth) - 1, LENGTHS, CUT, np.random.default_rng(seed))
    hidden = np.isnan(gapped)
    started = time.perf_counter()
    filled = _imputed(load[~hidden], target, seed)
    found = {"network": compute_mae(truth[hidden], filled[target].to_numpy()[hidden])}
    found |= {name: compute_mae(truth[hidden], way(gapped)[hidden]) for name, way in WAYS.items()}
    for level, low, high in (("80", "lower_80", "upper_80"), ("95", "lower_95", "upper_95")):
        inside = (filled[low] <= truth) & (truth <= filled[high])
        found[level] = 100 * float(inside[hidden].mean())
    return found | {"seconds": time.perf_counter() - started}


def _imputed(observed: pd.Series, target: str, seed: int) -> pd.DataFrame:
    """Fill the gaps of the observed hours with the command, as a table of all hours."""
    with tempfile.TemporaryDirectory() as folder:
        gaps, filled = Path(folder) / "gaps.csv", Path(folder) / "filled.csv"
        observed.to_csv(gaps)
        settings = (*SETTINGS, f"data.target={target}", f"training.seed={seed}")
        overrides = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "forecaster", "impute", str(gaps), str(ROOT / "configs/impute.yaml")]
        subprocess.run([*command, "--output", str(filled), *overrides], check=True)
        return pd.read_csv(filled)


def _print_versions() -> None:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("keras", "tensorflow", "numpy"))
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine}, {versions}")


def _print_row(name: str, draws: list[dict[str, float]]) -> None:
    means = {key: statistics.mean(draw[key] for draw in draws) for key in draws[0]}
    spreads = {key: statistics.stdev(draw[key] for draw in draws) if len(draws) > 1 else 0.0 for key in draws[0]}
    cells = [f"{means[key]:.0f} ± {spreads[key]:.0f}" for key in ("network", *WAYS)]
    covered = f"{means['80']:.1f} %, {means['95']:.1f} %"
    print(" | ".join([name, *cells, covered, f"{means['seconds']:.0f}"]))
    ratios = [f"{means['network'] / means[key]:.2f}" for key in ("network", *WAYS)]
    print(" | ".join(["ratio", *ratios, "", ""]), flush=True)


if __name__ == "__main__":
    main()
