"""Everything about a training that needs no TensorFlow: config and CSV, checked together and resolved."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from forecaster.config import Config, LoadedConfig
from forecaster.config.schema import Covariates, Data, Model
from forecaster.data import Panel, Series
from forecaster.data.sources.files import described
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import level_to_quantiles
from forecaster.preprocessing.calendar_features import find_calendar_problems
from forecaster.preprocessing.categories import Vocabulary
from forecaster.preprocessing.covariate_features import Features, fit_columns, fit_scale, fit_static, is_categorical
from forecaster.preprocessing.load import found_in, read_data
from forecaster.preprocessing.prepared_series import SERIES_PER_BLOCK, PreparedPanel, PreparedSeries
from forecaster.preprocessing.saved_preprocessing import (
    Preprocessing,
    fit_scalers,
    fit_series_scaler,
    load_preprocessing,
)
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split, split_chronologically
from forecaster.preprocessing.windows import Starts, combine_observed, compute_window_bounds, select_observed_windows
from forecaster.problems import Problem
from forecaster.runs import Version

log = logging.getLogger("forecaster")

# With a problem in one of these sections the CSV cannot be checked against them.
_READ_BY_DATA = {"data", "window", "split", "model"}


@dataclass(frozen=True)
class Plan:
    """What to train on: the resolved config, the series, and what tells them apart."""

    config: Config
    members: PreparedPanel
    vocabulary: Vocabulary | None = None
    features: Features | None = None

    @property
    def season(self) -> int:
        """Steps in a season, 1 where there is none."""
        return self.config.data.main_season

    @property
    def panel(self) -> list[Series]:
        """The series alone."""
        return [member.series for member in self.members]

    @property
    def groups(self) -> list[tuple[PreparedSeries, ...]]:
        """The members that are read and answered together; each by itself where there are no channels."""
        count = self.config.channels
        return [self.members[first : first + count] for first in range(0, len(self.members), count)]

    @property
    def preprocessing(self) -> Preprocessing:
        """What a run keeps of it."""
        scalers = {name: self.members.scaler.select_row(number) for number, name in enumerate(self.members.names)}
        return Preprocessing(scalers, self.vocabulary, self.features)


def plan_training(loaded: LoadedConfig, panel: Panel | None = None) -> Plan:
    """Check a config against its CSV.

    Args:
        panel: its series, where they have been read.

    Raises:
        ConfigError: the config has problems; those of the CSV are listed with them.
        DataError: the CSV alone has problems.
    """
    if loaded.problems and loaded.broken_sections & _READ_BY_DATA:
        raise ConfigError(loaded.problems)
    try:
        plan = _plan(loaded, panel)
    except (ConfigError, DataError) as error:
        if loaded.problems:
            raise ConfigError([*loaded.problems, *error.problems]) from None
        raise
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return plan


def place_windows(plan: Plan) -> tuple[Starts, Starts]:
    """Where the training and the validation windows start in the series laid end to end, those of filler left out.

    Raises:
        DataError: nothing is left of a part.
    """
    config, splits = plan.config, plan.members.splits[:: plan.config.channels]
    training_ends, validation_ends, ends = (
        np.array([getattr(split, name) for split in splits]) for name in ("training_end", "validation_end", "steps")
    )
    offsets = np.cumsum(ends) - ends
    (training, one), (validation, other) = (
        _part(plan, offsets, *compute_window_bounds(first, last, config.window.length, config.steps_ahead))
        for first, last in ((np.full_like(ends, config.context_steps), training_ends), (training_ends, validation_ends))
    )
    if one + other:
        log.info("%s windows that would be filler are left out of training", f"{one + other:,}")
    if not len(training) or (config.split.validation and not len(validation)):
        what = "training" if not len(training) else "validation"
        raise DataError(Problem("only-filled-windows", described(config.data.path), detail={"part": what}))
    return training, validation


def _part(plan: Plan, offsets: np.ndarray, firsts: np.ndarray, lasts: np.ndarray) -> tuple[Starts, int]:
    """The starts from the first to the last of each group of members that tell something, and how many are left out.

    Args:
        offsets: where each group begins among all steps.
    """
    if plan.members.panel.observed is None:
        return Starts.from_bounds(offsets + firsts, offsets + lasts), 0
    window, ahead = plan.config.window, plan.config.steps_ahead
    observed = (combine_observed([member.series for member in group]) for group in plan.groups)
    parts = [
        offset + select_observed_windows(np.arange(first, last), told, window.length, ahead, window.min_length)
        for offset, first, last, told in zip(offsets, firsts, lasts, observed, strict=True)
    ]
    return Starts.from_starts(parts), int(np.maximum(0, lasts - firsts).sum()) - sum(map(len, parts))


def drop_test_parts(plan: Plan) -> Plan:
    """The same plan of series that end where their test parts begin; those that are not trained on are empty."""
    members = plan.members
    ends = np.zeros(len(members.panel), int)
    ends[members.numbers] = [split.validation_end for split in members.splits]
    splits = [Split(split.training_end, split.validation_end, split.validation_end) for split in members.splits]
    return replace(plan, members=replace(members, panel=members.panel.until(ends), splits=splits))


def restore_plan(version: Version, data: Path | None = None) -> Plan:
    """What a version was trained on, as its CSV is now; or another CSV, scaled and told apart in the same way.

    Raises:
        DataError: the CSV cannot be read as the series trained on, or none of them is long enough.
        RunError: what the version keeps of its data is damaged.
    """
    config, kept = version.config, load_preprocessing(version)
    panel = read_data(config, data).led_in(config.padding_steps, config.data.main_season)
    members = _members(config, panel, "", described(data or config.data.path), kept.scalers)
    return Plan(config, members, kept.vocabulary, kept.features)


def _plan(loaded: LoadedConfig, panel: Panel | None) -> Plan:
    config = loaded.config
    data = config.data
    panel = read_data(config) if panel is None else panel
    found = found_in(data, panel.longest)
    if config.model.channels == "joint":
        found["target"] = tuple(dict.fromkeys(series.target for series in panel))
    resolved = config.model_copy(update={"data": data.model_copy(update=found), "model": _with_quantiles(config)})
    _check_season(loaded, resolved.data.main_season)
    _check_calendar(loaded, resolved.data, panel.longest)
    where, source = loaded.where("window", "length"), described(data.path)
    members = _members(config, panel.led_in(config.padding_steps, resolved.data.main_season), where, source, {})
    return Plan(resolved, members, _vocabulary(resolved, members), _features(resolved, members))


def _vocabulary(config: Config, members: Sequence[PreparedSeries]) -> Vocabulary | None:
    """What an embedding tells apart: the series, and their categories."""
    if not config.model.embedding or not config.data.several:
        return None
    panel, given = [member.series for member in members], config.data.covariates
    embedded = [name for name in given.static if _is_embedded(name, panel, given)]
    return Vocabulary.from_panel(panel, "/".join(config.data.ids) or "series", embedded)


def _is_embedded(name: str, panel: Sequence[Series], given: Covariates) -> bool:
    return is_categorical([series.categories[name] for series in panel], name, given.categorical)


def _features(config: Config, members: PreparedPanel) -> Features | None:
    """What the network reads beside the values, fitted on the training parts.

    Raises:
        DataError: cells of covariates are missing, and nothing may stand for them.
    """
    data, given = config.data, config.data.covariates
    masked, scaled = data.gaps == "mask" or config.padding_steps > 0, config.model.series_scale
    if not any((given.past, given.future, given.static, data.calendar, masked, scaled)):
        return None
    panel, ends = [member.series for member in members], [member.split.training_end for member in members]
    static = [name for name in given.static if not (config.model.embedding and _is_embedded(name, panel, given))]
    features = Features(
        fit_columns(given.past, panel, ends),
        fit_columns(given.future, panel, ends),
        fit_static(static, given.categorical, panel),
        fit_scale([member.scaler for member in members]) if scaled else (),
        data.calendar,
        data.seasons,
        masked,
        {name: policy for name, policy in given.missing.items() if policy != "error"},
    )
    if features == Features(seasons=features.seasons):
        return None
    problems: list[Problem] = []
    for member in members:
        try:
            features.build(member.series, member.scaler, 0, len(member.series))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError([problem.at(described(data.path)) for problem in problems])
    return features


def _members(config: Config, panel: Panel, where: str, source: str, scalers: Mapping[str, Scaler]) -> PreparedPanel:
    """Choose the series that are long enough to train on; the others are reported.

    Args:
        where: the place of the window's length in a config; empty where there is none.
        source: the name of the file that the series come from.
        scalers: those that are known, by the name of the series.
    """
    numbers, splits, problems = [], [], []
    held_out, ahead, filled = config.split, config.steps_ahead, config.padding_steps
    for number, steps in enumerate((panel.lengths - filled).tolist()):
        try:
            split = split_chronologically(
                steps, held_out.validation, held_out.test, config.context_steps - filled, ahead, config.window.horizon
            )
        except DataError as error:
            (problem,) = error.problems
            key = "window.length" if where else ""
            problem = replace(problem, where=where, column=key, detail={**problem.detail, "source": source})
            problems.append(problem.of_series(panel.names[number]) if len(panel) > 1 else problem)
            continue
        numbers.append(number)
        splits.append(split.shift(filled))
    if not numbers:
        raise DataError(problems)
    for problem in problems:
        log.info("not trained on: %s", problem)
    fitted = []
    for block, values in panel.blocks(numbers, SERIES_PER_BLOCK):
        training = values[:, filled : splits[block.start].training_end]
        names = [panel.names[number] for number in numbers[block]] if scalers else []
        known = [
            scalers.get(name) or fit_series_scaler(config, row) for name, row in zip(names, training, strict=False)
        ]
        fitted.append(Scaler.stack(known) if known else fit_scalers(config, training))
    return PreparedPanel(panel, numbers, splits, Scaler.concatenate(fitted))


def _with_quantiles(config: Config) -> Model:
    """The model section, with the quantiles that its head learns where they were left open."""
    model = config.model
    if model.head != "quantile" or model.quantiles is not None:
        return model
    wanted = {0.5, *(p for level in config.forecast.levels for p in level_to_quantiles(level))}
    return model.model_copy(update={"quantiles": tuple(sorted(wanted))})


def _check_calendar(loaded: LoadedConfig, data: Data, series: Series) -> None:
    """Whether each name of data.calendar tells anything of steps like these."""
    found = find_calendar_problems(data.calendar, series.timestamps, data.seasons, series.frequency, series.rules)
    if problems := [loaded.problem(code, ("data", "calendar", index), detail) for index, code, detail in found]:
        raise ConfigError(problems)


def _check_season(loaded: LoadedConfig, season: int) -> None:
    """Whether what goes by the season finds one, and enough of it in the window."""
    model, length = loaded.config.model, loaded.config.window.length
    hierarchical, seasonal = model.decoder in {"context", "latent"}, model.normalization == "seasonal"
    path = ("model", "decoder" if hierarchical else "normalization")
    detail = {"name": model.decoder if hierarchical else model.normalization, "season": season, "window": length}
    if model.normalization_scale == "change" and length <= season:
        raise ConfigError(loaded.problem("season-longer-than-window", ("model", "normalization_scale"), detail))
    if not (hierarchical or seasonal or model.normalization == "profile"):
        return
    if season < 2:
        repair = {"model.decoder": "seq2seq"} if hierarchical else {"model.normalization": "last"}
        raise ConfigError(loaded.problem("no-season", path, detail, (repair,)))
    if model.normalization == "profile" and length < 2 * season:
        detail |= {"needed": 2 * season}
        raise ConfigError(loaded.problem("window-below-two-seasons", ("model", "normalization"), detail))
    if not (hierarchical or seasonal):
        return
    if season % model.segment:
        segment = max(n for n in range(1, model.segment) if season % n == 0)
        detail |= {"segment": model.segment}
        raise ConfigError(loaded.problem("season-not-in-segments", path, detail, ({"model.segment": segment},)))
    if hierarchical and (length % season or length < (2 + seasonal) * season):
        fits = max(2 + seasonal, round(length / season)) * season
        raise ConfigError(loaded.problem("window-not-in-seasons", path, detail, ({"window.length": fits},)))
    if length < season + 2 * model.segment:
        detail |= {"needed": season + 2 * model.segment}
        raise ConfigError(loaded.problem("window-too-short-for-season", path, detail))
