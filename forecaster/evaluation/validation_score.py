"""The error on the validation part that compares the epochs and trials of a search."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forecaster.config import Config
from forecaster.errors import DataError
from forecaster.evaluation.held_out import (
    MAX_ORIGINS,
    MIN_ORIGINS,
    forecast_default_baselines,
    space_origins,
    spread_over_panel,
)
from forecaster.evaluation.origins import Origins, compute_scale, predict_from
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.split import Split
from forecaster.problems import Problem

_MAX_STEPS_READ = 1_000_000  # by a network from all origins, since it is scored after each epoch


PATHS_TO_COMPARE = 20  # whose mean is scored, where a network draws sample paths


@dataclass(frozen=True)
class ValidationScore:
    """Origins in the validation parts, where networks of any window, loss, scaling and head are compared.

    Attributes:
        members: the number of each origin's series in the panel, (origins,).
        steps: the last known step at each, without padding, (origins,).
        actual: the values after each, (origins, horizon); NaN where one was filled or its part has ended.
        scales: the mean absolute error of the seasonal naive in the training part of each one's series, (origins, 1);
            NaN where that is 0.
        baselines: the errors of the default baselines by name.
    """

    members: np.ndarray
    steps: np.ndarray
    actual: np.ndarray
    scales: np.ndarray
    baselines: Mapping[str, float]

    def score(self, plan: Plan, predictor: Predictor) -> float:
        """Score a network's forecasts by their mean absolute scaled error (MASE).

        Args:
            plan: of the network, on the same panel.
            predictor: the network.

        Raises:
            DataError: a series is too short for the network, so it was not trained on it.
            Diverged: a forecast became infinite or NaN.
        """
        if not np.isin(self.members, plan.members.numbers).all():
            raise DataError(Problem("window-too-long-for-trial"))
        origins = Origins(plan.members.panel, self.members, self.steps + plan.config.padding_steps)
        return self._average(predict_from(predictor, origins, self.actual.shape[1]).mean)

    def _average(self, mean: np.ndarray) -> float:
        return float(np.nanmean(np.abs(self.actual - mean) / self.scales))


def build_validation_score(plan: Plan) -> ValidationScore:
    """Build the score of a plan that has validation parts.

    Raises:
        DataError: the validation parts have no observed values.
    """
    config, horizon, splits = plan.config, plan.config.window.horizon, plan.members.splits
    ranges = [(s.training_end - 1, max(s.training_end - 1, s.validation_end - 1 - horizon)) for s in splits]
    channels, members = config.channels, plan.members
    origins = space_origins(
        members.panel, members.numbers, ranges, channels, max(1, _count_origins(config) // channels)
    )
    actual = origins.read_actuals(horizon, spread_over_panel(plan, [split.validation_end for split in splits]))
    scales = _compute_units(origins, spread_over_panel(plan, [split.training_end for split in splits]), plan.season)
    if np.isnan(actual / scales).all():
        raise DataError(Problem("nothing-observed"))
    score = ValidationScore(origins.members, origins.steps - config.padding_steps, actual, scales, {})
    forecasts = forecast_default_baselines(plan, origins, horizon)
    return dataclasses.replace(score, baselines={name: score._average(each.mean) for name, each in forecasts.items()})


def build_held_out_score(plan: Plan) -> ValidationScore:
    """Build the score of a plan over the validation and the test part of each series together."""
    splits = [Split(split.training_end, split.steps, split.steps) for split in plan.members.splits]
    return build_validation_score(dataclasses.replace(plan, members=dataclasses.replace(plan.members, splits=splits)))


def _count_origins(config: Config) -> int:
    """Count the origins that are affordable; a network that draws paths is scored once, not after each epoch."""
    kind, window, model = config.rollout, config.window, config.model
    read = window.horizon * (window.length if kind == "slide" else 1)
    draws = kind != "direct" and (model.head != "point" or model.decoder == "latent")
    most = _MAX_STEPS_READ // read if not draws else 5 * _MAX_STEPS_READ // (read * PATHS_TO_COMPARE)
    return min(max(MIN_ORIGINS, most), MAX_ORIGINS)


def _compute_units(origins: Origins, known: np.ndarray, season: int) -> np.ndarray:
    """Compute what errors are divided by, (origins, 1): the naive's where seasons repeat exactly, 1 for constants."""
    seasonal, naive = (compute_scale(origins, known, steps).absolute for steps in (season, 1))
    units = np.where(seasonal > 0, seasonal, naive)
    return np.where(np.isnan(units).all(), 1.0, units)[:, None]
