"""The plan of an imputation: config and data, checked against each other, and the gaps, without TensorFlow."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.config import Config, LoadedConfig
from forecaster.data import Series
from forecaster.data.assembly.localize import parse_row_timestamps
from forecaster.data.read_tables import parse_series, read_cells
from forecaster.data.sources.files import name_source
from forecaster.data.sources.text_table import Table, write_records
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import levels_to_probabilities
from forecaster.imputation.artificial_gaps import compute_length_shares
from forecaster.imputation.filled_csv import FilledSeries, check_columns
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.read_data import build_data_request, infer_data_keys
from forecaster.preprocessing.saved_preprocessing import fit_series_scaler
from forecaster.preprocessing.split import Split, split_chronologically
from forecaster.problems import Problem
from forecaster.time.gaps import Gap, find_gaps
from forecaster.wording import format_timestamps

log = logging.getLogger("forecaster")

_MIN_LONGEST = 24  # steps of the longest artificial gap without a season, at least
_MAX_SEASONS = 7  # read on each side: a week of days

# What `forecast impute` would ignore although it was levels_used for: key, the value to use, why.
# Keys of the model with the one value that fills gaps, and the code of the problem of any other.
_REQUIRED = (
    ("bidirectional", True, "impute-reads-both-sides"),
    ("head", "point", "impute-learns-one-value"),
    ("segment", 1, "impute-fills-single-steps"),
    ("attention", "none", "impute-reads-every-step"),
    ("normalization", "none", "impute-finds-the-level"),
    ("normalization_scale", "none", "impute-finds-the-level"),
    ("pretrained", False, "impute-reads-no-forecast"),
)


@dataclass(frozen=True)
class GapPlan:
    """The resolved config, the CSV as text, its series with split and scaler, and the gaps.

    Attributes:
        member: its series is NaN at the gaps.
        gaps: in chronological order.
        levels: coverage of the intervals, in percent.
    """

    config: Config
    table: Table
    member: PreparedSeries
    gaps: list[Gap]
    levels: Sequence[float]

    @property
    def probabilities(self) -> list[float]:
        """Probabilities of the quantiles of all levels, in rising order."""
        return levels_to_probabilities(self.levels)

    @property
    def season(self) -> int:
        """Steps in a season, 1 without one."""
        return self.config.data.main_season

    @property
    def reach(self) -> int:
        """Seasons read on each side, few enough that they leave most of the training part to windows."""
        steps = self.member.split.training_end - self.config.window.length
        return 0 if self.season == 1 else min(_MAX_SEASONS, steps // (3 * self.season))

    @property
    def shares(self) -> np.ndarray:
        """Probability that an artificial gap has 1, 2, ... steps, (longest,)."""
        season = self.season if self.season > 1 else _MIN_LONGEST
        longest = max([season, *(gap.length for gap in self.gaps)])
        return compute_length_shares(self.gaps, min(self.config.window.length // 2, longest))

    @property
    def unfilled(self) -> FilledSeries:
        """The result for a series without gaps."""
        series = self.member.series
        values = series.values
        return FilledSeries(series, values, {p: np.full(len(values), np.nan) for p in self.probabilities})


def plan_gaps(loaded: LoadedConfig, levels: Sequence[float] | None = None) -> GapPlan:
    """Check a config against the CSV whose gaps it fills.

    Args:
        loaded: the config.
        levels: of the intervals, in percent; the config's if None.

    Raises:
        ConfigError: it has problems, or needs what imputation does not support.
        DataError: the CSV has problems, or a gap is too long for the window.
    """
    levels_used = loaded.config.forecast.levels if levels is None else levels
    if problems := [*loaded.problems, *_find_config_problems(loaded, levels_used)]:
        raise ConfigError(problems)
    request = build_data_request(loaded.config)
    table = write_records(read_cells(request.paths, request.dialect, request.reading.where))
    check_columns(table, levels_to_probabilities(levels_used), loaded.config.forecast.columns)
    (series,) = parse_series(table, dataclasses.replace(request.reading, gaps="mask"))
    if isinstance(series.time, tuple):
        raise ConfigError([loaded.locate_problem("impute-one-time-column", ("data", "time"))])
    gaps = find_gaps(series.values)
    for notice in (*series.notices, *_describe_outside_rows(table, series)):
        log.info("%s", notice)
    _check_lengths(loaded, table, series, gaps)
    data = loaded.config.data.model_copy(update=infer_data_keys(loaded.config.data, series))
    config = loaded.config.model_copy(update={"data": data})
    return GapPlan(config, table, _prepare_series(loaded, series, bool(gaps)), gaps, levels_used)


def _find_config_problems(loaded: LoadedConfig, levels: Sequence[float]) -> Iterator[Problem]:
    """Find what a config asks for that no imputation does."""
    config, data = loaded.config, loaded.config.data
    for key, wanted, code in _REQUIRED:
        if (value := getattr(config.model, key)) != wanted:
            detail = {"received": str(value).lower()}
            yield loaded.locate_problem(code, ("model", key), detail, ({f"model.{key}": wanted},))
    if config.ensemble is not None and config.ensemble.size > 1:
        yield loaded.locate_problem("impute-one-network", ("ensemble",), repairs=({"ensemble": None},))
    if lags := data.difference:
        received = {"received": list(lags)}
        yield loaded.locate_problem(
            "impute-no-difference", ("data", "difference"), received, ({"data.difference": []},)
        )
    if config.window.min_length is not None:
        repairs = ({"window.min_length": None},)
        yield loaded.locate_problem("impute-whole-series", ("window", "min_length"), repairs=repairs)
    if data.calendar:
        yield loaded.locate_problem("impute-no-calendar", ("data", "calendar"), repairs=({"data.calendar": []},))
    if columns := [*data.covariates.past, *data.covariates.future]:
        yield loaded.locate_problem("impute-no-covariates", ("data", "covariates"), {"columns": columns})
    if data.series is not None:
        yield loaded.locate_problem("impute-one-series", ("data", "series"), repairs=({"data.series": None},))
    elif data.several:
        yield loaded.locate_problem("impute-one-column", ("data", "layout" if data.layout != "columns" else "target"))
    if isinstance(data.time, tuple):
        yield loaded.locate_problem("impute-one-time-column", ("data", "time"))
    if levels and not config.split.validation:
        yield loaded.locate_problem("impute-without-validation", ("split", "validation"))


def _prepare_series(loaded: LoadedConfig, series: Series, has_gaps: bool) -> PreparedSeries:
    """Split the series and fit its scaler on the observed cells of the training part."""
    split = _split_series(loaded, series) if has_gaps else Split(len(series), len(series), len(series))
    training = series.values[: split.training_end]
    return PreparedSeries(series, split, fit_series_scaler(loaded.config, training[~np.isnan(training)]))


def _split_series(loaded: LoadedConfig, series: Series) -> Split:
    validation, test = loaded.config.split.validation, loaded.config.split.test
    length = loaded.config.window.length
    try:
        return split_chronologically(len(series), validation, test, length, ahead=1, horizon=1)
    except DataError:
        detail = {"rows": len(series), "source": name_source(loaded.config.data.path), "window": length}
        detail |= {"validation": validation, "test": test}
        raise DataError(loaded.locate_problem("too-few-rows-to-impute", ("window", "length"), detail)) from None


def _describe_outside_rows(table: Table, series: Series) -> Iterator[Problem]:
    """Give a notice of rows before the first number and after the last."""
    timestamps = parse_row_timestamps(table, series.time, series.frequency, series.rules)
    count = int(np.sum((timestamps < series.timestamps[0]) | (timestamps > series.timestamps[-1])))
    if count:
        yield Problem("rows-outside", table.path, detail={"count": count})


def _check_lengths(loaded: LoadedConfig, table: Table, series: Series, gaps: Sequence[Gap]) -> None:
    longest = max(gaps, key=lambda gap: gap.length, default=Gap(0, 0))
    length = loaded.config.window.length
    if 2 * longest.length <= length:
        return
    ends = series.timestamps[[longest.first, longest.first + longest.length - 1]]
    timestamps = parse_row_timestamps(table, series.time, series.frequency, series.rules)
    line = table.lines[int(np.argmax(timestamps >= ends[0]))]
    first, last = format_timestamps(list(ends))
    detail = {"missing": longest.length, "frequency": series.frequency, "window": length}
    detail |= {"first": first, "last": last}
    repairs = ({"window.length": 2 * longest.length},)
    raise DataError(Problem("gap-longer-than-window", table.places.locate(line), detail=detail, repairs=repairs))
