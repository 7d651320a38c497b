"""How many actual values intervals cover: by errors in validation alone, and with those over the history.

    .venv/bin/python benchmarks/accuracy/coverage.py
    .venv/bin/python benchmarks/accuracy/coverage.py --only wineind milk

The inferred settings of each CSV of `defaults.py`, with a network that is small enough for a minute on one core. It
forecasts the test part with both kinds of intervals; the point forecasts are the same. Data from ../shared/data.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from defaults import SETS

from forecaster.default_config import propose
from forecaster.evaluation.calibrate import measure_calibration, select_validation
from forecaster.evaluation.held_out import score_test_part
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan, plan_training
from forecaster.training.build import prepare_trainer
from forecaster.training.export import export_onnx
from forecaster.training.trainer import Epoch

_EPOCHS = ["training.refit=none", "training.epochs=12", "training.batches_per_epoch=40"]
_SMALL = ["ensemble=null", "model.units=[24]", *_EPOCHS]
_LEVELS = ("80", "95")


class _Silent:
    """Watches a training without a word."""

    def report_batch(self, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Receive a finished batch."""

    def report_epoch(self, epoch: Epoch) -> None:
        """Receive a finished epoch."""


def main() -> None:
    """Train on each set, and print the coverage of both kinds of intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    print("| set | horizons of validation | 80 %, alone | with history | 95 %, alone | with history |")
    print("|---|---|---|---|---|---|")
    found = []
    for name in options.only:
        path, settings = SETS[name]
        horizons, *coverage = measure_coverage(options.data.resolve() / path, settings)
        found.append(coverage)
        cells = " | ".join(f"{each[level]:.1f}" for level in _LEVELS for each in coverage)
        print(f"| {name} | {horizons:.1f} | {cells} |", flush=True)
    for level in _LEVELS:
        off = [np.mean([abs(each[kind][level] - float(level)) for each in found]) for kind in (0, 1)]
        print(f"{level} %: mean distance from the level {off[0]:.1f} points, with history {off[1]:.1f}")


def measure_coverage(csv: Path, settings: Sequence[str]) -> tuple[float, dict[str, float], dict[str, float]]:
    """Measure the horizons of validation, and the coverage by level without and with errors over the training part."""
    loaded, panel = propose(csv, [*settings, *_SMALL])
    plan = plan_training(loaded, panel)
    predictor = _train(plan)
    calibration = measure_calibration(plan, predictor)
    origins, _ = select_validation(plan, predictor)  # whose residuals come first
    alone = replace(calibration, residuals=calibration.residuals[: len(origins)])
    scores = [score_test_part(plan, replace(predictor, calibration=each)) for each in (alone, calibration)]
    horizons = np.mean([member.split.validation for member in plan.members]) / plan.config.window.horizon
    return (float(horizons), scores[0]["coverage"], scores[1]["coverage"])


def _train(plan: Plan) -> Predictor:
    """Train the network of a plan; its predictor has no calibration."""
    trainer = prepare_trainer(plan, described=False)
    trainer.fit(_Silent())
    network = OnnxNetwork(*export_onnx(trainer.network, plan.config.window.length))
    return Predictor.from_network(network, plan.config, plan.preprocessing)


if __name__ == "__main__":
    main()
