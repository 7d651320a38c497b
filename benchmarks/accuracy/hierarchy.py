"""Errors of reconciled forecasts and coverage of their intervals by level, next to those before reconciliation.

    .venv/bin/python benchmarks/accuracy/hierarchy.py
    .venv/bin/python benchmarks/accuracy/hierarchy.py --seeds 0 1 2 --methods mint

Generated monthly nights of tourists in 21 regions of 7 states, as in Australia's tourism data (FPP3, chapter 11): a
trend and a season of the country, of each state and of each region, and noise that the total averages out. For each
seed one network is trained on all levels, the same for each method; it forecasts a year from each month of the two
years after its data.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.config.policies import override_policies
from forecaster.evaluation.evaluate import evaluate
from forecaster.runs import load_version

_STATES, _REGIONS, _MONTHS, _TRAINED = 7, 3, 240, 204
_CONFIG = """
data: {path: trained.csv, time: month, target: nights, hierarchy: [state, region], season: 12}
window: {length: 36, horizon: 12}
split: {validation: 0.2, test: 0}
model: {cell: gru, units: 24, decoder: dense, normalization: seasonal}
training: {epochs: 20, refit: none}
"""


def make_nights(seed: int) -> pd.DataFrame:
    """Make the nights of each region and month: columns state, region, month and nights."""
    generator, months = np.random.default_rng(seed), np.arange(_MONTHS)

    def make_season() -> np.ndarray:
        phase, size = generator.uniform(0, 2 * np.pi, 2), generator.gamma(4, 0.03, 2)
        return np.asarray(sum(size[k] * np.sin(2 * np.pi * (k + 1) * months / 12 + phase[k]) for k in range(2)))

    def walk(deviation: float) -> np.ndarray:
        return generator.normal(0, deviation, _MONTHS).cumsum()

    country, rows = make_season() + walk(0.01), []
    for state in range(_STATES):
        of_state = make_season() + walk(0.015)
        for region in range(_REGIONS):
            level, noise = generator.gamma(3, 60), generator.normal(0, 0.12, _MONTHS)
            nights = level * np.exp(country + of_state + make_season() + walk(0.015) + noise)
            dates = pd.date_range("2005-01-01", periods=_MONTHS, freq="MS")
            rows.append(
                pd.DataFrame({"state": f"S{state}", "region": f"R{region}", "month": dates, "nights": nights.round(1)})
            )
    return pd.concat(rows)


def score(seed: int, methods: Sequence[str]) -> Iterator[tuple[str, str, float, float]]:
    """Train a network; yield MASE and coverage (80 %) by level and method, next to those before reconciliation."""
    nights = make_nights(seed)
    last = nights["month"].min() + pd.DateOffset(months=_TRAINED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nights.to_csv(folder / "all.csv", index=False)
        nights[nights["month"] < last].to_csv(folder / "trained.csv", index=False)
        (folder / "nights.yaml").write_text(_CONFIG)
        subprocess.run([sys.executable, "-m", "forecaster", "train", "nights.yaml"], cwd=folder, check=True)
        version = load_version(folder / "runs/nights")
        for number, method in enumerate(methods):
            # the same networks, with another policy
            config = override_policies(version.config, [f"forecast.reconcile={method}"])
            version.__dict__["config"] = config
            found = evaluate(version, folder / "all.csv", baselines=[]).comparison.scores_by_level
            for level, scores in found.items():
                named = {"before": scores["unreconciled"]} if number == 0 else {}
                for each, errors in (named | {method: scores["model"]}).items():
                    yield level, each, errors["mase"], errors["coverage_80"]


def main() -> None:
    """Print the mean over seeds of each level and method, and its deviation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", default=["mint", "bottom_up", "top_down"])
    arguments = parser.parse_args()
    rows = [row for seed in arguments.seeds for row in score(seed, arguments.methods)]
    table = pd.DataFrame(rows, columns=["level", "method", "mase", "coverage"])
    groups = table.groupby(["level", "method"], sort=False)
    for name in ("mase", "coverage"):
        print(name, groups[name].agg(["mean", "std"]).unstack("method").round(4).to_string(), sep="\n")


if __name__ == "__main__":
    main()
