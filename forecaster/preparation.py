"""Everything about a training that needs no TensorFlow: config and CSV, checked together and resolved."""

import logging
from dataclasses import dataclass
from pathlib import Path

from forecaster.config import Config, LoadedConfig
from forecaster.data import Series, read_series
from forecaster.data.frequency import season_length
from forecaster.data.scaling import Scaler, fit_scaler
from forecaster.data.windows import Split, chronological_split
from forecaster.errors import ConfigError, DataError

log = logging.getLogger("forecaster")

# With a problem in one of these sections the CSV cannot be checked against them.
_READ_BY_DATA = {"data", "window", "split", "model"}


@dataclass(frozen=True)
class Plan:
    """What to train on: the resolved config, the series, its split and its scaler."""

    config: Config
    series: Series
    split: Split
    scaler: Scaler

    @property
    def season(self) -> int:
        """Steps in a season, 1 where there is none."""
        return int(self.config.data.season)


def prepare(loaded: LoadedConfig) -> Plan:
    """Check a config against its CSV.

    Raises:
        ConfigError: the config has problems; those of the CSV are listed with them.
        DataError: the CSV alone has problems.
    """
    if loaded.problems and loaded.broken_sections & _READ_BY_DATA:
        raise ConfigError(loaded.problems)
    try:
        plan = _plan(loaded)
    except (ConfigError, DataError) as error:
        if loaded.problems:
            raise ConfigError([*loaded.problems, *error.problems]) from None
        raise
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return plan


def _plan(loaded: LoadedConfig) -> Plan:
    config = loaded.config
    data, window = config.data, config.window
    series = read_series(Path(data.path), data.time, data.target, data.frequency, data.gaps, data.duplicates)
    for notice in series.notices:
        log.info("%s", notice)
    try:
        split = chronological_split(
            len(series),
            config.split.validation,
            config.split.test,
            length=window.length,
            ahead=config.steps_ahead,
            horizon=window.horizon,
        )
    except DataError as error:
        raise DataError([f"{loaded.where('window', 'length')}: {data.path}: {error}"]) from None
    season = season_length(series.frequency) if data.season == "auto" else data.season
    if config.model.normalization == "seasonal":
        _check_season(loaded, int(season))
    found = {"time": series.time, "target": series.name, "frequency": series.frequency, "season": season}
    resolved = config.model_copy(update={"data": data.model_copy(update=found)})
    return Plan(resolved, series, split, fit_scaler(series.values[: split.training_end], config.scaling))


def _check_season(loaded: LoadedConfig, season: int) -> None:
    """Whether a window leaves something to read once its first season is taken off."""
    where, length, segment = (
        loaded.where("model", "normalization"),
        loaded.config.window.length,
        loaded.config.model.segment,
    )
    if season < 2:
        raise ConfigError([f"{where}: seasonal needs a season, and none was found; set data.season, or use last"])
    if length < season + 2 * segment:
        raise ConfigError(
            [f"{where}: seasonal needs a window of at least {season + 2 * segment} steps; it has {length}"]
        )
    if season % segment:
        raise ConfigError(
            [f"{where}: seasonal needs a season that divides into segments; {season} steps, {segment} each"]
        )
