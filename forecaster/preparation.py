"""Everything about a training that needs no TensorFlow: config and CSV, checked together and resolved."""

import logging
from dataclasses import dataclass
from pathlib import Path

from forecaster.config import Config, LoadedConfig
from forecaster.config.sections import Model
from forecaster.data import Series, read_series
from forecaster.data.frequency import season_length
from forecaster.data.scaling import Scaler, fit_scaler
from forecaster.data.windows import Split, chronological_split
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import level_quantiles

log = logging.getLogger("forecaster")

# With a problem in one of these sections the CSV cannot be checked against them.
_READ_BY_DATA = {"data", "window", "split", "model"}
_DOMAINS = {"negative_binomial": "counts", "log_normal": "positive"}  # of the heads that do not take any number


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


def read_data(config: Config, path: Path | None = None) -> Series:
    """Read the series of a config, or the same columns of another CSV.

    Raises:
        DataError: it cannot be read, or holds what the head does not take.
    """
    data = config.data
    domain = _DOMAINS.get(config.model.head, "any")
    path = path or Path(data.path)
    series = read_series(path, data.time, data.target, data.frequency, data.gaps, data.duplicates, domain)
    for notice in series.notices:
        log.info("%s", notice)
    return series


def _plan(loaded: LoadedConfig) -> Plan:
    config = loaded.config
    data, window = config.data, config.window
    series = read_data(config)
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
    season = int(season_length(series.frequency) if data.season == "auto" else data.season)
    _check_season(loaded, season)
    scaler = fit_scaler(series.values[: split.training_end], config.scaling)
    found = {"time": series.time, "target": series.name, "frequency": series.frequency, "season": season}
    resolved = config.model_copy(update={"data": data.model_copy(update=found), "model": _with_quantiles(config)})
    return Plan(resolved, series, split, scaler)


def _with_quantiles(config: Config) -> Model:
    """The model section, with the quantiles that its head learns where they were left open."""
    model = config.model
    if model.head != "quantile" or model.quantiles is not None:
        return model
    wanted = {0.5, *(p for level in config.forecast.levels for p in level_quantiles(level))}
    return model.model_copy(update={"quantiles": tuple(sorted(wanted))})


def _check_season(loaded: LoadedConfig, season: int) -> None:
    """Whether what goes by the season finds one, and enough of it in the window."""
    model, length = loaded.config.model, loaded.config.window.length
    hierarchical, seasonal = model.decoder in {"context", "latent"}, model.normalization == "seasonal"
    where = loaded.where("model", "decoder" if hierarchical else "normalization")
    name = model.decoder if hierarchical else "seasonal"
    if not (hierarchical or seasonal):
        return
    if season < 2:
        instead = "seq2seq" if hierarchical else "last"
        raise ConfigError([f"{where}: {name} needs a season, and none was found; set data.season, or use {instead}"])
    if season % model.segment:
        raise ConfigError(
            [f"{where}: {name} needs a season that divides into segments; {season} steps, {model.segment} each"]
        )
    if hierarchical and (length % season or length < (2 + seasonal) * season):
        fits = max(2 + seasonal, round(length / season)) * season
        raise ConfigError([f"{where}: {name} reads whole seasons of {season} steps; use window.length: {fits}"])
    if length < season + 2 * model.segment:
        raise ConfigError(
            [f"{where}: seasonal needs a window of at least {season + 2 * model.segment} steps; it has {length}"]
        )
