"""Anomalies among the actuals of a job, by the intervals of its stored forecasts."""

import numpy as np

from forecaster.evaluation.anomalies import Anomalies, find_anomalies
from forecaster.evaluation.metrics import find_levels
from forecaster.forecast import level_to_quantiles
from forecaster.jobs.score import Score


def find_anomalies_of_job(score: Score, rate: float) -> Anomalies:
    """Find the actuals outside the interval of the newest forecast for them, the widest that is stored.

    Actuals that were forecast without an interval are left out.
    """
    table, levels = score.latest.tabulate_newest(), find_levels(score.latest.quantiles)
    low, high = level_to_quantiles(max(levels)) if levels else (0.0, 1.0)
    bounds = {"lower": table.get(low, np.nan), "upper": table.get(high, np.nan)}
    return find_anomalies(table.assign(**bounds), rate, score.past.season, score.frequency)
