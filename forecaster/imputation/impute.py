"""Train a network on hidden stretches of a series and fill its gaps with it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from forecaster.data.gaps import find_gaps
from forecaster.errors import DataError, Diverged, Interrupted
from forecaster.evaluation import tables
from forecaster.evaluation.metrics import ScoredForecasts, compute_scores, coverage, drop_undefined
from forecaster.forecast import level_to_quantiles
from forecaster.forecasting.conformal import compute_half_widths
from forecaster.imputation.artificial_gaps import cut_gaps, measure_distances
from forecaster.imputation.filled_csv import FilledSeries
from forecaster.imputation.interpolation import fill_seasonal_mean, interpolate_linearly, interpolate_seasonally
from forecaster.imputation.plan import GapPlan
from forecaster.models import ImputationNetwork, build_imputation_network
from forecaster.models.parameter_counts import count_parameters
from forecaster.preprocessing.windows import gather_windows
from forecaster.problems import Problem
from forecaster.training import progress
from forecaster.training.build import build_trainer
from forecaster.training.progress import ProgressLogger
from forecaster.training.trainer import Steps, Trainer

log = logging.getLogger("forecaster")

_BATCH = 512  # windows filled at once
_CUT = 0.15  # share of a part that is hidden at once to measure on
_MEASURED = 3000  # cells hidden, over several rounds, to measure on
_ROUNDS = 40  # at most
_VALIDATION_WINDOWS = 1000  # looked at after each epoch, at most


def impute(gap_plan: GapPlan, received: Sequence[int]) -> FilledSeries:
    """Learn from the training part, choose the epoch and measure intervals on validation, and fill every gap.

    Args:
        gap_plan: of a series with at least one gap.
        received: the signals that have come so far (`signals.collect_signals`).

    Raises:
        Interrupted: a signal came; nothing was kept.
        Diverged: a loss or a filled value became NaN or infinite.
        DataError: nothing is left to measure intervals on.
    """
    filler = _Filler(gap_plan)
    log.info("%s", _description(gap_plan))
    log.info("%s", progress.format_parameter_table(count_parameters(filler.network)))
    _fit(filler.trainer(), received)
    series, split = gap_plan.member.series, gap_plan.member.split
    residuals = _residuals(filler, series.values, split.training_end, split.validation_end)
    if gap_plan.levels and np.isnan(residuals[:, :1]).all():
        raise DataError(Problem("too-few-cells-for-intervals", gap_plan.table.path))
    filling = _filling(gap_plan, filler, series.values, residuals)
    log.info("%s", tables.format_gap_table(_test_scores(gap_plan, filler, residuals)))
    _stop_if(received)
    return filling


class _Filler:
    """The network of a plan, and what turns a series into its windows and its answers back.

    The scaled series stands between steps that are not known, so that every cell has a window around it.
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
        self._answers = tf.function(self.network, input_signature=[window], autograph=False)

    def trainer(self) -> Trainer[ImputationNetwork]:
        """Of windows whose core lies in the training part, with validation windows around every step of that part."""
        split, network = self.member.split, self.network
        first, last = self.padding - network.wing, self.padding + split.training_end - network.length - 2 * network.wing
        middles = np.arange(split.training_end, split.validation_end)
        middles = middles[:: max(1, -(-len(middles) // _VALIDATION_WINDOWS))]
        return build_trainer(
            network,
            self.config.training,
            Steps(self._padded(self.member.series.values)),
            network.width,
            np.arange(first, last + 1, dtype=np.int32),
            self._starts(middles).astype(np.int32),
        )

    def fill(self, values: np.ndarray) -> np.ndarray:
        """(steps,) in the series' own unit, NaN at gaps -> transformed, each gap filled in the middle of a window.

        Raises:
            Diverged: a value became NaN or infinite.
        """
        gaps = find_gaps(values)
        starts, padded = self._starts(np.array([gap.middle for gap in gaps])), self._padded(values)
        filled = self.transformed(values).copy()  # none gives the values themselves
        for index in range(0, len(gaps), _BATCH):
            windows = gather_windows(padded, starts[index : index + _BATCH], self.network.width)
            answers = self.member.scaler.unscale(self._answers(windows).numpy().astype(float))  # (batch, length)
            for gap, answer in zip(gaps[index : index + _BATCH], answers, strict=True):
                first = self.network.length // 2 - gap.length // 2
                filled[gap.first : gap.first + gap.length] = answer[first : first + gap.length]
        if not (np.isfinite(filled).all() and np.isfinite(self.undone(filled)).all()):
            raise Diverged("the network's values became infinite; try a smaller training.optimizer.learning_rate")
        return filled

    def transformed(self, values: np.ndarray) -> np.ndarray:
        """Values in the series' own unit -> transformed values."""
        return self.member.scaler.curve.forward(values)

    def undone(self, transformed: np.ndarray) -> np.ndarray:
        """Transformed values -> values in the series' own unit, within the bounds."""
        low, high = self.config.data.minimum, self.config.data.maximum
        values = self.member.scaler.curve.inverse(transformed)
        return np.clip(values, -np.inf if low is None else low, np.inf if high is None else high)

    def _padded(self, values: np.ndarray) -> np.ndarray:
        scaled = self.member.scaler.transform(values).astype(np.float32)
        return np.pad(scaled, self.padding, constant_values=np.nan)

    def _starts(self, middles: np.ndarray) -> np.ndarray:
        """Where the windows with these steps in their middle start in the padded series."""
        return middles + self.padding - self.network.wing - self.network.length // 2


def _description(gap_plan: GapPlan) -> str:
    series, gaps = gap_plan.member.series, gap_plan.gaps
    cells, longest = sum(gap.length for gap in gaps), max(gap.length for gap in gaps)
    count = "1 gap" if len(gaps) == 1 else f"{len(gaps):,} gaps"
    looked_up = f"seasons of {gap_plan.season} steps, {gap_plan.reach} looked up on each side"
    season = looked_up if gap_plan.reach else "no season looked up"
    return (
        f"{series.name}: {len(series):,} steps of {series.frequency}, {cells:,} missing in {count}, the "
        f"longest of {longest}; {season}"
    )


def _fit(trainer: Trainer[ImputationNetwork], received: Sequence[int]) -> None:
    with progress.TrainingProgress(trainer.epochs) as bar:
        trainer.fit(ProgressLogger(bar), stop=lambda: bool(received))
    _stop_if(received)


def _stop_if(received: Sequence[int]) -> None:
    if received:
        raise Interrupted("interrupted: nothing was written", received[0])


def _rounds(filler: _Filler, values: np.ndarray, first: int, last: int) -> list[np.ndarray]:
    """Copies of the series with gaps cut into [first, last), a different draw each; none where that is empty."""
    cells = max(1, _CUT * (last - first))
    count = min(_ROUNDS, int(np.ceil(_MEASURED / cells))) if last > first else 0
    generators = (np.random.default_rng([filler.config.training.seed, first, index]) for index in range(count))
    return [cut_gaps(values, first, last, filler.shares, _CUT, generator) for generator in generators]


def _residuals(filler: _Filler, values: np.ndarray, first: int, last: int) -> np.ndarray:
    """Transformed errors on gaps cut into [first, last), by how far the nearest observed cell is: (cells, distances).

    NaN everywhere but in the column of each cell's own distance, counted from 1.
    """
    columns = -(-len(filler.shares) // 2)
    rows = [np.empty((0, columns))]
    for gapped in _rounds(filler, values, first, last):
        hidden = np.flatnonzero(np.isnan(gapped) & ~np.isnan(values))
        errors = np.full((len(hidden), columns), np.nan)
        places = np.minimum(measure_distances(gapped)[hidden], columns) - 1
        errors[np.arange(len(hidden)), places] = (filler.transformed(values) - filler.fill(gapped))[hidden]
        rows.append(errors)
    return np.concatenate(rows)


def _filling(gap_plan: GapPlan, filler: _Filler, values: np.ndarray, residuals: np.ndarray) -> FilledSeries:
    """The series with its gaps filled, and around each filled cell the intervals of its distance."""
    filled = filler.fill(values)
    places = np.minimum(measure_distances(values), residuals.shape[1]) - 1
    quantiles: dict[float, np.ndarray] = {}
    for level in gap_plan.levels:
        widths = np.where(np.isnan(values), compute_half_widths(residuals, level)[places], np.nan)
        low, high = level_to_quantiles(level)
        quantiles |= {low: filler.undone(filled - widths), high: filler.undone(filled + widths)}
    values = np.where(np.isnan(values), filler.undone(filled), values)
    return FilledSeries(gap_plan.member.series, values, dict(sorted(quantiles.items())))


def _test_scores(gap_plan: GapPlan, filler: _Filler, residuals: np.ndarray) -> dict[str, Any]:
    """Errors on gaps cut into the test part, of the network and of what needs none; no scores without that part."""
    series, split, season = gap_plan.member.series, gap_plan.member.split, gap_plan.season
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {"model": filler.fill, "linear": interpolate_linearly}
    if season > 1:
        ways["seasonal_mean"] = lambda gapped: fill_seasonal_mean(gapped, season)
        ways["seasonal_interpolation"] = lambda gapped: interpolate_seasonally(gapped, season)
    rounds = _rounds(filler, series.values, split.validation_end, split.steps)
    hidden = [np.isnan(gapped) & ~np.isnan(series.values) for gapped in rounds]
    if not sum(cells.sum() for cells in hidden):
        return {"scores": {}, "coverage": {}, "cells": 0}
    actual = np.concatenate([series.values[cells] for cells in hidden])
    filled = {
        name: np.concatenate([way(gapped)[cells] for gapped, cells in zip(rounds, hidden, strict=True)])
        for name, way in ways.items()
    }
    transformed, filled["model"] = filled["model"], filler.undone(filled["model"])
    depths = np.concatenate([measure_distances(gapped)[cells] for gapped, cells in zip(rounds, hidden, strict=True)])
    return {
        "scores": {
            name: drop_undefined(compute_scores(ScoredForecasts(actual[None], values[None])))
            for name, values in filled.items()
        },
        "coverage": _coverage(filler.transformed(actual), transformed, depths, residuals, gap_plan.levels),
        "cells": len(actual),
    }


def _coverage(
    actual: np.ndarray, filled: np.ndarray, depths: np.ndarray, residuals: np.ndarray, levels: Sequence[float]
) -> Mapping[str, float]:
    """Percent of hidden cells inside the interval of each level; values are transformed, (cells,)."""
    places = np.minimum(depths, residuals.shape[1]) - 1
    widths = {level: compute_half_widths(residuals, level)[places] for level in levels}
    return {f"{level:g}": coverage(actual, filled - width, filled + width) for level, width in widths.items()}
