"""The error in validation by which the epochs of a training and the trials of a search are compared."""

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
from forecaster.problems import Problem

_READ_TO_COMPARE = 1_000_000  # the same for a yardstick, which is laid on after each epoch


PATHS_TO_COMPARE = 20  # that a mean is taken over, where a network has to draw them


@dataclass(frozen=True)
class ValidationScore:
    """Places in the validation parts by whose forecasts networks of any window, loss, scaling and head are compared.

    Attributes:
        members: the series of each place, by its number in the panel, (origins,).
        steps: the last step that is known there, of those that stand in the file, (origins,).
        actual: the truth after each, (origins, horizon); NaN where a step lies behind its part or was filled.
        scales: the mean absolute error of the seasonal naive in the training part of each one's series, (origins, 1);
            NaN where it is always right, so that nothing can be told in it.
        baselines: the errors of forecasts without a network.
    """

    members: np.ndarray
    steps: np.ndarray
    actual: np.ndarray
    scales: np.ndarray
    baselines: Mapping[str, float]

    def error(self, plan: Plan, predictor: Predictor) -> float:
        """The mean absolute scaled error (MASE) of a network's forecasts.

        Args:
            plan: of the network; its panel is that of the yardstick.
            predictor: the network.

        Raises:
            DataError: the network was not trained on a series of the yardstick, which is too short for it.
            Diverged: a forecast left the finite numbers.
        """
        if not np.isin(self.members, plan.members.numbers).all():
            raise DataError(Problem("window-too-long-for-trial"))
        origins = Origins(plan.members.panel, self.members, self.steps + plan.config.padding_steps)
        return self._scaled(predict_from(predictor, origins, self.actual.shape[1]).mean)

    def _scaled(self, mean: np.ndarray) -> float:
        return float(np.nanmean(np.abs(self.actual - mean) / self.scales))


def build_validation_score(plan: Plan) -> ValidationScore:
    """The yardstick of a plan that has validation parts.

    Raises:
        DataError: nothing in them was observed.
    """
    config, horizon, splits = plan.config, plan.config.window.horizon, plan.members.splits
    first_last = [(s.training_end - 1, max(s.training_end - 1, s.validation_end - 1 - horizon)) for s in splits]
    origins = space_origins(plan, first_last, max(1, _comparable(config) // config.channels))
    actual = origins.read_actuals(horizon, spread_over_panel(plan, [split.validation_end for split in splits]))
    scales = _units(origins, spread_over_panel(plan, [split.training_end for split in splits]), plan.season)
    if np.isnan(actual / scales).all():
        raise DataError(Problem("nothing-observed"))
    made = ValidationScore(origins.members, origins.steps - config.padding_steps, actual, scales, {})
    told = forecast_default_baselines(plan, origins, horizon)
    return dataclasses.replace(made, baselines={name: made._scaled(each.mean) for name, each in told.items()})


def _comparable(config: Config) -> int:
    """How many origins a yardstick has; fewer for a network that draws paths, on which it is laid once."""
    kind, window, model = config.rollout, config.window, config.model
    read = window.horizon * (window.length if kind == "slide" else 1)
    draws = kind != "direct" and (model.head != "point" or model.decoder == "latent")
    most = _READ_TO_COMPARE // read if not draws else 5 * _READ_TO_COMPARE // (read * PATHS_TO_COMPARE)
    return min(max(MIN_ORIGINS, most), MAX_ORIGINS)


def _units(origins: Origins, known: np.ndarray, season: int) -> np.ndarray:
    """What errors are told in, (origins, 1): of the naive where the season repeats itself; 1 where nothing changes."""
    seasonal, naive = (compute_scale(origins, known, steps).absolute for steps in (season, 1))
    units = np.where(seasonal > 0, seasonal, naive)
    return np.where(np.isnan(units).all(), 1.0, units)[:, None]
