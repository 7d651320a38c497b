"""Everything about an imputation that needs no TensorFlow: config and CSV, checked together, and the gaps found."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.config import Config, LoadedConfig
from forecaster.data import Series
from forecaster.data.assembly.localize import row_timestamps
from forecaster.data.gaps import Gap, find_gaps
from forecaster.data.read import series_of, table_of
from forecaster.data.sources.files import described
from forecaster.data.sources.text_table import Table, with_records
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import format_timestamps, levels_to_probabilities
from forecaster.imputation.artificial_gaps import compute_length_shares
from forecaster.imputation.filled_csv import FilledSeries, check_columns
from forecaster.preprocessing.load import data_request, found_in
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.saved_preprocessing import fit_series_scaler
from forecaster.preprocessing.split import Split, split_chronologically

log = logging.getLogger("forecaster")

_NO_SEASON = 24  # steps up to which gaps are learnt at least, where there is no season
_SEASONS = 7  # looked up on each side at most: a week of days

# What `forecast impute` would ignore although it was asked for: key, the value to use, why.
_REFUSED = (
    ("bidirectional", True, "a gap is filled from both sides, and a forward network sees one: set it to true"),
    ("head", "point", "impute learns one value for each cell, with intervals from hidden cells: use point"),
    ("segment", 1, "impute fills single steps, not whole segments: use 1"),
    ("attention", "none", "impute reads every step at its own place: use none"),
    ("normalization", "none", "impute takes each window's level from its observed cells: use none"),
    ("normalization_scale", "none", "impute takes each window's size from its observed cells: use none"),
)


@dataclass(frozen=True)
class GapPlan:
    """What to fill: the resolved config, the CSV as text, and its series with its split and scaler.

    Attributes:
        member: its series is NaN at the gaps.
        gaps: in order of time.
        levels: coverage of the intervals, in percent.
    """

    config: Config
    table: Table
    member: PreparedSeries
    gaps: list[Gap]
    levels: Sequence[float]

    @property
    def probabilities(self) -> list[float]:
        """Of the quantiles of every level, in rising order."""
        return levels_to_probabilities(self.levels)

    @property
    def season(self) -> int:
        """Steps in a season, 1 where there is none."""
        return self.config.data.main_season

    @property
    def reach(self) -> int:
        """Seasons looked up on each side: what leaves most of the training part to its windows."""
        steps = self.member.split.training_end - self.config.window.length
        return 0 if self.season == 1 else min(_SEASONS, steps // (3 * self.season))

    @property
    def shares(self) -> np.ndarray:
        """How often gaps of 1, 2, ... steps are hidden to learn from, (longest,)."""
        season = self.season if self.season > 1 else _NO_SEASON
        longest = max([season, *(gap.length for gap in self.gaps)])
        return compute_length_shares(self.gaps, min(self.config.window.length // 2, longest))

    @property
    def untouched(self) -> FilledSeries:
        """The filling of a series that has no gap."""
        series = self.member.series
        values = series.values
        return FilledSeries(series, values, {p: np.full(len(values), np.nan) for p in self.probabilities})


def plan_gaps(loaded: LoadedConfig, levels: Sequence[float] | None = None) -> GapPlan:
    """Check a config against the CSV whose gaps are to be filled.

    Args:
        loaded: the config.
        levels: of the intervals, in percent; the config's where None.

    Raises:
        ConfigError: it has problems, or asks for what imputation does not do.
        DataError: the CSV has problems, or a gap that is too long for the window.
    """
    asked = loaded.config.forecast.levels if levels is None else levels
    if problems := [*loaded.problems, *_refusals(loaded, asked)]:
        raise ConfigError(problems)
    request = data_request(loaded.config)
    table = with_records(table_of(request.paths, request.dialect))
    check_columns(table, levels_to_probabilities(asked))
    (series,) = series_of(table, dataclasses.replace(request.reading, gaps="mask"))
    gaps = find_gaps(series.values)
    for notice in (*series.notices, *_outside(table, series)):
        log.info("%s", notice)
    _check_lengths(loaded, table, series, gaps)
    return GapPlan(_resolved(loaded.config, series), table, _member(loaded, series, bool(gaps)), gaps, asked)


def _refusals(loaded: LoadedConfig, levels: Sequence[float]) -> Iterator[str]:
    model = loaded.config.model
    for key, wanted, why in _REFUSED:
        if (received := getattr(model, key)) != wanted:
            yield f"{loaded.where('model', key)}: {str(received).lower()} cannot fill gaps; {why}"
    if loaded.config.ensemble is not None and loaded.config.ensemble.size > 1:
        yield f"{loaded.where('ensemble')}: impute trains one network: remove the key"
    if lags := loaded.config.data.difference:
        where = loaded.where("data", "difference")
        yield f"{where}: {list(lags)} cannot fill gaps, next to which no difference is known: use []"
    if (min_length := loaded.config.window.min_length) is not None:
        where = loaded.where("window", "min_length")
        yield f"{where}: {min_length}: impute reads one series from its first step: use null"
    if names := loaded.config.data.calendar:
        yield f"{loaded.where('data', 'calendar')}: {list(names)}: impute reads no calendar: use []"
    if beside := (*loaded.config.data.covariates.past, *loaded.config.data.covariates.future):
        yield f"{loaded.where('data', 'covariates')}: {list(beside)}: impute reads the target alone: leave them out"
    if (ids := loaded.config.data.series) is not None:
        yield f"{loaded.where('data', 'series')}: {ids!r}: impute fills one series: give a CSV with one, and use null"
    elif loaded.config.data.several:
        key = "layout" if loaded.config.data.layout == "rows" else "target"
        yield f"{loaded.where('data', key)}: impute fills one series: name one column of numbers in data.target"
    if isinstance(loaded.config.data.time, tuple):
        yield f"{loaded.where('data', 'time')}: impute writes timestamps into one column: join them into one"
    if levels and not loaded.config.split.validation:
        yield (
            f"{loaded.where('split', 'validation')}: intervals are measured on gaps cut into the validation part, and "
            "there is none; give it a share, or ask for no intervals with --levels ''"
        )


def _resolved(config: Config, series: Series) -> Config:
    data = config.data
    return config.model_copy(update={"data": data.model_copy(update=found_in(data, series))})


def _member(loaded: LoadedConfig, series: Series, has_gaps: bool) -> PreparedSeries:
    """The series with its split, and the scaler of the observed cells of its training part."""
    split = _split(loaded, series) if has_gaps else Split(len(series), len(series), len(series))
    training = series.values[: split.training_end]
    return PreparedSeries(series, split, fit_series_scaler(loaded.config, training[~np.isnan(training)]))


def _split(loaded: LoadedConfig, series: Series) -> Split:
    validation, test = loaded.config.split.validation, loaded.config.split.test
    length = loaded.config.window.length
    try:
        return split_chronologically(len(series), validation, test, length, ahead=1, horizon=1)
    except DataError:
        raise DataError(
            [
                f"{loaded.where('window', 'length')}: {described(loaded.config.data.path)}: {len(series)} steps are "
                f"too few to learn windows of {length} from, beside a validation part of {validation} and a test part "
                f"of {test}; use a shorter window, or hold out less"
            ]
        ) from None


def _outside(table: Table, series: Series) -> Iterator[str]:
    """What is said of rows before the first number and after the last."""
    timestamps = row_timestamps(table, series.time, series.frequency, series.rules)
    count = int(np.sum((timestamps < series.timestamps[0]) | (timestamps > series.timestamps[-1])))
    if count:
        rows = "1 row is" if count == 1 else f"{count} rows are"
        yield f"{table.path}: {rows} before the first number or after the last, and not filled: one side is missing"


def _check_lengths(loaded: LoadedConfig, table: Table, series: Series, gaps: Sequence[Gap]) -> None:
    longest = max(gaps, key=lambda gap: gap.length, default=Gap(0, 0))
    length = loaded.config.window.length
    if 2 * longest.length <= length:
        return
    ends = series.timestamps[[longest.first, longest.first + longest.length - 1]]
    timestamps = row_timestamps(table, series.time, series.frequency, series.rules)
    line = table.lines[int(np.argmax(timestamps >= ends[0]))]
    first, last = format_timestamps(list(ends))
    raise DataError(
        [
            f"{table.places.where(line)}: {longest.length} steps are missing in a row, {first} to {last}: more than "
            f"half of the window of {length} steps; use window.length: {2 * longest.length}"
        ]
    )
