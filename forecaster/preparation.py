"""Everything about a training that needs no TensorFlow: config and CSV, checked together and resolved."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.config import Config, LoadedConfig
from forecaster.config.sections import Data, Model
from forecaster.data import Series, read_series
from forecaster.data.categories import Vocabulary
from forecaster.data.dialect import Dialect
from forecaster.data.frequency import season_length
from forecaster.data.scaling import Scaler, fit_scaler
from forecaster.data.source import described
from forecaster.data.windows import Split, chronological_split
from forecaster.errors import ConfigError, DataError, RunError
from forecaster.forecast import level_quantiles
from forecaster.runs import Version

log = logging.getLogger("forecaster")

# With a problem in one of these sections the CSV cannot be checked against them.
_READ_BY_DATA = {"data", "window", "split", "model"}
_DOMAINS = {"negative_binomial": "counts", "log_normal": "positive"}  # of the heads that do not take any number


@dataclass(frozen=True)
class Member:
    """One series to train on: its split and its scaler."""

    series: Series
    split: Split
    scaler: Scaler


@dataclass(frozen=True)
class Preprocessing:
    """What a run keeps of the data that it was trained on."""

    scalers: Mapping[str, Scaler]  # by the name of the series
    vocabulary: Vocabulary | None = None

    def to_json(self) -> dict[str, Any]:
        """Every number, exact."""
        scalers = {name: scaler.to_json() for name, scaler in self.scalers.items()}
        return {"scalers": scalers, "categories": self.vocabulary and self.vocabulary.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Read back what `to_json` gave."""
        scalers = {name: Scaler.from_json(scaler) for name, scaler in values["scalers"].items()}
        return cls(scalers, values["categories"] and Vocabulary.from_json(values["categories"]))

    def codes(self, panel: Sequence[Series]) -> np.ndarray | None:
        """The numbers of each series' categories, (series, categories), where the network reads them.

        Raises:
            DataError: one was not trained on.
        """
        return None if self.vocabulary is None else self.vocabulary.codes(panel)


@dataclass(frozen=True)
class Plan:
    """What to train on: the resolved config, the series, and what tells them apart."""

    config: Config
    members: tuple[Member, ...]
    vocabulary: Vocabulary | None = None

    @property
    def season(self) -> int:
        """Steps in a season, 1 where there is none."""
        return int(self.config.data.season)

    @property
    def panel(self) -> list[Series]:
        """The series alone."""
        return [member.series for member in self.members]

    @property
    def preprocessing(self) -> Preprocessing:
        """What a run keeps of it."""
        return Preprocessing({member.series.name: member.scaler for member in self.members}, self.vocabulary)


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


def read_data(config: Config, path: Path | None = None) -> list[Series]:
    """Read the series of a config, or the same columns of another CSV.

    Raises:
        DataError: it cannot be read, or holds what the head does not take.
    """
    data = config.data
    panel = read_series(
        data.path if path is None else path,
        data.time,
        data.target,
        data.frequency,
        data.gaps,
        data.duplicates,
        _DOMAINS.get(config.model.head, "any"),
        data.series,
        data.covariates.static,
        data.text,
        data.na_values,
        stated_dialect(data),
    )
    for series in panel:
        for notice in series.notices:
            log.info("%s", notice)
    return panel


def stated_dialect(data: Data) -> Dialect:
    """What a config says of how its CSV is written."""
    return Dialect(data.encoding, data.delimiter, data.decimal, data.thousands, data.comment)


def found_in(series: Series) -> dict[str, Any]:
    """What was found out about a CSV, by the keys of the data section that keep it."""
    dialect = {name: getattr(series.dialect, name) for name in ("encoding", "delimiter", "decimal", "thousands")}
    return {"time": series.time, "target": series.target, "frequency": series.frequency, **dialect}


def plan_of(version: Version, data: Path | None = None) -> Plan:
    """What a version was trained on, as its CSV is now; or another CSV, scaled and told apart in the same way.

    Raises:
        DataError: the CSV cannot be read as the series trained on, or none of them is long enough.
        RunError: what the version keeps of its data is damaged.
    """
    config, kept = version.config, preprocessing_of(version)
    members = _members(config, read_data(config, data), described(data or config.data.path), kept.scalers)
    return Plan(config, members, kept.vocabulary)


def preprocessing_of(version: Version) -> Preprocessing:
    """What a version keeps of its data.

    Raises:
        RunError: it is damaged.
    """
    try:
        return Preprocessing.from_json(version.preprocessing)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{version.path}: its files were changed after training: {error!r}") from None


def _plan(loaded: LoadedConfig) -> Plan:
    config = loaded.config
    data = config.data
    panel = read_data(config)
    first = panel[0]
    season = int(season_length(first.frequency) if data.season == "auto" else data.season)
    _check_season(loaded, season)
    found = found_in(first) | {"season": season}
    resolved = config.model_copy(update={"data": data.model_copy(update=found), "model": _with_quantiles(config)})
    vocabulary = None
    where = f"{loaded.where('window', 'length')}: {described(data.path)}"
    members = _members(config, panel, where, {})
    if config.model.embedding and data.series is not None:
        vocabulary = Vocabulary.of([member.series for member in members], data.series, data.covariates.static)
    return Plan(resolved, members, vocabulary)


def _members(config: Config, panel: Sequence[Series], where: str, scalers: Mapping[str, Scaler]) -> tuple[Member, ...]:
    """The series that are long enough to train on; the others are named.

    Args:
        where: the place that a problem is told of.
        scalers: those that are known, by the name of the series.
    """
    members, problems = [], []
    for series in panel:
        try:
            split = chronological_split(
                len(series),
                config.split.validation,
                config.split.test,
                length=config.window.length,
                ahead=config.steps_ahead,
                horizon=config.window.horizon,
            )
        except DataError as error:
            problems.append(f"{series.name}: {error}" if len(panel) > 1 else str(error))
            continue
        scaler = scalers.get(series.name) or fit_scaler(series.values[: split.training_end], config.scaling)
        members.append(Member(series, split, scaler))
    if not members:
        raise DataError([f"{where}: {problem}" for problem in problems])
    for problem in problems:
        log.info("not trained on: %s", problem)
    return tuple(members)


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
