"""The choice between the two ways of a rollout, by their errors on the validation part."""

import logging
import math
from collections.abc import Sequence

import numpy as np

from forecaster.config import Config
from forecaster.errors import Diverged
from forecaster.evaluation.held_out import space_origins, spread_over_panel
from forecaster.forecasting.onnx_network import ServedNetwork
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.scaling import Scaler

log = logging.getLogger("forecaster")

_ALLOWANCE = 0.01  # share by which the error of `carry` may be larger: `slide` reads a window for each step
_PATHS = 20  # sample paths of a comparison
_ORIGINS, _MOST_STEPS_READ = 100, 2_000_000  # of `slide`, so that the comparison takes seconds


def choose_rollout(plan: Plan, networks: Sequence[ServedNetwork]) -> Config:
    """Choose the rollout of a config that leaves it open: `carry`, unless `slide` is more accurate in validation.

    Both run the same networks. `carry` is as much faster as a window has steps, and is what a network was trained for
    that answers at every step (`model.output: sequence`).

    Args:
        plan: of the training.
        networks: of its config.

    Returns:
        The config with its rollout; as it is where that is stated, or the decoder has no choice.
    """
    config = plan.config
    if config.forecast.rollout != "auto" or config.model.decoder != "rollout":
        return config
    if config.model.bidirectional or not any(split.validation for split in plan.members.splits):
        return _state_rollout(config, "slide")
    errors = {kind: _measure_error(plan, networks, kind) for kind in ("carry", "slide")}
    chosen = "carry" if errors["carry"] <= (1 + _ALLOWANCE) * errors["slide"] < math.inf else "slide"
    message = "forecast.rollout: %s; mean absolute errors in validation, scaled: carry %.4g, slide %.4g"
    log.info(message, chosen, errors["carry"], errors["slide"])
    return _state_rollout(config, chosen)


def _state_rollout(config: Config, kind: str) -> Config:
    return config.model_copy(update={"forecast": config.forecast.model_copy(update={"rollout": kind})})


def _measure_error(plan: Plan, networks: Sequence[ServedNetwork], kind: str) -> float:
    """Measure the mean absolute error in validation, in scaled units; infinite where a forecast is."""
    config, horizon, splits = _state_rollout(plan.config, kind), plan.config.window.horizon, plan.members.splits
    fewer = config.forecast.model_copy(update={"samples": min(_PATHS, config.forecast.samples)})
    predictor = Predictor.from_networks(networks, config.model_copy(update={"forecast": fewer}), plan.preprocessing)
    read = predictor.rollout.paths * horizon * config.window.length  # steps of one origin, where it slides
    most = max(1, min(_ORIGINS, _MOST_STEPS_READ // read) // config.channels)
    ranges = [(split.training_end - 1, split.validation_end - 2) for split in splits]
    origins = space_origins(plan.members.panel, plan.members.numbers, ranges, config.channels, most)
    actual = origins.read_actuals(horizon, spread_over_panel(plan, [split.validation_end for split in splits]))
    features = origins.build_features(predictor, horizon)
    windows = origins.cut_windows(config.lookback_steps)
    try:
        found = predictor.predict_with_networks(origins.series, windows, horizon, features)
    except Diverged:
        return math.inf
    units = Scaler.stack([predictor.get_scaler(series) for series in origins.series]).unit  # (origins, 1)
    errors = np.abs(found.transform(actual) - found.centre) / units
    return float(np.nanmean(errors)) if not np.isnan(errors).all() else math.inf
