"""Forecast the real future with a run."""

import collections
import dataclasses
import datetime
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from forecaster.config.policies import override_policies
from forecaster.config.schema import Config, MaxAge
from forecaster.data.panel import Panel
from forecaster.data.series import SelectedSeries, Series
from forecaster.data.sources.files import Paths, name_source
from forecaster.errors import DataError, Diverged, RunError, UsageError
from forecaster.forecast import Forecast, ForecastBlock
from forecaster.forecasting.calibration import Calibration, read_calibration
from forecaster.forecasting.data_checks import CheckedSeries, DataChecks, make_prediction_error
from forecaster.forecasting.freshness import Freshness, measure_freshness
from forecaster.forecasting.plausibility import read_statistics, select_observed
from forecaster.forecasting.predictor import PredictionInputs, Predictor
from forecaster.forecasting.reconciliation import ReconcilingCollector, is_reconciled, load_reconciler
from forecaster.forecasting.saved_networks import load_networks
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.forecasting.zero_shot_forecasts import can_forecast_zero_shot, forecast_short_series
from forecaster.hierarchy import Reconciler
from forecaster.preprocessing.read_data import read_data, read_data_in_groups
from forecaster.preprocessing.saved_preprocessing import load_preprocessing
from forecaster.pretrained.zero_shot import hash_network
from forecaster.problems import Problem, condense_problems
from forecaster.runs import BEFORE_REFIT, Version
from forecaster.shard import Shard

if TYPE_CHECKING:
    from forecaster.parallel import Parallel

log = logging.getLogger("forecaster")

_FURTHER_DECIMALS = 2  # of a forecast, after those of the data
_MOST_DECIMALS = 12
_NEWEST = 1000  # values whose decimals are counted
SERIES_AT_ONCE = 1000  # so that the paths of many series fit into memory

Receiver = Callable[[Sequence[Forecast]], None]


@dataclass(frozen=True)
class Prediction:
    """Forecasts, and what was found in the data.

    Attributes:
        forecasts: of the series that could be forecast.
        panel: those series.
        problems: why others could not be forecast.
        notices: warnings about those that were.
        freshness: of every series that is long enough to be forecast; empty where the forecasts were handed over.
    """

    forecasts: list[Forecast]
    panel: list[Series]
    problems: list[Problem]
    notices: list[Problem] = field(default_factory=list)
    freshness: list[Freshness] = field(default_factory=list)


def predict(
    version: Version,
    data: Paths | None = None,
    horizon: int | None = None,
    levels: Sequence[float] | None = None,
    with_samples: bool = False,
    future: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    max_age: MaxAge | None = None,
    strict: bool = False,
    now: datetime.datetime | None = None,
    receive: Receiver | None = None,
    shard: Shard | None = None,
    parallel: "Parallel | None" = None,
) -> Prediction:
    """Forecast the real future after the newest timestamp of each series.

    Args:
        version: a verified version of a run.
        data: a CSV, or files that are read together, instead of what was trained on.
        horizon: steps; the trained horizon where None.
        levels: of the intervals, in percent; the trained ones where None.
        with_samples: whether the forecasts come with paths.
        future: a CSV of the future covariates, which replaces those after the end of the series.
        overrides: policies of reading and checking that replace those of the run, as `data.gaps=previous`.
        max_age: the largest age of the newest step; that of the run where None.
        strict: whether checks with the policy `auto` refuse series, as in jobs, instead of warning of them.
        now: the time to which ages are counted, with its zone; the present where None.
        receive: takes the forecasts of each batch of series, which are then not in the result, nor is any freshness.
        shard: the share of the series to forecast; all where None.
        parallel: the processes that forecast batches of series at the same time; this one alone where None.

    Raises:
        ConfigError: an override is invalid, or there is a largest age and the steps have no dates.
        UsageError: more steps than the decoder gives, a level beyond its quantiles, an override of anything but a
            policy, or a future that is not read.
        Stale: every series is older than the largest age.
        Diverged: no forecast is finite, or none is plausible.
        DataError: a CSV cannot be read as the series trained on, or none of them is long enough, passes the checks
            and has all cells of its covariates.
    """
    config = override_policies(version.config, overrides)
    if shard is not None and (config.data.hierarchy or config.channels > 1):
        detail = {"expected": "a run whose series are forecast alone: without data.hierarchy and joint channels"}
        raise UsageError(Problem("invalid-option", f"--shard {shard.number}/{shard.count}", detail=detail))
    checks = config.checks if max_age is None else config.checks.model_copy(update={"max_age": max_age})
    steps = config.window.horizon if horizon is None else horizon
    levels = config.forecast.levels if levels is None else levels
    _check_horizon(config, steps)
    check_levels(config, levels)
    predictor, several = load_predictor(version), config.data.several
    made = partial(DataChecks, checks, read_statistics(version), strict, predictor.config.context_steps, several)
    where, now = name_source(data or config.data.path), now or datetime.datetime.now(datetime.UTC)
    collected = Collector(Prediction([], [], []), receive)
    work = _Work(version, config, steps, levels, with_samples or is_reconciled(config))
    forecasting = _Forecasting(collected, made, predictor, work, with_samples, where, now)
    parts = _read_parts(config, data, future, steps, checks.max_age, receive is None, shard)
    batches = (batch for part in parts for batch in forecasting.plan_part(part, receive is None))
    for batch, forecasts in _forecast_batches(batches, predictor, work, parallel):
        forecasting.collect(batch, forecasts)
    return forecasting.finish()


@dataclass(frozen=True)
class _Work:
    """What the forecasts of all batches have in common; it is sent to other processes.

    Attributes:
        config: of the run, with the policies of this prediction.
        with_samples: whether paths are drawn.
    """

    version: Version
    config: Config
    steps: int
    levels: Sequence[float]
    with_samples: bool

    def forecast(self, predictor: Predictor, block: SeriesBlock, is_short: bool) -> "BatchForecasts":
        """Forecast the series of a batch: those that are shorter than the window zero-shot."""
        if is_short:
            forecasts = forecast_short_series(block, self.config, self.steps, self.levels)
            return BatchForecasts(forecasts, [*range(len(block))], [])
        inputs = predictor.prepare(block, self.steps)
        asked = [0, *self.levels] if self.levels else []  # level 0 is the median
        found, places, problems = forecast_finite(predictor, inputs, self.steps, asked, self.with_samples)
        return BatchForecasts(found, [inputs.places[place] for place in places], [*inputs.problems, *problems])


class BatchForecasts(NamedTuple):
    """The forecasts of a batch, None where there is none; the places of their series; problems of the others."""

    forecasts: ForecastBlock | None
    places: list[int]
    problems: list[Problem]


class _CheckedPart(NamedTuple):
    """What is found in the series of a part of the source: by the checks, and by other means."""

    checked: DataChecks
    problems: list[Problem]


class _Batch(NamedTuple):
    """Series that are forecast together, which are shorter than the window or not, and the part that they are of."""

    series: CheckedSeries
    is_short: bool
    part: _CheckedPart


def _forecast_batches(
    batches: Iterable[_Batch], predictor: Predictor, work: _Work, parallel: "Parallel | None"
) -> Iterator[tuple[_Batch, BatchForecasts]]:
    """Forecast batches, in this process or in several, and yield each with its forecasts, in their order.

    Raises:
        Interrupted: a signal was received.
        ForecasterError: what a batch raised; or one of the processes was ended from outside.
    """
    if parallel is None:
        yield from ((batch, work.forecast(predictor, batch.series.block, batch.is_short)) for batch in batches)
        return
    sent: collections.deque[_Batch] = collections.deque()

    def list_tasks() -> Iterator[tuple[SeriesBlock, bool]]:
        for batch in batches:
            sent.append(batch)
            yield batch.series.block.detach(), batch.is_short

    function = partial(_forecast_in_process, work)
    for forecasts in parallel.iterate_in_order(function, list_tasks(), work.version.path, "killed-forecast"):
        yield sent.popleft(), forecasts


_loaded: dict[Path, Predictor] = {}  # in a process that forecasts for another


def _forecast_in_process(work: _Work, task: tuple[SeriesBlock, bool], received: Sequence[int]) -> BatchForecasts:
    if work.version.path not in _loaded:
        _loaded[work.version.path] = load_predictor(work.version)
    return work.forecast(_loaded[work.version.path], *task)


@dataclass
class _Forecasting:
    """The forecast of the series of a source, some at a time, as `predict` describes its arguments.

    Attributes:
        make_checks: those of a part.
        parts: what is found in each.
        changed: series that left a constant.
    """

    collected: "Collector | ReconcilingCollector"
    make_checks: Callable[[], DataChecks]
    predictor: Predictor
    work: _Work
    with_samples: bool
    where: str
    now: datetime.datetime
    parts: list[_CheckedPart] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def plan_part(self, data: "_NewestData", keeps_ages: bool) -> Iterator[_Batch]:
        """Check some series, and list the batches in which they are forecast."""
        config, steps, channels = self.work.config, self.work.steps, self.work.config.channels
        part = _CheckedPart(self.make_checks(), [*data.problems])
        self.parts.append(part)
        short, checked = data.short, part.checked
        # The zero-shot network draws no paths, and reads one channel.
        if self.work.with_samples or channels > 1:
            part.problems.extend(each.problem for each in short)
            short = []
        selected = checked.select_series(data.panel, data.freshness, self.now, self.where, channels)
        ages = [each.freshness for each in short]
        young = checked.select_series([each.series for each in short], ages, self.now, self.where, 1)
        if keeps_ages:
            self.collected.prediction.freshness.extend([*data.freshness, *ages])
        _report_missing_future(config, selected.block, steps)
        if is_reconciled(config):
            self._reconcile(selected.block, part)
        for batch in selected.split(channels * SERIES_AT_ONCE):
            self.changed += _find_changed_series(self.predictor, batch.block)
            yield _Batch(batch, False, part)
        checked.notices += [short[number].notice for number in young.block.numbers]
        for batch in young.split(SERIES_AT_ONCE):
            yield _Batch(batch, True, part)

    def collect(self, batch: _Batch, found: BatchForecasts) -> None:
        """Collect the forecasts and problems of a batch."""
        batch.part.problems.extend(found.problems)
        if found.forecasts is not None:
            padding = 0 if batch.is_short else self.predictor.config.padding_steps
            made = batch.series.select(found.places)
            collect_block(self.collected, batch.part.checked, made, found.forecasts, padding)

    def _reconcile(self, panel: SeriesBlock, part: _CheckedPart) -> None:
        """Collect forecasts of a hierarchy, which is read as a whole; raise an error where series are left out."""
        assert isinstance(self.collected, Collector)
        refuse_incomplete(panel, [*part.problems, *part.checked.problems])
        if reconciler := load_reconciler(self.work.version, self.work.config, panel.list_names()):
            found = collect_hierarchy(self.collected, reconciler, panel, self.work.levels, self.with_samples)
            self.collected = found

    def finish(self) -> Prediction:
        """Complete the problems and notices."""
        prediction = self.collected.prediction
        if self.work.config.conformal:
            _report_few_errors(self.predictor.calibration, self.work.levels)
        for part in self.parts:
            prediction.problems.extend([*part.problems, *part.checked.problems])
            prediction.notices.extend(part.checked.notices)
        if self.changed:
            prediction.notices.append(Problem("constant-training-part", detail={"names": self.changed}))
        return self.collected.finish()


def refuse_incomplete(panel: SeriesBlock, left_out: Sequence[Problem]) -> None:
    """Refuse a hierarchy of which series are left out, whose sums cannot agree with their parts.

    Args:
        panel: the series that are not.
        left_out: why the others are.

    Raises:
        ForecasterError: some are; that of their problems, where they are all.
    """
    if left_out and not panel:
        raise make_prediction_error(left_out)
    if left_out:
        raise DataError([*left_out, Problem("hierarchy-incomplete", detail={"names": []})])


def collect_hierarchy(
    collected: "Collector",
    reconciler: Reconciler,
    panel: SeriesBlock,
    levels: Sequence[float],
    with_samples: bool,
) -> ReconcilingCollector:
    """Collect the forecasts of a hierarchy, whose bottom series have one number of decimals, the largest of all."""
    names = set(reconciler.hierarchy.bottom_names)
    decimals = count_decimals(panel.select([name in names for name in panel.list_names()]))
    known = [each for each in decimals if each is not None]
    most = max(known) + _FURTHER_DECIMALS if len(known) == len(decimals) else None
    asked = [0, *levels] if levels else []
    return ReconcilingCollector(collected, reconciler, asked, most, with_samples)


class _Short(NamedTuple):
    """A series that is shorter than the window, but not too short for the zero-shot network.

    Attributes:
        problem: why the network of the run cannot forecast it.
        freshness: its own.
    """

    series: Series
    problem: Problem
    freshness: Freshness

    @property
    def notice(self) -> Problem:
        """That it is forecast zero-shot."""
        return dataclasses.replace(self.problem, code="too-few-rows-for-network")


class Collector:
    """What a prediction is collected in, batch by batch.

    Args:
        prediction: with the problems and notices found so far, which grow.
        receive: takes the forecasts of each batch, which are then not kept.
    """

    def __init__(self, prediction: Prediction, receive: Receiver | None = None) -> None:
        self.prediction, self._receive, self._has_forecasts = prediction, receive, False

    def add(self, panel: SeriesBlock, forecasts: ForecastBlock, padding: int = 0) -> None:
        """Add the forecasts of a batch, and their series, which were led in by `padding` steps."""
        self._has_forecasts |= bool(forecasts)
        if self._receive is None:
            self.prediction.forecasts.extend(forecasts)
            self.prediction.panel.extend(series.cut(padding, len(series)) for series in panel)
        elif forecasts:
            self._receive(forecasts)

    def finish(self) -> Prediction:
        """Log the notices, the first of a kind by name; return the prediction, or raise why there is no forecast."""
        for notice in condense_problems(self.prediction.notices):
            log.warning("%s", notice)
        if not self._has_forecasts:
            raise make_prediction_error(self.prediction.problems)
        return self.prediction


def collect_block(
    collected: Collector | ReconcilingCollector,
    checked: DataChecks,
    part: CheckedSeries,
    forecasts: ForecastBlock,
    padding: int = 0,
) -> None:
    """Collect the forecasts of series that the checks find plausible."""
    places = checked.check_forecasts(forecasts, part.seen)
    block = part.block.select(places)
    collected.add(block, finish_forecasts(block, forecasts.select(places)), padding)


def forecast_finite(
    predictor: Predictor, inputs: PredictionInputs, steps: int, levels: Sequence[float], with_samples: bool
) -> tuple[ForecastBlock | None, list[int], list[Problem]]:
    """Forecast the steps after the end of series, each that is read alone where the forecast of one is not finite.

    Returns:
        The forecasts that are finite, None where none is; the places of their series; and the problems of the others.
    """
    if not inputs.panel:
        return None, [], []
    try:
        forecasts = predictor.forecast_prepared(inputs, steps, levels, with_samples)
        return ForecastBlock.join(forecasts), list(range(len(inputs.panel))), []
    except Diverged as error:
        channels = predictor.config.channels
        if len(inputs.panel) == channels:
            named = [problem.add_series(series.name) for series in inputs.panel for problem in error.problems]
            return None, [], named if predictor.config.data.several else list(error.problems)
    middle = len(inputs.panel) // channels // 2 * channels
    found: list[Forecast] = []
    places: list[int] = []
    problems: list[Problem] = []
    for part in (range(middle), range(middle, len(inputs.panel))):
        some = PredictionInputs(inputs.panel.select(part), part, inputs.features[part], [])
        finite, kept, further = forecast_finite(predictor, some, steps, levels, with_samples)
        found, problems = [*found, *(finite or ())], [*problems, *further]
        places += [part[place] for place in kept]
    return ForecastBlock.join(found) if found else None, places, problems


def finish_forecasts(block: SeriesBlock, forecasts: ForecastBlock) -> ForecastBlock:
    """Round forecasts to two decimals more than their series have, and complete their sources.

    A source ends with what happened to the missing end of its series: `network (late: fill)`.
    """
    decimals = [None if each is None else each + _FURTHER_DECIMALS for each in count_decimals(block)]
    policies, sources = {"late-steps-filled": "fill", "origin-moved-back": "move_back"}, list(forecasts.sources)
    for place, notices in block.get_notices().items():
        if applied := [policies[notice.code] for notice in notices if notice.code in policies]:
            sources[place] += f" (late: {applied[0]})"
    return dataclasses.replace(forecasts.round(decimals), sources=sources)


def _find_changed_series(predictor: Predictor, panel: SeriesBlock) -> list[str]:
    """Find the names of series that changed after a constant training part."""
    windows = panel.take_last_steps(predictor.config.context_steps)
    changed = np.any(predictor.find_changed_steps(panel, windows), axis=1)
    return panel.select(changed).list_names()


def count_decimals(panel: Sequence[Series]) -> list[int | None]:
    """Count the decimals with which almost all newest values of each series are written; None where there are too many.

    Values that are not in the file, or are means of several rows, may have more.
    """
    block = SeriesBlock(panel)
    found: list[int | None] = [None] * len(block)
    lengths = np.where(block.are_observed(), np.minimum(block.measure_lengths(), _NEWEST), 0)
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        some = block.select(places)
        rows = [some.take_last_steps(length)] if length else (select_observed(s)[None, -_NEWEST:] for s in some)
        counts = [count for values in rows for count in _count_decimals_of_rows(values)]
        for place, count in zip(places.tolist(), counts, strict=True):
            found[place] = count
    return found


def _count_decimals_of_rows(values: np.ndarray) -> list[int | None]:
    """Count the decimals of each row of values, (series, steps)."""
    found: list[int | None] = [None] * len(values)
    # float32, as in some Parquet files, has 7 digits; float64 has 15.
    with np.errstate(over="ignore"):  # float32 ends at 3.4e38
        are_single = (values.astype(np.float32) == values).all(axis=1, keepdims=True)
    allowed = np.where(are_single, 1e-7, 1e-14) * np.abs(values)
    left = np.arange(len(values))  # the rows that have more decimals than those tried so far
    for decimals in range(_MOST_DECIMALS + 1):
        shares = (np.abs(values[left].round(decimals) - values[left]) <= allowed[left]).mean(axis=1)
        for row in left[shares >= 0.95].tolist():
            found[row] = decimals
        left = left[~(shares >= 0.95)]
        if not len(left):
            break
    return found


def _report_few_errors(calibration: Calibration, levels: Sequence[float]) -> None:
    """Log each level without enough errors; it needs the least n with ceil((n + 1) level / 100) <= n."""
    message = "The %g %% interval needs %d errors and has %d; it uses the largest, so treat it as a lower bound."
    for level in levels:
        needed = math.ceil(round(level / (100 - level), 9))
        if calibration.count < needed:
            log.info(message, level, needed, calibration.count)


class _NewestData(NamedTuple):
    """The series of a prediction, why others are left out, the freshness of each, if it is measured, and short ones."""

    panel: Sequence[Series]
    problems: list[Problem]
    freshness: Sequence[Freshness] = ()
    short: Sequence[_Short] = ()


def _read_parts(
    config: Config,
    data: Paths | None,
    future: Path | None,
    steps: int,
    max_age: MaxAge | None,
    is_age_needed: bool,
    shard: Shard | None,
) -> Iterator[_NewestData]:
    """Read the series of a run with their timestamps, those of a large file some at a time.

    Raises:
        DataError: they cannot be read, or all are shorter than the window, in the other shards, too.
        UsageError: the shard has none of them.
    """
    count = 0  # of the series of earlier parts
    too_short: list[Problem] = []
    is_any_long = False
    is_whole = is_age_needed or future is not None
    for whole in [read_data(config, data)] if is_whole else read_data_in_groups(config, data):
        own = None if shard is None else shard.has(count + np.arange(len(whole)))
        count += len(whole)
        panel, left_out = _split_by_length(config, whole, name_source(data or config.data.path), own)
        too_short += [problem for _, problem in left_out]
        # Counted in all shards, or the same short series would be forecast with others and refused without them.
        is_any_long |= bool(panel) or (own is not None and _has_long_series(config, whole))
        able = [pair for pair in left_out if can_forecast_zero_shot(pair[0])]
        ages = measure_freshness([series for series, _ in able], max_age)
        found: Sequence[Series] = panel
        if future is not None and panel:
            from forecaster.forecasting.future_covariates import extend_with_future  # noqa: PLC0415  with pandas

            found = extend_with_future(config, panel, future, steps)
        yield _NewestData(
            found,
            [problem for series, problem in left_out if not can_forecast_zero_shot(series)],
            measure_freshness(panel, max_age) if is_age_needed or max_age else [],
            [_Short(*pair, age) for pair, age in zip(able, ages, strict=True)],
        )
    if shard is not None and shard.number > count:
        detail = {"expected": f"at most {count} shards, one for each series"}
        raise UsageError(Problem("invalid-option", f"--shard {shard.number}/{shard.count}", detail=detail))
    if not is_any_long:
        raise DataError(too_short)


def _report_missing_future(config: Config, panel: Sequence[Series], steps: int) -> None:
    """Log future covariates without values for the steps ahead, where a policy replaces them."""
    for name in config.data.covariates.future:
        lacking = sum(len(series.covariates[name].values) < len(series) + steps for series in panel)
        if lacking and (policy := config.data.covariates.missing.get(name, "error")) != "error":
            message = "%s: values of the steps ahead are missing and replaced (%s); give them with --future"
            log.info(message, name, policy)


def _check_horizon(config: Config, steps: int) -> None:
    if config.rollout == "direct" and steps > config.window.horizon:
        detail = {"decoder": config.model.decoder, "steps": config.window.horizon, "horizon": steps}
        raise UsageError(Problem("horizon-too-long", f"--horizon {steps}", detail=detail))


def check_levels(config: Config, levels: Sequence[float]) -> None:
    """Check that a quantile head reaches the levels.

    Raises:
        UsageError: a level is beyond its quantiles.
    """
    known = config.model.quantiles
    if config.model.head != "quantile" or config.conformal or known is None:
        return
    reach = round(100 * min(1 - 2 * min(known), 2 * max(known) - 1), 6)
    beyond = [level for level in levels if level > reach]
    if beyond:
        detail = {"quantiles": [f"{p:g}" for p in known], "reach": max(reach, 0)}
        raise UsageError(Problem("level-not-learnt", f"--levels {beyond[0]:g}", detail=detail))


def read_newest(config: Config, data: Paths | None) -> tuple[Sequence[Series], list[Problem]]:
    """Read the series of a run, or of another CSV, that are long enough for a window, and why others are not.

    Raises:
        DataError: they cannot be read, or all are shorter than the window.
    """
    panel, left_out = _split_by_length(config, read_data(config, data), name_source(data or config.data.path))
    problems = [problem for _, problem in left_out]
    if not panel:
        raise DataError(problems)
    return panel, problems


def _split_by_length(
    config: Config, panel: Panel, path: str, own: np.ndarray | None = None
) -> tuple[SelectedSeries, list[tuple[Series, Problem]]]:
    """Select the series that are long enough for a window, led in; and the others, each with why it is not.

    Args:
        own: whether each series is looked at; all where None.
    """
    own = np.ones(len(panel), bool) if own is None else own
    length, lengths = config.context_steps - config.padding_steps, panel.lengths
    left_out = []
    for number in np.flatnonzero((lengths < length) & own).tolist():
        detail = {"rows": int(lengths[number]), "needed": length, "differences": bool(config.data.difference)}
        problem = Problem("too-few-rows-to-forecast", path, detail=detail)
        named = problem.add_series(panel.names[number]) if config.data.several else problem
        left_out.append((panel[number], named))
    led_in = panel.prepend_steps(config.padding_steps, config.data.main_season)
    return SelectedSeries(led_in, np.flatnonzero((led_in.lengths >= config.context_steps) & own).tolist()), left_out


def _has_long_series(config: Config, panel: Panel) -> bool:
    """Whether a series is long enough for a window."""
    return len(panel) > 0 and int(panel.lengths.max()) + config.padding_steps >= config.context_steps


def load_predictor(version: Version, before_refit: bool = False) -> Predictor:
    """Load the predictor of a version, with its calibration.

    Args:
        version: of a run.
        before_refit: whether its networks are those before a refit, which have not seen its test part.

    Raises:
        RunError: one of its files cannot be what was written, or it starts from the zero-shot forecasts of another
            network than the one that ships with the package.
    """
    config, preprocessing, calibration = version.config, load_preprocessing(version), read_calibration(version)
    if (steps := calibration.residuals.shape[1]) != config.window.horizon:
        raise version.refuse("residuals.npy", f"errors of {steps} steps; the horizon is {config.window.horizon}")
    if config.model.pretrained and version.preprocessing.get("zero_shot") != hash_network():
        raise RunError(Problem("other-zero-shot-network", str(version.path)))
    root = f"{BEFORE_REFIT}/" if before_refit else ""
    predictor = Predictor.from_networks(load_networks(version, preprocessing, root), config, preprocessing)
    return dataclasses.replace(predictor, calibration=calibration)
