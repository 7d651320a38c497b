"""The forecasts of the pretrained network, as those of any other."""

from collections.abc import Sequence

import numpy as np

from forecaster.config.schema import ONE_SIDED, Config, Data
from forecaster.data.series import Series
from forecaster.forecast import ForecastBlock, levels_to_probabilities
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.forecasting.interval_widths import WidthFactors, measure_width_factors
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import LARGEST, MIN_STEPS, forecast_zero_shot

SPREAD_EVENLY = tuple((np.arange(50) + 0.5) / 50)  # probabilities, whose quantiles have the mean of a distribution


def can_forecast_zero_shot(series: Series) -> bool:
    """Whether a series has enough values for the pretrained network, none of them too large to compute with."""
    observed = len(series) if series.observed is None else int(np.count_nonzero(series.observed))
    return observed >= MIN_STEPS and bool(np.nanmax(np.abs(series.values)) <= LARGEST)


def forecast_short_series(panel: SeriesBlock, config: Config, steps: int, levels: Sequence[float]) -> ForecastBlock:
    """Forecast series that are shorter than the window of a run's network, with the pretrained one.

    Args:
        panel: series that it can forecast.
        config: of the run.
        steps: the horizon.
        levels: of the intervals, in percent.
    """
    data = config.data
    if config.model.head in ONE_SIDED and data.minimum is None:
        data = data.model_copy(update={"minimum": 0.0})
    windows = take_windows(panel, data)
    widths = measure_width_factors(panel, data.seasons, steps, levels, data.gaps)
    return forecast_windows(panel, windows, data, steps, levels, widths)


def take_windows(panel: SeriesBlock, data: Data) -> np.ndarray:
    """Take the newest values of series that the network reads, (series, steps); NaN where gaps are left open."""
    length = min(count_history_steps(data.seasons), int(panel.measure_lengths().max(initial=0)))
    return panel.take_last_steps(length, only_observed=data.gaps == "mask")


def forecast_windows(
    panel: SeriesBlock,
    windows: np.ndarray,
    data: Data,
    steps: int,
    levels: Sequence[float],
    widths: WidthFactors,
) -> ForecastBlock:
    """Forecast the steps after the end of series.

    Quantiles of counts are whole numbers, and their forecast values are means: the median of what is sold on one day
    in three is 0 every day. Of other series the median is the forecast.

    Args:
        panel: the series.
        windows: their newest values, (series, length), with at least `MIN_STEPS` that are not NaN in each.
        data: the section that they were read by, with its seasons and bounds.
        steps: the horizon.
        levels: of the intervals, in percent.
        widths: of the intervals.
    """
    probabilities = sorted({0.5, *levels_to_probabilities(levels)})
    factors = widths.list_by_probability(probabilities)
    with np.errstate(all="ignore"):  # what is not finite is reported
        # (series, steps, probabilities)
        found = forecast_zero_shot(windows, data.seasons, steps, probabilities, factors)
        values = found[:, :, probabilities.index(0.5)].copy()  # (series, steps)
        if (counts := are_counts(windows)).any():
            values[counts] = forecast_zero_shot(windows[counts], data.seasons, steps, SPREAD_EVENLY).mean(axis=2)
            found[counts] = np.rint(found[counts])
    if data.minimum is not None or data.maximum is not None:
        found, values = (np.clip(each, data.minimum, data.maximum) for each in (found, values))
    shown = probabilities if levels else []
    quantiles = {probability: found[:, :, place] for place, probability in enumerate(shown)}
    sources = [ZERO_SHOT] * len(panel)
    return ForecastBlock(panel.list_names(), panel.list_times_ahead(steps), values, quantiles, sources)


def are_counts(windows: np.ndarray) -> np.ndarray:
    """Return whether the known values of each window are whole numbers from 0 on, with a 0 among them, (series,)."""
    return (np.isnan(windows) | (windows == np.rint(windows))).all(axis=1) & (np.nanmin(windows, axis=1) == 0)
