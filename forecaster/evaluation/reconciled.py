"""Reconciled forecasts of a hierarchy from origins in the past, next to those before reconciliation."""

import numpy as np

from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.origins import MODEL, UNRECONCILED, Origins, predict_from
from forecaster.forecast import levels_to_probabilities
from forecaster.forecasting.predictive_distribution import PredictiveDistribution
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.reconciliation import load_reconciler
from forecaster.hierarchy import Reconciler, compute_path_quantiles
from forecaster.runs import Version


def reconcile_forecasts(
    version: Version, predictor: Predictor, origins: Origins, folds: np.ndarray, base: BaselineForecast
) -> dict[str, BaselineForecast]:
    """Reconcile the forecasts of a run from some origins; nothing where its data are no hierarchy.

    Args:
        version: of a run.
        predictor: of the version.
        origins: of all series of the hierarchy.
        folds: the number of each origin's fold, (origins,): the origins of a fold are at the same step.
        base: the forecasts from the origins, without reconciliation.

    Returns:
        The reconciled forecasts as `MODEL`, and those before as `UNRECONCILED`.

    Raises:
        UsageError: MinT was fitted to other series.
    """
    config, names = version.config, np.array(origins.panel.names)[origins.members]
    first = folds == folds[0]
    reconciler = load_reconciler(version, config, names[first].tolist())
    if reconciler is None:
        return {}
    padded = origins.pad(config.padding_steps, config.data.main_season)
    prediction = predict_from(predictor, padded, config.window.horizon)
    return reconcile_prediction(reconciler, predictor, prediction, names, folds, base)


def reconcile_prediction(
    reconciler: Reconciler,
    predictor: Predictor,
    prediction: PredictiveDistribution,
    names: np.ndarray,
    folds: np.ndarray,
    base: BaselineForecast,
) -> dict[str, BaselineForecast]:
    """Reconcile a prediction from some origins, as `reconcile_forecasts`.

    Args:
        reconciler: of all series.
        predictor: that made the prediction.
        prediction: from the origins.
        names: of the series of each origin, (origins,).
        folds, base: as for `reconcile_forecasts`.
    """
    config = predictor.config
    generator = np.random.default_rng(config.training.seed)
    paths = prediction.draw_paths(config.forecast.samples, predictor.calibration, generator)
    probabilities = levels_to_probabilities(config.forecast.levels)
    mean, quantiles = base.mean.copy(), np.stack([base.quantiles[each] for each in probabilities])
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        place = dict(zip(names[rows].tolist(), rows.tolist(), strict=True))
        if set(place) != set(reconciler.hierarchy.names):
            return {}  # some series has no such origin
        ordered = [place[name] for name in reconciler.hierarchy.names]
        mean[ordered], draws = reconciler.reconcile(base.mean[ordered], paths[:, ordered])
        quantiles[:, ordered] = compute_path_quantiles(draws, probabilities)
    reconciled = BaselineForecast(mean, dict(zip(probabilities, quantiles, strict=True)))
    return {MODEL: reconciled, UNRECONCILED: base}
