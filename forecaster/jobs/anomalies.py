"""Anomalies among the actuals of a job, by the intervals of its stored forecasts."""

import numpy as np
import pandas as pd

from forecaster.evaluation.anomalies import Anomalies, find_anomalies
from forecaster.evaluation.metrics import find_levels
from forecaster.forecast import level_to_quantiles
from forecaster.jobs.score import Score


def find_anomalies_of_job(score: Score, rate: float) -> Anomalies:
    """Find the actuals outside the interval of the newest forecast for them, the widest that is stored.

    Actuals that were forecast without an interval are left out.
    """
    past = score.latest
    levels = find_levels(past.quantiles)
    bounds = [past.quantiles[each] for each in level_to_quantiles(max(levels))] if levels else 2 * [past.mean * np.nan]
    known = ~np.isnan(past.actual)
    rows, columns = np.nonzero(known)
    names = np.array(past.names, object)[past.series]
    table = pd.DataFrame(
        {
            "series": names[rows],
            "origin": past.origin_times[rows],
            "timestamp": past.times[past.places[known]],
            "step": columns + 1,
            "actual": past.actual[known],
            "mean": past.mean[known],
            "lower": bounds[0][known],
            "upper": bounds[1][known],
        }
    )
    # Rows are in the order of their origins.
    newest = table.dropna().drop_duplicates(["series", "timestamp"], keep="last")
    return find_anomalies(newest, rate, past.season, score.frequency)
