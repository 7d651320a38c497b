"""Trains a network on artificial gaps of a series and fills its gaps."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecaster.errors import DataError, Diverged, Interrupted
from forecaster.evaluation import tables
from forecaster.evaluation.metrics import ScoredForecasts, compute_coverage, compute_scores, drop_undefined
from forecaster.forecast import level_to_quantiles
from forecaster.forecasting.conformal import compute_half_widths
from forecaster.imputation.artificial_gaps import cut_gaps, measure_distances
from forecaster.imputation.filled_csv import FilledSeries
from forecaster.imputation.interpolation import fill_seasonal_mean, interpolate_seasonally
from forecaster.imputation.plan import GapPlan
from forecaster.models import ImputationNetwork, build_imputation_network
from forecaster.models.parameter_counts import count_parameters
from forecaster.preprocessing.windows import gather_windows
from forecaster.problems import Problem
from forecaster.time.gaps import find_gaps, interpolate_linearly
from forecaster.training import progress
from forecaster.training.build import build_trainer
from forecaster.training.progress import ProgressLogger
from forecaster.training.step import Steps
from forecaster.training.trainer import Trainer
from forecaster.wording import count_steps

log = logging.getLogger("forecaster")

_BATCH = 512  # windows filled at once
_CUT_SHARE = 0.15  # of the cells of a part, in one round of measuring
_MEASURED_CELLS = 3000  # over all rounds
_MAX_ROUNDS = 40
_MAX_VALIDATION_WINDOWS = 1000  # after each epoch


def impute(gap_plan: GapPlan, received: Sequence[int]) -> FilledSeries:
    """Train on the training part, choose the epoch and measure intervals on the validation part, and fill every gap.

    Args:
        gap_plan: of a series with at least one gap.
        received: signals received so far.

    Raises:
        Interrupted: a signal was received; nothing is kept.
        Diverged: a loss or a filled value became NaN or infinite.
        DataError: the validation part has no cells to measure intervals on.
    """
    filler = _GapFiller(gap_plan)
    log.info("%s", _describe_gaps(gap_plan))
    log.info("%s", progress.format_parameter_table(count_parameters(filler.network)))
    _train(filler.build_trainer(), received)
    series, split = gap_plan.member.series, gap_plan.member.split
    residuals = _measure_residuals(filler, series.values, split.training_end, split.validation_end)
    if gap_plan.levels and np.isnan(residuals[:, :1]).all():
        raise DataError(Problem("too-few-cells-for-intervals", gap_plan.table.path))
    filling = _fill_series(gap_plan, filler, series.values, residuals)
    log.info("%s", tables.format_gap_table(_score_on_test(gap_plan, filler, residuals)))
    _raise_if_interrupted(received)
    return filling


class _GapFiller:
    """The network of a plan, and the conversion between a series and its windows.

    The scaled series is padded with NaN, so that every cell has a window around it.
    """

    def __init__(self, gap_plan: GapPlan) -> None:
        self.config, self.member, self.shares = gap_plan.config, gap_plan.member, gap_plan.shares
        config, seed = gap_plan.config, gap_plan.config.training.seed
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        self.network = build_imputation_network(
            config.model, config.window.length, gap_plan.season, gap_plan.reach, self.shares, config.loss, seed
        )
        self.padding = self.network.width
        window = tf.TensorSpec([None, self.network.width], tf.float32)
        self._network_function = tf.function(self.network, input_signature=[window], autograph=False)

    def build_trainer(self) -> Trainer[ImputationNetwork]:
        """Build the trainer, of windows whose core lies in the training part; validation windows surround its steps."""
        split, network = self.member.split, self.network
        first, last = self.padding - network.wing, self.padding + split.training_end - network.length - 2 * network.wing
        middles = np.arange(split.training_end, split.validation_end)
        middles = middles[:: max(1, -(-len(middles) // _MAX_VALIDATION_WINDOWS))]
        return build_trainer(
            network,
            self.config.training,
            Steps(self._pad(self.member.series.values)),
            network.width,
            np.arange(first, last + 1, dtype=np.int32),
            self._find_starts(middles).astype(np.int32),
        )

    def fill(self, values: np.ndarray) -> np.ndarray:
        """Fill (steps,), in the series' own unit with NaN at gaps, each gap in the middle of a window.

        Raises:
            Diverged: a value became NaN or infinite.
        """
        gaps = find_gaps(values)
        starts, padded = self._find_starts(np.array([gap.middle for gap in gaps])), self._pad(values)
        filled = self.transform(values).copy()  # a copy, since the transform `none` returns its argument
        for index in range(0, len(gaps), _BATCH):
            windows = gather_windows(padded, starts[index : index + _BATCH], self.network.width)
            outputs = self.member.scaler.unscale(
                self._network_function(windows).numpy().astype(float)
            )  # (batch, length)
            for gap, output in zip(gaps[index : index + _BATCH], outputs, strict=True):
                first = self.network.length // 2 - gap.length // 2
                filled[gap.first : gap.first + gap.length] = output[first : first + gap.length]
        if not (np.isfinite(filled).all() and np.isfinite(self.invert(filled)).all()):
            raise Diverged(Problem("infinite-fill"))
        return filled

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Transform values in the series' own unit."""
        return self.member.scaler.curve.apply(values)

    def invert(self, transformed: np.ndarray) -> np.ndarray:
        """Convert transformed values to the series' own unit, clipped to its bounds."""
        low, high = self.config.data.minimum, self.config.data.maximum
        values = self.member.scaler.curve.invert(transformed)
        return np.clip(values, -np.inf if low is None else low, np.inf if high is None else high)

    def _pad(self, values: np.ndarray) -> np.ndarray:
        scaled = self.member.scaler.transform(values).astype(np.float32)
        return np.pad(scaled, self.padding, constant_values=np.nan)

    def _find_starts(self, middles: np.ndarray) -> np.ndarray:
        """Find where the windows with these steps in their middle start in the padded series."""
        return middles + self.padding - self.network.wing - self.network.length // 2


def _describe_gaps(gap_plan: GapPlan) -> str:
    series, gaps = gap_plan.member.series, gap_plan.gaps
    cells, longest = sum(gap.length for gap in gaps), max(gap.length for gap in gaps)
    count = "1 gap" if len(gaps) == 1 else f"{len(gaps):,} gaps"
    seasons = f"seasons of {count_steps(gap_plan.season, series.frequency)}, {gap_plan.reach} read on each side"
    season = seasons if gap_plan.reach else "no season used"
    return (
        f"{series.name}: {count_steps(len(series), series.frequency)}, {cells:,} missing in {count}, the "
        f"longest of {count_steps(longest, series.frequency)}; {season}"
    )


def _train(trainer: Trainer[ImputationNetwork], received: Sequence[int]) -> None:
    with progress.TrainingProgress(trainer.epochs) as bar:
        trainer.fit(ProgressLogger(bar), stop=lambda: bool(received))
    _raise_if_interrupted(received)


def _raise_if_interrupted(received: Sequence[int]) -> None:
    if received:
        raise Interrupted(Problem("interrupted-without-output"), received[0])


def _cut_rounds(filler: _GapFiller, values: np.ndarray, first: int, last: int) -> list[np.ndarray]:
    """Cut gaps into copies of the series in [first, last), with a seed for each; none if the part is empty."""
    cells = max(1, _CUT_SHARE * (last - first))
    count = min(_MAX_ROUNDS, int(np.ceil(_MEASURED_CELLS / cells))) if last > first else 0
    generators = (np.random.default_rng([filler.config.training.seed, first, index]) for index in range(count))
    return [cut_gaps(values, first, last, filler.shares, _CUT_SHARE, generator) for generator in generators]


def _measure_residuals(filler: _GapFiller, values: np.ndarray, first: int, last: int) -> np.ndarray:
    """Measure transformed errors on gaps cut into [first, last), by distance to the nearest observed cell.

    Returns:
        (cells, distances from 1): each row has one value, in the column of the cell's distance, and NaN elsewhere.
    """
    columns = -(-len(filler.shares) // 2)
    rows = [np.empty((0, columns))]
    for gapped in _cut_rounds(filler, values, first, last):
        hidden = np.flatnonzero(np.isnan(gapped) & ~np.isnan(values))
        errors = np.full((len(hidden), columns), np.nan)
        places = np.minimum(measure_distances(gapped)[hidden], columns) - 1
        errors[np.arange(len(hidden)), places] = (filler.transform(values) - filler.fill(gapped))[hidden]
        rows.append(errors)
    return np.concatenate(rows)


def _fill_series(gap_plan: GapPlan, filler: _GapFiller, values: np.ndarray, residuals: np.ndarray) -> FilledSeries:
    """Fill the gaps of the series, with the intervals of each cell's distance to the nearest observed cell."""
    filled = filler.fill(values)
    places = np.minimum(measure_distances(values), residuals.shape[1]) - 1
    quantiles: dict[float, np.ndarray] = {}
    for level in gap_plan.levels:
        widths = np.where(np.isnan(values), compute_half_widths(residuals, level)[places], np.nan)
        low, high = level_to_quantiles(level)
        quantiles |= {low: filler.invert(filled - widths), high: filler.invert(filled + widths)}
    values = np.where(np.isnan(values), filler.invert(filled), values)
    return FilledSeries(gap_plan.member.series, values, dict(sorted(quantiles.items())))


def _score_on_test(gap_plan: GapPlan, filler: _GapFiller, residuals: np.ndarray) -> dict[str, Any]:
    """Score network and interpolations on gaps cut into the test part; no scores without a test part."""
    series, split, season = gap_plan.member.series, gap_plan.member.split, gap_plan.season
    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {"model": filler.fill, "linear": interpolate_linearly}
    if season > 1:
        methods["seasonal_mean"] = lambda gapped: fill_seasonal_mean(gapped, season)
        methods["seasonal_interpolation"] = lambda gapped: interpolate_seasonally(gapped, season)
    rounds = _cut_rounds(filler, series.values, split.validation_end, split.steps)
    hidden = [np.isnan(gapped) & ~np.isnan(series.values) for gapped in rounds]
    if not sum(cells.sum() for cells in hidden):
        return {"scores": {}, "coverage": {}, "cells": 0}
    actual = np.concatenate([series.values[cells] for cells in hidden])
    filled = {
        name: np.concatenate([method(gapped)[cells] for gapped, cells in zip(rounds, hidden, strict=True)])
        for name, method in methods.items()
    }
    transformed, filled["model"] = filled["model"], filler.invert(filled["model"])
    depths = np.concatenate([measure_distances(gapped)[cells] for gapped, cells in zip(rounds, hidden, strict=True)])
    return {
        "scores": {
            name: drop_undefined(compute_scores(ScoredForecasts(actual[None], values[None])))
            for name, values in filled.items()
        },
        "coverage": _measure_coverage(filler.transform(actual), transformed, depths, residuals, gap_plan.levels),
        "cells": len(actual),
    }


def _measure_coverage(
    actual: np.ndarray, filled: np.ndarray, depths: np.ndarray, residuals: np.ndarray, levels: Sequence[float]
) -> Mapping[str, float]:
    """Measure the percentage of hidden cells inside each level's interval; values are transformed, (cells,)."""
    places = np.minimum(depths, residuals.shape[1]) - 1
    widths = {level: compute_half_widths(residuals, level)[places] for level in levels}
    return {f"{level:g}": compute_coverage(actual, filled - width, filled + width) for level, width in widths.items()}
