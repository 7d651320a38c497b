"""Seasons found by the data: the lags at which a series resembles itself once slower movements are gone."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from forecaster.data.frequency import season_length, session_times
from forecaster.data.rules import OBSERVED, SESSIONS, TimeRules
from forecaster.data.series import Series

_CLEAR = 0.4  # autocorrelation of a season
_STRONGER = 0.05  # by which a longer season resembles itself better than a shorter
_CYCLES = 8  # that a season is seen in, at least: random walks have a few
_READ = 20_000  # of the newest steps
_LONGEST = 2000  # steps in a season
_CANDIDATES = 20


def season_of(series: Series) -> tuple[int, str | None]:
    """Steps in the season of a series, 1 where there is none, and a sentence where the data had a part in it.

    The season of the frequency comes first; autocorrelation finds one where the frequency has none.
    """
    natural = natural_season(series.frequency, series.timestamps, series.rules)
    found = find_seasons(series.values)
    if natural == 1:
        if not found:
            return 1, None
        others = f"; {_listed(found[1:])} too" if len(found) > 1 else ""
        return found[0], f"{series.name}: a season of {found[0]} steps, found by autocorrelation{others}"
    other = [season for season in found if season != natural]
    if not other:
        return natural, None
    told = f"{series.name}: a season of {natural} steps, by the frequency; by autocorrelation {_listed(other)} too"
    return natural, f"{told}: to use another, data.season: {other[0]}"


def natural_season(frequency: str, timestamps: pd.Index, rules: TimeRules) -> int:
    """The season of a frequency and its calendar, 1 where they tell none."""
    if frequency not in {OBSERVED, SESSIONS}:
        return season_length(frequency)
    times = len(session_times(pd.DatetimeIndex(timestamps))) if frequency == OBSERVED else 1
    return times if times > 1 else rules.days_a_week


def find_seasons(values: np.ndarray) -> list[int]:
    """The seasons that a series shows clearly, the shortest first: (steps,), NaN for cells that are missing.

    A season is a peak of the autocorrelation (Box & Jenkins 1976) that stands when a moving average over one season
    is taken away, so that no random walk has one; a multiple of a shorter one counts only where it is clearer.
    """
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 3 * _CYCLES:
        return []
    filled = np.interp(np.arange(known[0], known[-1] + 1), known, values[known])[-_READ:]
    longest = min(len(filled) // _CYCLES, _LONGEST)
    peaks = _peaks(_autocorrelation(_detrended(filled, longest), longest))
    strengths = dict(_strength(filled, lag) for lag in peaks)
    clear = max(_CLEAR, 4 / len(filled) ** 0.5)  # noise of so few steps resembles itself by chance
    seasons: list[int] = []
    clearest = sorted((lag for lag in strengths if strengths[lag] >= clear), key=lambda lag: -strengths[lag])
    for lag in sorted(_apart(clearest)):
        if all(strengths[lag] > strengths[shorter] + _STRONGER for shorter in seasons):
            seasons.append(lag)
    return seasons


def _apart(lags: Iterable[int]) -> list[int]:
    """Those that are not a quarter or less from one before them."""
    kept: list[int] = []
    for lag in lags:
        if all(abs(lag - other) > other / 4 for other in kept):
            kept.append(lag)
    return kept


def _strength(values: np.ndarray, near: int) -> tuple[int, float]:
    """The season near a peak and its autocorrelation; 0 where two seasons ahead it has faded, as in a random walk."""
    reach = near // 10
    correlation = _autocorrelation(_detrended(values, near), 2 * (near + reach))
    width = 2 * (near // 40) + 1
    smooth = np.convolve(correlation, np.full(width, 1 / width), mode="same")
    lags = np.arange(near - reach, near + reach + 1)
    lag = int(lags[np.argmax(smooth[lags] + smooth[2 * lags])])
    return lag, float(smooth[lag]) if smooth[2 * lag] >= _CLEAR / 2 else 0.0


def _detrended(values: np.ndarray, width: int) -> np.ndarray:
    """Less the centred moving average over `width` steps; what has no whole average is left out."""
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    averages = (sums[width:] - sums[:-width]) / width
    if width % 2 == 0:
        averages = (averages[1:] + averages[:-1]) / 2
    first = width // 2
    return values[first : first + len(averages)] - values.mean() - averages


def _autocorrelation(values: np.ndarray, longest: int) -> np.ndarray:
    """At lags 0 ... longest + 1, (longest + 2,), each over the steps that it has; 0 where all values are equal."""
    steps = len(values)
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * steps)
    products = np.fft.irfft(spectrum * np.conj(spectrum))[: longest + 2]
    scale = float(products[0])
    if scale <= 1e-12 * steps * (1 + np.abs(values).max()) ** 2:
        return np.zeros(longest + 2)
    return products / scale * steps / (steps - np.arange(len(products)))


def _peaks(correlation: np.ndarray) -> list[int]:
    """The lags that resemble more than both neighbours, the clearest first."""
    inner = correlation[1:-1]
    lags = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]) & (inner > _CLEAR / 4)) + 1
    lags = lags[lags > 1]
    return [int(lag) for lag in lags[np.argsort(-correlation[lags], kind="stable")][:_CANDIDATES]]


def _listed(seasons: list[int]) -> str:
    return " and ".join(map(str, seasons))
