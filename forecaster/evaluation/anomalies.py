"""Anomalies: observed values outside the interval that was forecast for them, at a rate of false alarms that is kept.

The score of a value is its distance from the forecast over that of the interval's bound on the same side, so that
seasons, steps ahead and series compare. Its p-value is conformal: the share of scores known at the origin of its
forecast that are as large (Laxhammar & Falkman 2014, "Online learning and sequential anomaly detection in
trajectories", section 3). Where scores are exchangeable, at most the share `rate` of p-values is up to `rate`. No later
value changes a p-value, so that what is flagged stays flagged when a file grows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecaster.config.schema import Config
from forecaster.data import Panel
from forecaster.errors import DataError, UsageError
from forecaster.evaluation.evaluate import evaluate
from forecaster.evaluation.origins import MODEL, Origins
from forecaster.forecast import level_to_quantiles
from forecaster.forecasting.calibration import read_calibration
from forecaster.forecasting.conformal import compute_half_widths
from forecaster.forecasting.interval_widths import cut_window
from forecaster.forecasting.zero_shot import choose_horizon, drop_network_keys
from forecaster.preprocessing.read_data import infer_data_keys, read_data
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import LARGEST, MIN_STEPS, forecast_zero_shot
from forecaster.problems import Problem
from forecaster.runs import Version
from forecaster.wording import count_of, format_timestamps

RATE = 0.01  # of false alarms, where none is asked for
_LEVEL = 95.0  # percent, of the zero-shot interval that scores refer to
_JOINED = 1 / 8  # of a season: flags this close belong to one event
_FEWEST_JOINED = 2  # steps
_MOST_ORIGINS = 20_000  # of zero-shot forecasts: about two minutes on two cores
_LONGEST_HORIZON, _MOST_SEASONS = 672, 7  # steps ahead of zero-shot forecasts: a week, where days are the main season
_AT_ONCE = 64  # windows
_FEWEST_SEASONS = 3  # of which most have one value
_USUAL = "usual"
_TIMES = ("origin", "timestamp", "first", "last", "peak")  # columns of timestamps


@dataclass(frozen=True)
class Event:
    """Neighbouring anomalies of one series.

    Attributes:
        series: its name.
        first, last: the timestamps of its first and its last anomaly.
        values: how many anomalies it has.
        score: the sum of -log10 of their p-values (Fisher's method, without its test: errors of neighbours correlate).
        peak: the timestamp of the largest score of a value, the first of several.
        actual, mean, lower, upper: what was observed there, and its forecast with the interval of the rate.
    """

    series: str
    first: Any
    last: Any
    values: int
    score: float
    peak: Any
    actual: float
    mean: float
    lower: float
    upper: float

    @property
    def span(self) -> str:
        """Its timestamps, as text."""
        first, last = format_timestamps([self.first, self.last])
        return first if first == last else f"{first} to {last}"


@dataclass(frozen=True, eq=False)
class Anomalies:
    """Observed values with their forecasts, and which of them are anomalies.

    Attributes:
        rows: a row for each value, by series and time: series, origin, timestamp, step, actual, mean, lower, upper,
            p_value, anomaly, event. The bounds are those of the rate; they and the p-value are NaN where too few
            scores were known. Events count from 1, the one with the largest score; 0 is none.
        events: from the largest score to the smallest.
        rate: of false alarms that is kept.
        frequency: of the steps, as in `count_steps`.
    """

    rows: pd.DataFrame
    events: Sequence[Event]
    rate: float
    frequency: str = ""

    @cached_property
    def checked(self) -> int:
        """The number of values with a p-value."""
        return int(self.rows["p_value"].notna().sum())

    @property
    def flagged(self) -> int:
        """The number of anomalies."""
        return int(self.rows["anomaly"].sum())

    def describe(self) -> str:
        """Describe how many values are anomalies, and of how many events."""
        if not self.checked:
            needed, known = count_needed(self.rate), len(self.rows)
            return f"no value can be checked at a rate of {self.rate:g}: it needs {needed:,} earlier ones of {known:,}"
        shares = f"{self.flagged / self.checked:.2%} at a rate of {self.rate:.6g}"
        events = count_of(len(self.events), "event")
        return f"{self.flagged:,} of {count_of(self.checked, 'value')} are anomalies ({shares}), in {events}"

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values: counts, every event, and every anomaly."""
        flagged = format_rows(self.rows[self.rows["anomaly"]])
        return {
            "rate": self.rate,
            "checked": self.checked,
            "not_checked": len(self.rows) - self.checked,
            "flagged": self.flagged,
            "events": format_rows(pd.DataFrame(map(vars, self.events))).to_dict("records"),
            "values": flagged.drop(columns="anomaly").to_dict("records"),
        }


def count_needed(rate: float) -> int:
    """Count the scores that have to be known for a p-value as small as a rate."""
    return int(np.ceil(round(1 / rate, 9))) - 1


def format_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Format the timestamps of `Anomalies.rows`, or of events, as text; round forecasts and bounds to 7 digits."""
    largest = rows["actual"].abs().max() if len(rows) else 0.0
    decimals = 6 - int(np.floor(np.log10(largest))) if largest > 0 else 6
    texts = {name: format_timestamps(rows[name]) for name in _TIMES if name in rows}
    return rows.assign(**texts).round(dict.fromkeys(("mean", "lower", "upper"), decimals) | {"p_value": 7})


def anomalies_to_csv(found: Mapping[str, Anomalies], is_of_jobs: bool = False) -> str:
    """Write `Anomalies.rows` as CSV, of jobs after the name of each; what is not known is empty."""
    tables = []
    for name, each in found.items():
        table = format_rows(each.rows).assign(anomaly=each.rows["anomaly"].astype(int))
        tables.append(pd.concat({name: table}, names=["job"]).reset_index("job") if is_of_jobs else table)
    return pd.concat(tables).to_csv(index=False, lineterminator="\n")


def anomalies_to_text(found: Mapping[str, Anomalies], is_of_jobs: bool = False) -> str:
    """Write `Anomalies.to_json` as JSON, of jobs as a list after the name of each."""
    facts: list[Any] = [({"job": name} if is_of_jobs else {}) | each.to_json() for name, each in found.items()]
    return json.dumps({"jobs": facts} if is_of_jobs else facts[0], indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def find_anomalies(
    rows: pd.DataFrame, rate: float, season: int = 1, frequency: str = "", known: np.ndarray | None = None
) -> Anomalies:
    """Find the values outside the interval that was forecast for them, and join neighbours to events.

    Args:
        rows: series, origin, timestamp, step, actual, mean, lower and upper of each value: the bounds of any level.
            Each value has one forecast. With a column `usual`, the values of which it is true have a score of 0.
        rate: the share of ordinary values that may be flagged.
        season: in steps, 1 where there is none.
        frequency: of the steps.
        known: scores of earlier values, such as those of a calibration.
    """
    rows = rows[rows[["actual", "mean", "lower", "upper"]].notna().all(axis=1)]
    rows = rows.sort_values(["series", "timestamp"], kind="stable").reset_index(drop=True)
    scores = compute_scores(*(rows[name].to_numpy(float) for name in ("actual", "mean", "lower", "upper")))
    if _USUAL in rows:
        scores = np.where(rows.pop(_USUAL).to_numpy(bool), 0.0, scores)
    times, origins = (_to_numbers(rows[name]) for name in ("timestamp", "origin"))
    p_values, factors = _compute_p_values(scores, times, origins, np.array([]) if known is None else known, rate)
    with np.errstate(invalid="ignore"):  # an unbounded factor of an interval without width
        low, high = (rows["mean"] + factors * (rows[name] - rows["mean"]) for name in ("lower", "upper"))
    if len(rows) and min(rows["actual"].min(), rows["lower"].min()) >= 0:  # no bound of what is never negative is
        low = low.clip(lower=0)
    flagged = p_values <= rate
    rows = rows.assign(lower=low, upper=high, p_value=p_values, anomaly=flagged)
    numbers, events = _join_events(rows, scores, max(_FEWEST_JOINED, round(_JOINED * season)))
    return Anomalies(rows.assign(event=numbers), events, rate, frequency)


def compute_scores(actual: np.ndarray, mean: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Compute distances from the forecast over those of the bound on the same side; infinite outside of no width."""
    distance = actual - mean
    bound = np.maximum(np.where(distance >= 0, upper - mean, mean - lower), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, np.abs(distance) / bound)


def _to_numbers(times: pd.Series) -> np.ndarray:
    """Convert timestamps to integers that rise with them."""
    return pd.DatetimeIndex(times).asi8 if isinstance(times.iloc[:1].squeeze(), pd.Timestamp) else times.to_numpy(int)


def _compute_p_values(
    scores: np.ndarray, times: np.ndarray, origins: np.ndarray, known: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the p-value of each score among those known at its origin, and the factor of the interval of the rate.

    Args:
        scores, times, origins: of each value, (values,).
        known: scores that are known at every origin.
        rate: of false alarms.

    Returns:
        (values,) each; NaN where fewer scores were known than the rate needs.
    """
    p_values, factors = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    by_time, by_origin = np.argsort(times, kind="stable"), np.argsort(origins, kind="stable")
    rising, distinct, starts = times[by_time], *np.unique(origins[by_origin], return_index=True)
    earlier, taken = np.sort(known[~np.isnan(known)]), 0
    for origin, part in zip(distinct, np.split(by_origin, starts[1:]), strict=True):
        until = int(np.searchsorted(rising, origin, side="right"))
        if until > taken:
            earlier = np.sort(np.concatenate([earlier, scores[by_time[taken:until]]]), kind="stable")
            taken = until
        count = len(earlier)
        if count < count_needed(rate):
            continue
        as_large = count - np.searchsorted(earlier, scores[part], side="left")
        p_values[part] = (1 + as_large) / (count + 1)
        # A score is flagged where it exceeds the k-th smallest: rounded first, as in `compute_half_widths`.
        factors[part] = earlier[int(np.ceil(round((count + 1) * (1 - rate), 9))) - 1]
    return p_values, factors


def _join_events(rows: pd.DataFrame, scores: np.ndarray, gap: int) -> tuple[np.ndarray, list[Event]]:
    """Join the anomalies of each series that at most `gap` steps separate; number events by their scores."""
    places = np.flatnonzero(rows["anomaly"].to_numpy(bool))
    codes = pd.factorize(rows["series"])[0][places]
    begins = np.flatnonzero((np.diff(places) > gap) | (np.diff(codes) != 0)) + 1
    parts = [part for part in np.split(places, begins) if len(part)]
    surprises = -np.log10(rows["p_value"].to_numpy(float))
    totals = [float(surprises[part].sum()) for part in parts]
    numbers, events = np.zeros(len(rows), int), []
    for rank, number in enumerate(sorted(range(len(parts)), key=lambda each: -totals[each]), 1):
        part = parts[number]
        numbers[part] = rank
        first, last, peak = (rows.iloc[place] for place in (part[0], part[-1], part[np.argmax(scores[part])]))
        seen = [float(peak[name]) for name in ("actual", "mean", "lower", "upper")]
        span = first["series"], first["timestamp"], last["timestamp"]
        events.append(Event(*span, len(part), round(totals[number], 4), peak["timestamp"], *seen))
    return numbers, events


def find_anomalies_of_run(version: Version, data: Path | None = None, rate: float = RATE) -> Anomalies:
    """Find the anomalies among the values after the training data of a run, forecast a horizon at a time.

    Scores of the validation part are known from the start, where intervals are conformal.

    Raises:
        UsageError: the config of the run asks for no intervals.
        DataError, RunError: as for `evaluate`.
    """
    config = version.config
    if not config.forecast.levels:
        raise UsageError(Problem("no-intervals", str(version.path)))
    level = max(config.forecast.levels)
    compared = evaluate(version, data, config.window.horizon, []).comparison
    forecast, (low, high) = compared.forecasts[MODEL], level_to_quantiles(level)
    bounds = forecast.quantiles[low], forecast.quantiles[high]
    rows = _tabulate(compared.origins, compared.actual, forecast.mean, *bounds)
    known = _read_known_scores(version, level) if config.conformal else None
    return find_anomalies(rows, rate, config.data.main_season, compared.origins.panel.frequency, known)


def _read_known_scores(version: Version, level: float) -> np.ndarray:
    """Read the scores of the validation part of a run: of each step, residuals over the half-width of the level."""
    residuals = read_calibration(version).residuals  # (origins, horizon)
    widths = compute_half_widths(residuals, level)
    sizes = np.abs(residuals[:, widths > 0]) / widths[widths > 0]
    return sizes[~np.isnan(sizes)]


def find_anomalies_without_training(config: Config, rate: float = RATE) -> Anomalies:
    """Find the anomalies among the values of a file by zero-shot forecasts from past origins, a season at a time.

    Args:
        config: its section `data`.
        rate: of false alarms.

    Raises:
        DataError: the data cannot be read, or no series is long enough.
    """
    panel = read_data(drop_network_keys(config))
    data = config.data.model_copy(update=infer_data_keys(config.data, panel.longest, panel))
    horizon, main = _choose_horizon(data.seasons), data.main_season
    origins = _space_origins(panel, 2 * main, horizon)
    if not len(origins):
        detail = {"rows": int(panel.lengths.max()), "needed": max(2 * main, MIN_STEPS) + 2}
        raise DataError(Problem("too-few-rows-to-check", detail=detail))
    quantiles = _forecast_zero_shot(origins, data.seasons, data.gaps, horizon)
    low, middle, high = np.moveaxis(quantiles, -1, 0)
    actual = origins.read_actuals(horizon)
    rows = _tabulate(origins, actual, middle, low, high)
    usual = _are_usual(origins, actual, main, count_history_steps(data.seasons))
    return find_anomalies(rows.assign(**{_USUAL: usual[~np.isnan(actual)]}), rate, main, panel.frequency)


def _are_usual(origins: Origins, actual: np.ndarray, season: int, length: int) -> np.ndarray:
    """Find values that most of those before them at the same place of the season equal, (origins, horizon).

    After a spike in a series that is otherwise constant, the forecast repeats the spike: what returns to the constant
    is then far from the forecast, and no anomaly.

    Args:
        origins: of forecasts.
        actual: values after them, (origins, horizon).
        season: in steps.
        length: steps before an origin that count.
    """
    usual, places = np.full(actual.shape, np.nan), np.arange(actual.shape[1]) % season
    for row, (series, step) in enumerate(zip(origins.series, origins.steps.tolist(), strict=True)):
        known = series.values[max(0, step + 1 - length) : step + 1]
        count = len(known) // season
        if count < _FEWEST_SEASONS:
            continue
        seasons = known[len(known) - count * season :].reshape(count, season)
        medians = np.median(seasons, axis=0)  # (season,)
        usual[row] = np.where((seasons == medians).mean(axis=0) > 0.5, medians, np.nan)[places]
    return np.asarray(actual == usual)


def _choose_horizon(seasons: Sequence[int]) -> int:
    """Choose the steps ahead: of the longest season that has few of the main one, so that its events stand out."""
    main = seasons[0] if seasons else 1
    fitting = [each for each in seasons if each <= min(_MOST_SEASONS * main, _LONGEST_HORIZON)]
    return max([choose_horizon(main), *fitting]) if choose_horizon(main) >= main else choose_horizon(main)


def _space_origins(panel: Panel, begin: int, horizon: int) -> Origins:
    """Space origins a horizon apart from the same step of each series on, so that they stay when rows are added.

    Of more than `_MOST_ORIGINS`, the newest of each series are kept.
    """
    most = max(1, _MOST_ORIGINS // max(len(panel), 1))
    first = max(begin, MIN_STEPS) - 1
    steps = [np.arange(first, length - 1, horizon)[-most:] for length in panel.lengths.tolist()]
    return Origins(panel, np.repeat(np.arange(len(panel)), list(map(len, steps))), np.concatenate(steps))


def _forecast_zero_shot(origins: Origins, seasons: Sequence[int], gaps: str, horizon: int) -> np.ndarray:
    """Forecast lower bound, median and upper bound from each origin, (origins, horizon, 3); NaN where that fails."""
    low, high = level_to_quantiles(_LEVEL)
    length, found = count_history_steps(seasons), np.full((len(origins), horizon, 3), np.nan)
    for first in range(0, len(origins), _AT_ONCE):
        some = origins.select(slice(first, first + _AT_ONCE))
        pairs = zip(some.series, (some.steps + 1).tolist(), strict=True)
        windows = np.stack([cut_window(series, end, length, gaps) for series, end in pairs])  # (origins, length)
        usable = ((~np.isnan(windows)).sum(axis=1) >= MIN_STEPS) & ~(np.abs(windows) > LARGEST).any(axis=1)
        with np.errstate(all="ignore"):  # what is not finite is left out
            found[first + np.flatnonzero(usable)] = forecast_zero_shot(
                windows[usable], seasons, horizon, [low, 0.5, high]
            )
    return np.where(np.isfinite(found), found, np.nan)


def _tabulate(
    origins: Origins, actual: np.ndarray, mean: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> pd.DataFrame:
    """Tabulate each value after an origin with its forecast, arrays (origins, horizon); without unknown values."""
    known = ~np.isnan(actual)
    rows, columns = np.nonzero(known)
    whole = {member: origins.panel[member] for member in np.unique(origins.members).tolist()}
    series, steps = [whole[member] for member in origins.members.tolist()], origins.steps.tolist()
    starts = [each.timestamps[[step]] for each, step in zip(series, steps, strict=True)]
    times = [
        each.timestamps[step + 1 + np.flatnonzero(some)] for each, step, some in zip(series, steps, known, strict=True)
    ]
    names = np.array([each.name for each in series], object)
    return pd.DataFrame(
        {
            "series": names[rows],
            "origin": pd.concat(list(map(pd.Series, starts)), ignore_index=True).iloc[rows].reset_index(drop=True),
            "timestamp": pd.concat(list(map(pd.Series, times)), ignore_index=True),
            "step": columns + 1,
            "actual": actual[known],
            "mean": mean[known],
            "lower": lower[known],
            "upper": upper[known],
        }
    )
