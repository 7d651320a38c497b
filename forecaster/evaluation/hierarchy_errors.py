"""Errors of base forecasts of all series of a hierarchy from the same origins in validation."""

import numpy as np

from forecaster.evaluation.held_out import count_affordable
from forecaster.evaluation.origins import Origins, predict_from
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan

_MOST_ORIGINS = 50


def measure_joint_errors(plan: Plan, predictor: Predictor) -> np.ndarray:
    """Measure the errors of forecasts of all series from origins that they share, (series, origins, horizon).

    The origins lie in the validation part of every series, with a whole horizon before its end where there are such.
    Errors are NaN where the actual value is filled or after the validation part. Without a common origin the array is
    empty.
    """
    splits, panel, horizon = plan.members.splits, plan.members.panel, plan.config.window.horizon
    # Steps after the origin up to the end of the data, which all series share.
    most = min(split.steps - split.training_end for split in splits)
    least = max(split.steps - split.validation_end for split in splits)
    after = range(least + min(horizon, max(1, most - least)), most + 1)
    count = min(_MOST_ORIGINS, max(1, count_affordable(predictor, 1) // 10))
    chosen = np.unique(np.linspace(after[0], after[-1], min(count, len(after))).round().astype(int)) if after else ()
    members, lengths = np.asarray(plan.members.numbers), panel.lengths[plan.members.numbers]
    ends = panel.lengths - least
    errors = []
    for steps in chosen:
        origins = Origins(panel, members, lengths - steps - 1)
        errors.append(origins.read_actuals(horizon, ends) - predict_from(predictor, origins, horizon).mean)
    return np.stack(errors, axis=1) if errors else np.empty((len(members), 0, horizon))
