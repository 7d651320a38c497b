"""Seasons found by the data: the lags at which a series resembles itself once slower movements are gone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from forecaster.time.gaps import interpolate_linearly
from forecaster.time.grid import STEP, find_clock_step, find_season_length
from forecaster.time.rules import CALENDAR, SESSIONS, TimeRules

if TYPE_CHECKING:
    import pandas as pd

_CLEAR = 0.4  # autocorrelation of a season
_CLEAR_TOGETHER = 0.2  # mean autocorrelation over several series, of which not all may have the season
_STRONGER = 0.05  # by which a longer season resembles itself better than a shorter
_CYCLES = 8  # that a season is seen in, at least: random walks have a few
_READ = 20_000  # of the newest steps
_LONGEST = 2000  # steps in a season
_CANDIDATES = 20
_SHORT = 24  # steps up to which every season of several series is tried
_A_DAY_OF_MINUTES = 1440  # steps of a season up to which it is one of shorter series, too
_HUGE = 1e100  # of which squares overflow


def find_shared_seasons(rows: Sequence[np.ndarray]) -> list[int]:
    """Find the seasons in the mean autocorrelation of several series, each (steps,), the shortest first.

    A season is seen in at least three cycles of a series.
    """
    filled = [values for values in map(_interpolate, rows) if len(values)]
    longest = min(int(np.median([len(values) for values in filled])) // 3, _LONGEST) if filled else 0
    if longest < 2:
        return []
    peaks = _find_peaks(_average_autocorrelation(filled, longest, longest))
    strengths: dict[int, float] = {}
    for lag in {*peaks, *range(2, min(longest, _SHORT) + 1)}:  # slower movements hide the peaks of short seasons
        around = _average_autocorrelation(filled, lag, 2 * lag)
        is_peak = around[lag] > max(around[lag - 1], around[lag + 1]) and around[2 * lag] >= _CLEAR_TOGETHER / 2
        strengths[lag] = float(around[lag]) if is_peak else 0.0
    return _select_seasons(strengths, _CLEAR_TOGETHER)


def _average_autocorrelation(rows: Sequence[np.ndarray], width: int, longest: int) -> np.ndarray:
    """Average the autocorrelations of detrended series over those that are long enough, (longest + 2,)."""
    detrended = [detrend(values, width) for values in rows if len(values) >= width + longest + 2]
    found = [_autocorrelate(values, longest) for values in detrended]
    return np.mean(found, axis=0) if found else np.zeros(longest + 2)


def find_shared_weeks(rows: Sequence[np.ndarray], frequency: str, main: int) -> list[int]:
    """Find the week that several series, each (steps,), show together beyond a day of `main` steps: its steps, or none.

    Their mean autocorrelation shows in three and a half weeks what one of them shows in eight: one is lost to
    detrending, two to the lag, and half a week is left to compare. It must also be lower at six and at eight days:
    random walks with a common part, whose mean is that of hardly more than one, resemble themselves as much there.
    Numbered steps with a season of 24 are taken for hours.
    """
    is_day = frequency == STEP and main == 24
    if not (is_day or (find_clock_step(frequency) is not None and main == find_season_length(frequency))):
        return []
    week, filled = 7 * main, [_interpolate(values) for values in rows]
    rests = [_subtract_profile(values, main) for values in filled if len(values) >= 3.5 * week]
    if len(rests) < max(2, len(rows) / 2):
        return []
    correlation = np.mean([_autocorrelate(detrend(rest, week), 2 * week) for rest in rests], axis=0)
    is_peak = correlation[week] >= max(correlation[week - main], correlation[week + main]) + _CLEAR_TOGETHER / 2
    return [week] if is_peak and _is_repeated(correlation, week, main, _CLEAR_TOGETHER, _CLEAR_TOGETHER / 4) else []


def find_longer_seasons(values: np.ndarray, frequency: str, main: int) -> list[int]:
    """Find the longer seasons that the data show once the profile of the main one is subtracted.

    Of steps of a day and shorter the week or the year is tested; of others what autocorrelation finds, in whole main
    seasons where it nearly is.
    """
    filled = _interpolate(values)
    if len(filled) < 2 * main:
        return []
    rest = _subtract_profile(filled, main)
    calendar = _find_calendar_season(frequency, main)
    if calendar:
        return [calendar] if _has_season(rest, calendar, main) else []
    if frequency != STEP:
        return []
    return [_round_season(season, main) for season in find_seasons(rest) if season >= 1.5 * main]


def find_natural_season(frequency: str, rules: TimeRules, steps: int, list_timestamps: "Callable[[], pd.Index]") -> int:
    """Return the season of a frequency and its calendar in steps, 1 where they have none.

    Args:
        frequency, rules: of a series.
        steps: its length; a year of minutes is no season of a week.
        list_timestamps: lists them, for sessions, whose season is a day where it has several.
    """
    if frequency not in {SESSIONS, CALENDAR}:
        season = find_season_length(frequency)
        return season if season <= max(_A_DAY_OF_MINUTES, steps) else 1
    if frequency == CALENDAR:
        return rules.days_a_week
    from forecaster.time.frequency import find_session_times  # noqa: PLC0415  with pandas

    times = len(find_session_times(list_timestamps()))
    return times if times > 1 else rules.days_a_week


def find_seasons(values: np.ndarray) -> list[int]:
    """Find the seasons of (steps,), NaN where missing, that are clear in it, the shortest first.

    A season is a peak of the autocorrelation (Box & Jenkins 1976) that remains when a moving average over one season
    is taken away, so that no random walk has one; a multiple of a shorter one counts only where it is clearer.
    """
    filled = _interpolate(values)
    if not len(filled):
        return []
    longest = min(len(filled) // _CYCLES, _LONGEST)
    peaks = _find_peaks(_autocorrelate(detrend(filled, longest), longest))
    return _select_seasons(dict(_measure_strength(filled, lag) for lag in peaks), _find_threshold(len(filled)))


def _select_seasons(strengths: Mapping[int, float], clear: float) -> list[int]:
    """Select the lags of clear autocorrelation, the shortest first; multiples of a shorter one only where clearer."""
    seasons: list[int] = []
    clearest = sorted((lag for lag in strengths if strengths[lag] >= clear), key=lambda lag: -strengths[lag])
    for lag in sorted(keep_apart(clearest)):
        if all(strengths[lag] > strengths[shorter] + _STRONGER for shorter in seasons):
            seasons.append(lag)
    return seasons


def _interpolate(values: np.ndarray) -> np.ndarray:
    """Interpolate the newest values from the first number to the last; none where they are too few."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 3 * _CYCLES:
        return values[:0]
    filled = interpolate_linearly(values[known[0] : known[-1] + 1])[-_READ:]
    largest = np.abs(filled).max()
    return filled / largest if largest > _HUGE else filled


def _find_threshold(steps: int) -> float:
    """Return the least autocorrelation of a season; that of short noise is high by chance."""
    return max(_CLEAR, 4 / steps**0.5)


def _find_calendar_season(frequency: str, main: int) -> int | None:
    """Return the week for a step shorter than a day, the year for days and weekdays, None for others."""
    if find_clock_step(frequency) is not None and main == find_season_length(frequency):
        return 7 * main
    return {"D": 365, "B": 261}.get(frequency)


def _has_season(rest: np.ndarray, season: int, main: int) -> bool:
    """Whether a season of known length is in what remains after the main one."""
    if len(rest) < _CYCLES * season:
        return False
    correlation = _autocorrelate(detrend(rest, season), 2 * season)
    clear = _find_threshold(len(rest))
    return _is_repeated(correlation, season, main, clear, clear / 2)


def _is_repeated(correlation: np.ndarray, season: int, main: int, clear: float, again: float) -> bool:
    """Whether the autocorrelation is at least `clear` at a season, and `again` at two.

    It must also be higher than half way between them: the profile of a main season that grows and shrinks resembles
    itself at all of its multiples.
    """
    half = main * round(season / 2 / main)
    there, twice = correlation[season], correlation[2 * season]
    return bool(there >= clear and twice >= again and there >= correlation[half] + clear / 2)


def _subtract_profile(values: np.ndarray, main: int) -> np.ndarray:
    """Subtract the mean of each phase of the main season from (steps,)."""
    return values - np.array([values[phase::main].mean() for phase in range(main)])[np.arange(len(values)) % main]


def _round_season(season: int, main: int) -> int:
    """Round a season to whole main ones where it is within a fortieth of them."""
    whole = main * round(season / main)
    return whole if abs(season - whole) <= season / 40 else season


def keep_apart(lags: Iterable[int]) -> list[int]:
    """Keep those that are not a quarter or less from one before them."""
    kept: list[int] = []
    for lag in lags:
        if all(abs(lag - other) > other / 4 for other in kept):
            kept.append(lag)
    return kept


def _measure_strength(values: np.ndarray, near: int) -> tuple[int, float]:
    """Find the season near a peak and its autocorrelation; 0 where it fades within two seasons, as in a random walk."""
    reach = near // 10
    correlation = _autocorrelate(detrend(values, near), 2 * (near + reach))
    width = 2 * (near // 40) + 1
    smooth = np.convolve(correlation, np.full(width, 1 / width), mode="same")
    lags = np.arange(near - reach, near + reach + 1)
    lag = int(lags[np.argmax(smooth[lags] + smooth[2 * lags])])
    return lag, float(smooth[lag]) if smooth[2 * lag] >= _CLEAR / 2 else 0.0


def detrend(values: np.ndarray, width: int) -> np.ndarray:
    """Subtract the centred moving average over `width` steps; what has no whole average is left out."""
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    averages = (sums[width:] - sums[:-width]) / width
    if width % 2 == 0:
        averages = (averages[1:] + averages[:-1]) / 2
    first = width // 2
    return values[first : first + len(averages)] - values.mean() - averages


def _autocorrelate(values: np.ndarray, longest: int) -> np.ndarray:
    """Autocorrelate at lags 0 ... longest + 1, (longest + 2,), each over its steps; 0 where all values are equal."""
    steps = len(values)
    centred = values - values.mean()
    # Zeros behind the values, so that the end does not meet the beginning at these lags; a length with a large prime
    # factor takes several times as long.
    size = min(part << max(-(-(steps + longest + 2) // part) - 1, 1).bit_length() for part in (1, 3, 5, 9, 15))
    spectrum = np.fft.rfft(centred, size)
    products = np.fft.irfft(spectrum * np.conj(spectrum), size)[: longest + 2]
    scale = float(products[0])
    if scale <= 1e-12 * steps * (1 + np.abs(values).max()) ** 2:
        return np.zeros(longest + 2)
    return products / scale * steps / (steps - np.arange(len(products)))


def _find_peaks(correlation: np.ndarray) -> list[int]:
    """Find the lags whose autocorrelation is above both neighbours', the highest first."""
    inner = correlation[1:-1]
    lags = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]) & (inner > _CLEAR / 4)) + 1
    lags = lags[lags > 1]
    return [int(lag) for lag in lags[np.argsort(-correlation[lags], kind="stable")][:_CANDIDATES]]
