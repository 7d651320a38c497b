"""How many actual values intervals cover: by errors in validation alone, and with those over the history.

    .venv/bin/python benchmarks/accuracy/coverage.py
    .venv/bin/python benchmarks/accuracy/coverage.py --only wineind milk
    .venv/bin/python benchmarks/accuracy/coverage.py --zero-shot
    .venv/bin/python benchmarks/accuracy/coverage.py --zero-shot --before-test   # to choose by
    .venv/bin/python benchmarks/accuracy/coverage.py --chance

The inferred settings of each CSV of `defaults.py`, with a network that is small enough for a minute on one core. It
forecasts the test part with both kinds of intervals; the point forecasts are the same. Data from ../shared/data.

With `--zero-shot` the pretrained network forecasts, with its own intervals and with those of `forecast predict FILE`,
whose widths are measured at ten dates of the test part, each by the errors before it; panels of competitions follow,
each forecast once from the ends of its series. With `--before-test` the test
part is cut off, and each of the four last eighths of the rest takes its place.

With `--chance` the pretrained network forecasts all that is before the test part, and its intervals are widened by the
factors with which they cover exactly 80 and 95 % of that, which nobody knows in advance. Printed is how far the
coverage of blocks as long as the test part is from these levels all the same.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from defaults import SETS
from zero_shot import BENCHMARKS, Part

from forecaster.data import Series
from forecaster.default_config import propose
from forecaster.evaluation.calibrate import measure_calibration, select_validation
from forecaster.evaluation.held_out import score_test_part
from forecaster.forecast import level_to_quantiles, levels_to_probabilities
from forecaster.forecasting.interval_widths import WidthFactors, cut_window, measure_width_factors, read_actual
from forecaster.forecasting.onnx_network import OnnxNetwork
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.forecasting.zero_shot_forecasts import forecast_windows
from forecaster.preprocessing.plan import Plan, plan_training
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import forecast_zero_shot
from forecaster.training.build import prepare_trainer
from forecaster.training.export import export_onnx
from forecaster.training.trainer import Epoch

_EPOCHS = ["training.refit=none", "training.epochs=12", "training.batches_per_epoch=40"]
_SMALL = ["ensemble=null", "model.units=[24]", *_EPOCHS]
_LEVELS = ("80", "95")
_ZERO_SHOT_ORIGINS, _DATES = 200, 10  # origins of a test part, and dates at which widths are measured
_CHANCE_SERIES = 4  # of a panel, whose blocks at the same dates are one
_PANELS = ("M4 Hourly", "M3 Monthly", "M3 Quarterly", "Tourism Monthly")
_BEFORE_TEST = ((0.5, 0.625), (0.625, 0.75), (0.75, 0.875), (0.875, 1.0))


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
    parser.add_argument("--zero-shot", action="store_true")
    parser.add_argument("--before-test", action="store_true", help="with --zero-shot")
    parser.add_argument("--chance", action="store_true")
    options = parser.parse_args()
    if options.chance:
        print_chance(options.data.resolve(), options.only)
        return
    if options.zero_shot:
        print_zero_shot(options.data.resolve(), options.only, options.before_test)
        for name in _PANELS if options.only == list(SETS) and not options.before_test else ():
            (part,) = BENCHMARKS[name].parts(options)
            cells = " | ".join(f"{each:.1f}" for each in measure_panel(part))
            print(f"| {name} | {cells} |", flush=True)
        return
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
    predictor = Predictor.from_network(train_network(plan), plan.config, plan.preprocessing)
    calibration = measure_calibration(plan, predictor)
    origins, _ = select_validation(plan, predictor)  # whose residuals come first
    alone = replace(calibration, residuals=calibration.residuals[: len(origins)])
    scores = [score_test_part(plan, replace(predictor, calibration=each)) for each in (alone, calibration)]
    horizons = np.mean([member.split.validation for member in plan.members]) / plan.config.window.horizon
    return (float(horizons), scores[0]["coverage"], scores[1]["coverage"])


def print_zero_shot(data: Path, names: Sequence[str], before_test: bool) -> None:
    """Print the coverage of the network's own intervals and of those of `forecast predict FILE`, set by set."""
    print("| set | 80 % | of predict | 95 % | of predict |")
    print("|---|---|---|---|---|")
    rows = []
    for name in names:
        path, settings = SETS[name]
        proposal = propose(data / path, settings)
        plan = plan_training(proposal.loaded, proposal.panel)
        parts = _BEFORE_TEST if before_test else (None,)
        coverages = [measure_zero_shot(plan, part) for part in parts]
        rows += coverages
        cells = (", ".join(f"{each[place]:.1f}" for each in coverages) for place in range(4))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for kind, first in (("its own", 0), ("of predict", 1)):
        found = np.array([[row[first], row[first + 2]] for row in rows])  # (parts, levels)
        off, inside = np.abs(found - [80, 95]), np.array([5, 3])
        print(
            f"{kind}: mean distance {off[:, 0].mean():.1f} and {off[:, 1].mean():.1f} points, "
            f"{(off <= inside).all(axis=1).sum()} of {len(found)} within 5 and 3 points"
        )


def measure_zero_shot(plan: Plan, part: tuple[float, float] | None) -> list[float]:
    """Measure the coverage of 80 % by the network's own intervals and by those of `predict`, then that of 95 %.

    Args:
        plan: of the set.
        part: shares of the steps before the test part, between which origins lie; None for the test part.
    """
    horizon, data, splits = plan.config.window.horizon, plan.config.data, plan.members.splits
    padding = plan.config.padding_steps
    panel = [plan.members.panel[number] for number in plan.members.numbers]
    panel = [series.cut(padding, len(series)) for series in panel]
    own: list[tuple[np.ndarray, np.ndarray]] = []
    widened: list[tuple[np.ndarray, np.ndarray]] = []
    for date in range(_DATES):
        begins, lasts = [], []
        for series, split in zip(panel, splits, strict=True):
            held_out = split.validation_end - padding
            first, last = (held_out, len(series)) if part is None else (int(held_out * share) for share in part)
            last -= horizon
            begins.append(first + (last - first) * date // _DATES)
            lasts.append(first + (last - first) * (date + 1) // _DATES)
        known = [series.cut(0, begin) for series, begin in zip(panel, begins, strict=True)]
        widths = measure_width_factors(known, data.seasons, horizon, (80.0, 95.0), data.gaps)
        for each, begin, last in zip(panel, begins, lasts, strict=True):
            count = max(1, _ZERO_SHOT_ORIGINS // _DATES // len(panel))
            ends = np.unique(np.linspace(begin, max(begin, last - 1), count).round().astype(int)).tolist()
            for covered, used in ((own, WidthFactors()), (widened, widths)):
                covered.append(_find_covered(each, ends, plan, used))
    return [
        100 * float(np.nanmean(np.concatenate([each[level] for each in kind])))
        for level in (0, 1)
        for kind in (own, widened)
    ]


def print_chance(data: Path, names: Sequence[str]) -> None:
    """Print how far the coverage of single blocks is from that of all of them together, set by set."""
    print("| set | horizons in a block | 80 %, distance | within 5 | 95 %, distance | within 3 | both |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for name in names:
        path, settings = SETS[name]
        proposal = propose(data / path, settings)
        plan = plan_training(proposal.loaded, proposal.panel)
        off, horizons = measure_blocks(plan)  # (blocks, levels)
        inside = np.abs(off) <= [5, 3]
        distances, shares, both = np.abs(off).mean(axis=0), 100 * inside.mean(axis=0), 100 * inside.all(axis=1).mean()
        rows.append([distances[0], shares[0], distances[1], shares[1], both])
        print(f"| {name} | {horizons:.1f} | {' | '.join(f'{each:.1f}' for each in rows[-1])} |", flush=True)
    print(f"| mean | | {' | '.join(f'{each:.1f}' for each in np.mean(rows, axis=0))} |")


def measure_blocks(plan: Plan) -> tuple[np.ndarray, float]:
    """Measure how far the coverage of blocks before the test part is from 80 and 95 %, which all blocks together have.

    Returns:
        The distances in percent, (blocks, levels), and the horizons in a block.
    """
    horizon, data, padding = plan.config.window.horizon, plan.config.data, plan.config.padding_steps
    length, numbers = count_history_steps(data.seasons), plan.members.numbers[:_CHANCE_SERIES]
    actual, forecasts, blocks, spans = [], [], [], []
    for number, split in zip(numbers, plan.members.splits, strict=False):
        series = plan.members.panel[number]
        series = series.cut(padding, len(series))
        end, span = split.validation_end - padding, split.steps - split.validation_end
        first = min(length * 2 // 3, end // 3)
        count = max(1, (end - first) // span)  # blocks, of which the last one ends where the test part begins
        for block in range(count):
            last = end - block * span - horizon
            some = max(2, _ZERO_SHOT_ORIGINS // count // len(numbers))
            origins = np.unique(np.linspace(last + horizon - span, last, some).round().astype(int)).tolist()
            windows = np.stack([cut_window(series, origin, length, data.gaps) for origin in origins])
            forecasts.append(forecast_zero_shot(windows, data.seasons, horizon, (0.025, 0.1, 0.5, 0.9, 0.975)))
            actual += [read_actual(series, origin, horizon) for origin in origins]
            blocks += [block] * len(origins)
            spans.append(span / horizon)
    errors, of_block = np.stack(actual), np.array(blocks)
    quantiles = np.concatenate(forecasts)  # (origins, horizon, 5)
    errors = errors - quantiles[..., 2]
    off = []
    for level, low, high in ((80, 1, 3), (95, 0, 4)):
        bounds = np.abs(np.where(errors >= 0, quantiles[..., high], quantiles[..., low]) - quantiles[..., 2])
        scores = np.abs(errors) / np.maximum(bounds, 1e-12)  # (origins, horizon)
        covered = np.where(np.isnan(scores), np.nan, scores <= np.nanquantile(scores, level / 100))
        off.append([100 * np.nanmean(covered[of_block == block]) - level for block in np.unique(of_block)])
    return np.array(off).T, float(np.mean(spans))


def measure_panel(part: Part) -> list[float]:
    """Measure the coverage of a panel as `measure_zero_shot` does, from the ends of its series."""
    ends, length = (part.steps + 1).tolist(), count_history_steps(part.seasons)
    past = [part.history[member][:end] for member, end in zip(part.members.tolist(), ends, strict=True)]
    known = [Series("", "", None, pd.RangeIndex(len(values)), values, "step") for values in past]
    windows = np.stack([cut_window(series, len(series), length, "mask") for series in known])
    levels = (80.0, 95.0)
    probabilities = sorted({0.5, *levels_to_probabilities(levels)})
    found = []
    for widths in (WidthFactors(), measure_width_factors(known, part.seasons, part.horizon, levels, "mask")):
        factors = widths.list_by_probability(probabilities)
        quantiles = forecast_zero_shot(windows, part.seasons, part.horizon, probabilities, factors)
        for level in levels:
            low, high = (quantiles[..., probabilities.index(each)] for each in level_to_quantiles(level))
            known_steps = ~np.isnan(part.actual)
            found.append(100 * float(((low <= part.actual) & (part.actual <= high))[known_steps].mean()))
    return [found[place] for place in (0, 2, 1, 3)]


def _find_covered(
    series: Series, ends: Sequence[int], plan: Plan, widths: WidthFactors
) -> tuple[np.ndarray, np.ndarray]:
    """Find which values after some origins the intervals of 80 and 95 % cover, NaN where they are not known."""
    horizon, data = plan.config.window.horizon, plan.config.data
    windows = np.stack([cut_window(series, end, count_history_steps(data.seasons), data.gaps) for end in ends])
    panel = [series.cut(0, end) for end in ends]
    actual = np.stack([read_actual(series, end, horizon) for end in ends])
    covered: list[list[np.ndarray]] = [[], []]
    for forecast, values in zip(
        forecast_windows(SeriesBlock(panel), windows, data, horizon, (80, 95), widths), actual, strict=True
    ):
        for place, level in enumerate((80, 95)):
            low, high = (forecast.quantiles[probability] for probability in level_to_quantiles(level))
            covered[place].append(np.where(np.isnan(values), np.nan, (low <= values) & (values <= high)))
    return np.concatenate(covered[0]), np.concatenate(covered[1])


def train_network(plan: Plan) -> OnnxNetwork:
    """Train the network of a plan, without a word."""
    trainer = prepare_trainer(plan, described=False)
    trainer.fit(_Silent())
    return OnnxNetwork(*export_onnx(trainer.network, plan.config.window.length))


if __name__ == "__main__":
    main()
