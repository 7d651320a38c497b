"""Forecasts of the pretrained network, for series that nothing was trained on."""

import datetime
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecaster.config import LoadedConfig, build_smallest_config, is_config, load_config, load_values
from forecaster.config.schema import Config, Data, MaxAge, Model
from forecaster.data.series import Series
from forecaster.data.sources.files import name_source
from forecaster.errors import ConfigError, UsageError
from forecaster.forecasting.data_checks import DataChecks
from forecaster.forecasting.freshness import measure_freshness
from forecaster.forecasting.interval_widths import WidthFactors, measure_width_factors
from forecaster.forecasting.plausibility import Statistics
from forecaster.forecasting.predict import (
    SERIES_AT_ONCE,
    BatchForecasts,
    Collector,
    Prediction,
    Receiver,
    collect_block,
    collect_hierarchy,
    refuse_incomplete,
)
from forecaster.forecasting.reconciliation import ReconcilingCollector, is_reconciled
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.forecasting.zero_shot_forecasts import forecast_windows, take_windows
from forecaster.forecasting.zero_shot_hierarchy import draw_zero_shot_paths, fit_zero_shot_reconciler
from forecaster.preprocessing.missing_codes import report_missing_codes
from forecaster.preprocessing.read_data import infer_data_keys, read_data
from forecaster.pretrained.zero_shot import LARGEST, MIN_STEPS
from forecaster.problems import Problem
from forecaster.time.gaps import GAP_REPAIRS
from forecaster.wording import count_of, count_steps

if TYPE_CHECKING:
    from forecaster.parallel import Parallel

log = logging.getLogger("forecaster")

_MOST_MISSING = 0.1  # share of a series' steps up to which nobody has to choose what they are
_STEPS_AT_ONCE = 1_000_000  # steps ahead of all series of a batch, so that their quantiles fit into memory
_LONGEST_HORIZON = 96  # steps, where none is asked for
_USED = {"data", "checks", "forecast.levels", "forecast.columns", "forecast.reconcile"}
_NOT_USED = {"data.covariates", "data.calendar", "data.transform", "data.difference"}


def load_data_config(source: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Load the config by which a file is read and checked: the YAML that names it, or one for a CSV or Parquet file.

    Of a file without a YAML gaps are left to the network.

    Raises:
        ConfigError: the YAML or an override is invalid.
        UsageError: an override is of a key that is not used.
    """
    for assignment in overrides:
        key = assignment.partition("=")[0].strip()
        if not _is_used(key):
            raise UsageError(Problem("key-not-used", f"--set {assignment}", detail={"key": key}))
    if is_config(source):
        loaded = load_config(source, overrides)
    else:
        values = build_smallest_config(str(source))
        values["data"]["gaps"] = "mask"
        loaded = load_values(values, str(source), overrides)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return loaded


def _is_used(key: str) -> bool:
    """Whether a forecast without training depends on a dotted key."""
    inside = (key, *(key[:place] for place, letter in enumerate(key) if letter == "."))
    return any(each in _USED for each in inside) and not any(each in _NOT_USED for each in inside)


def predict_zero_shot(
    config: Config,
    horizon: int | None = None,
    levels: Sequence[float] | None = None,
    *,
    max_age: MaxAge | None = None,
    limits_missing: bool = False,
    now: datetime.datetime | None = None,
    receive: Receiver | None = None,
    parallel: "Parallel | None" = None,
) -> Prediction:
    """Forecast the steps after the newest timestamp of each series that a config names, with no training on them.

    Args:
        config: its sections `data`, `checks` and `forecast`; covariates, transforms and differences are not used.
        horizon: steps; by the season where None.
        levels: of the intervals, in percent; those of the config where None.
        max_age: the largest age of the newest step; that of the config where None.
        limits_missing: whether series of which more than a tenth is missing are left out.
        now: the time to which ages are counted, with its zone; the present where None.
        receive: takes the forecasts of each batch of series, which are then not in the result.
        parallel: the processes that forecast batches of series at the same time; this one alone where None.

    Raises:
        DataError: the data cannot be read, no series passes the checks and is long enough, or a series of a
            hierarchy whose forecasts are reconciled does not.
        Stale: every series is older than the largest age.
        Diverged: no forecast is plausible.
        ConfigError: there is a largest age, and the steps have no dates.
    """
    config = drop_network_keys(config)
    panel = read_data(config)
    data = config.data.model_copy(update=infer_data_keys(config.data, panel.longest, panel))
    steps = choose_horizon(data.main_season) if horizon is None else horizon
    levels = config.forecast.levels if levels is None else levels
    checks = config.checks if max_age is None else config.checks.model_copy(update={"max_age": max_age})
    where, now = name_source(data.path), now or datetime.datetime.now(datetime.UTC)
    log.info("%s", _describe(where, len(panel), data, steps))
    # Nothing is known of a training, so that the newest season or horizon is compared with all before it.
    checked = DataChecks(checks, Statistics({}, {}), False, max(steps, data.main_season), data.several)
    freshness = measure_freshness(panel, checks.max_age) if receive is None or checks.max_age else []
    selected = checked.select_series(panel, freshness, now, where, 1)
    widths = measure_width_factors(selected.block, data.seasons, steps, levels, data.gaps)
    if widths.by_level:
        log.info("%s", _describe_widths(widths))
    checked.notices.extend(report_missing_codes(panel, config.data))
    plain = Collector(Prediction([], [], [], checked.notices, freshness), receive)
    reconciles = is_reconciled(config)
    collected = _reconcile(plain, checked, selected.block, config, data, steps, levels) if reconciles else plain
    work = _Work(data, steps, levels, widths, limits_missing, config.forecast.samples if reconciles else 0)
    at_once = max(1, min(SERIES_AT_ONCE, _STEPS_AT_ONCE // steps))
    parts, blocks = [*selected.split(at_once)], (part.block for part in selected.split(at_once))
    for part, found in zip(parts, _forecast_batches(blocks, work, parallel), strict=True):
        collected.prediction.problems.extend(found.problems)
        if found.forecasts is not None:
            collect_block(collected, checked, part.select(found.places), found.forecasts)
    collected.prediction.problems.extend(checked.problems)
    return collected.finish()


@dataclass(frozen=True)
class _Work:
    """What the forecasts of all batches have in common; it is sent to other processes.

    Attributes:
        paths: sample paths of each series; 0 for none.
    """

    data: Data
    steps: int
    levels: Sequence[float]
    widths: WidthFactors
    limits_missing: bool
    paths: int

    def forecast(self, block: SeriesBlock, received: Sequence[int] = ()) -> BatchForecasts:
        """Forecast the series of a batch."""
        data, widths, where = self.data, self.widths, name_source(self.data.path)
        windows = take_windows(block, data)  # (series, steps)
        refusals = _find_refusals(block, windows, where, data, self.limits_missing)
        places = np.array([place for place in range(len(windows)) if place not in refusals], int)
        problems = [*refusals.values()]
        if not len(places):
            return BatchForecasts(None, [], problems)
        kept = block.select(places)
        forecasts = forecast_windows(kept, windows[places], data, self.steps, self.levels, widths)
        if self.paths:
            forecasts = draw_zero_shot_paths(forecasts, windows[places], data, self.paths, widths)
        values = np.stack([forecasts.mean, *forecasts.quantiles.values()])  # (1 + quantiles, series, steps)
        finite = np.isfinite(values).all(axis=2).all(axis=0)  # (series,)
        problems += [_report_size(series, where, data) for series in kept.select(~finite)]
        if not finite.any():
            return BatchForecasts(None, [], problems)
        return BatchForecasts(forecasts.select(np.flatnonzero(finite)), places[finite].tolist(), problems)


def _forecast_batches(
    blocks: Iterator[SeriesBlock], work: _Work, parallel: "Parallel | None"
) -> Iterator[BatchForecasts]:
    """Forecast batches of series, in this process or in several, in their order.

    Raises:
        Interrupted: a signal was received.
        ForecasterError: one of the processes was ended from outside.
    """
    if parallel is None:
        return map(work.forecast, blocks)
    tasks = (block.detach() for block in blocks)
    return parallel.iterate_in_order(work.forecast, tasks, None, "killed-forecast")


def _reconcile(
    collected: Collector,
    checked: DataChecks,
    panel: SeriesBlock,
    config: Config,
    data: Data,
    steps: int,
    levels: Sequence[float],
) -> ReconcilingCollector:
    """Collect the forecasts of a hierarchy; raise an error where series are left out."""
    refuse_incomplete(panel, checked.problems)
    reconciler = fit_zero_shot_reconciler(panel, config, data, steps)
    return collect_hierarchy(collected, reconciler, panel, levels, False)


def choose_horizon(season: int) -> int:
    """Choose the steps to forecast by a season: one of it, two of a short one, a quarter of weeks, 12 without any."""
    return min({1: 12, 52: 13}.get(season, 2 * season if season < 12 else season), _LONGEST_HORIZON)


def drop_network_keys(config: Config) -> Config:
    """Drop what only a trained network uses, so that the data are neither transformed nor refused for it."""
    data = config.data.model_copy(update={"transform": "none", "difference": ()})
    return config.model_copy(update={"data": data, "model": Model()})


def _describe(where: str, count: int, data: Data, steps: int) -> str:
    """Describe what is forecast, and that no network was trained on it."""
    seasons = " and ".join(count_steps(season, data.frequency) for season in data.seasons)
    series = count_of(count, "series", "series")
    return (
        f"{where}: {series}, {f'season of {seasons}' if seasons else 'no season'}, "
        f"horizon of {count_steps(steps, data.frequency)}\n"
        "zero-shot: the forecast is that of a network trained on generated series alone, not on these data"
    )


def _describe_widths(widths: WidthFactors) -> str:
    """Describe by how much the intervals are wider than the network's."""
    factors = ", ".join(f"{factor:.2f} ({level:g}%)" for level, factor in widths.by_level.items())
    origins = count_of(widths.origins, "past origin")
    return f"interval widths are those of the network times {factors}, by its errors at {origins} of these data"


def _find_refusals(
    block: SeriesBlock, windows: np.ndarray, where: str, data: Data, limits_missing: bool
) -> dict[int, Problem]:
    """Find why series cannot be forecast, by place."""
    with np.errstate(invalid="ignore"):
        plain = block.are_observed() & ((~np.isnan(windows)).sum(axis=1) >= MIN_STEPS)
        plain &= ~(np.abs(windows) > LARGEST).any(axis=1)
    suspects = np.flatnonzero(~plain).tolist()
    found = {place: _find_refusal(block[place], windows[place], where, data, limits_missing) for place in suspects}
    return {place: problem for place, problem in found.items() if problem is not None}


def _find_refusal(series: Series, window: np.ndarray, where: str, data: Data, limits_missing: bool) -> Problem | None:
    """Find why a series cannot be forecast: too few values, or too many missing steps that nobody filled."""
    observed = len(series) if series.observed is None else int(np.count_nonzero(series.observed))
    known = min(observed, int(np.count_nonzero(~np.isnan(window))))
    if known < MIN_STEPS:
        problem = Problem("too-few-values-to-forecast", where, detail={"values": known, "needed": MIN_STEPS})
        return _name_series(problem, series, data)
    if np.nanmax(np.abs(window)) > LARGEST:
        return _report_size(series, where, data)
    missing = len(series) - observed
    if limits_missing and data.gaps == "mask" and missing > _MOST_MISSING * len(series):
        detail = {"missing": missing, "steps": len(series), "frequency": series.frequency}
        repairs = (*GAP_REPAIRS, {"data.gaps": "mask"})
        return _name_series(Problem("too-many-missing-steps", where, detail=detail, repairs=repairs), series, data)
    return None


def _report_size(series: Series, where: str, data: Data) -> Problem:
    """Report a series whose values are too large to compute with."""
    detail = {"largest": float(np.nanmax(np.abs(series.values)))}
    return _name_series(Problem("values-too-large", where, detail=detail), series, data)


def _name_series(problem: Problem, series: Series, data: Data) -> Problem:
    """Add the name of its series to a problem of one of several."""
    return problem.add_series(series.name) if data.several else problem
