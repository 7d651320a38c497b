"""The plan of a training: config and data, checked against each other and resolved, without TensorFlow."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from forecaster.config import Config, LoadedConfig
from forecaster.config.schema import Covariates, Data, Model
from forecaster.data import Panel, Series
from forecaster.data.sources.files import name_source
from forecaster.errors import ConfigError, DataError
from forecaster.forecast import level_to_quantiles
from forecaster.preprocessing.calendar_features import find_calendar_problems
from forecaster.preprocessing.categories import Vocabulary
from forecaster.preprocessing.covariate_features import (
    Features,
    find_event_columns,
    fit_columns,
    fit_scale,
    fit_static,
    is_categorical,
)
from forecaster.preprocessing.prepared_series import SERIES_PER_BLOCK, PreparedPanel, PreparedSeries
from forecaster.preprocessing.read_data import infer_data_keys, read_data
from forecaster.preprocessing.saved_preprocessing import (
    Preprocessing,
    fit_scalers,
    fit_series_scaler,
    load_preprocessing,
)
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.split import Split, split_chronologically
from forecaster.preprocessing.windows import Starts, combine_observed, compute_window_bounds, select_observed_windows
from forecaster.problems import Problem, condense_problems
from forecaster.runs import Version
from forecaster.shard import Shard

log = logging.getLogger("forecaster")

# With a problem in one of these sections the CSV cannot be checked against them.
_READ_BY_DATA = {"data", "window", "split", "model"}


@dataclass(frozen=True)
class Plan:
    """The resolved config, the prepared series, and the encodings that are fitted on them."""

    config: Config
    members: PreparedPanel
    vocabulary: Vocabulary | None = None
    features: Features | None = None

    @property
    def season(self) -> int:
        """Steps in a season, 1 without one."""
        return self.config.data.main_season

    @property
    def panel(self) -> list[Series]:
        """The series without split and scaler."""
        return [member.series for member in self.members]

    @property
    def groups(self) -> list[tuple[PreparedSeries, ...]]:
        """The series that are forecast jointly, as channels; otherwise groups of one."""
        count = self.config.channels
        return [self.members[first : first + count] for first in range(0, len(self.members), count)]

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing that a run saves."""
        scalers = dict(zip(self.members.names, self.members.scalers, strict=True))
        return Preprocessing(scalers, self.vocabulary, self.features)


def plan_training(loaded: LoadedConfig, panel: Panel | None = None) -> Plan:
    """Check a config against its data and resolve what it leaves open.

    Args:
        panel: its series, if they are read already.

    Raises:
        ConfigError: the config has problems; those of the data are listed with them.
        DataError: only the data has problems.
    """
    if loaded.problems and loaded.broken_sections & _READ_BY_DATA:
        raise ConfigError(loaded.problems)
    try:
        plan = _resolve_plan(loaded, panel)
    except (ConfigError, DataError) as error:
        if loaded.problems:
            raise ConfigError([*loaded.problems, *error.problems]) from None
        raise
    if loaded.problems:
        raise ConfigError(loaded.problems)
    return plan


def place_windows(plan: Plan) -> tuple[Starts, Starts]:
    """Find where training and validation windows start in the concatenated series, without windows of filled values.

    Raises:
        DataError: no window of a part is left.
    """
    config, splits = plan.config, plan.members.splits[:: plan.config.channels]
    training_ends, validation_ends, ends = (
        np.array([getattr(split, name) for split in splits]) for name in ("training_end", "validation_end", "steps")
    )
    offsets = np.cumsum(ends) - ends
    constant = np.asarray(plan.members.scaler.is_constant).reshape(len(splits), -1).all(axis=1)  # by group
    if not constant.all():  # their values after the training part have no scale
        training_ends, validation_ends = (np.where(constant, 0, each) for each in (training_ends, validation_ends))
    (training, one), (validation, other) = (
        _find_starts(plan, offsets, *compute_window_bounds(first, last, config.window.length, config.steps_ahead))
        for first, last in ((np.full_like(ends, config.context_steps), training_ends), (training_ends, validation_ends))
    )
    if one + other:
        log.info("%s windows that would be filler are left out of training", f"{one + other:,}")
    if not len(training) or (config.split.validation and not len(validation)):
        what = "training" if not len(training) else "validation"
        raise DataError(Problem("only-filled-windows", name_source(config.data.path), detail={"part": what}))
    return training, validation


def _find_starts(plan: Plan, offsets: np.ndarray, firsts: np.ndarray, lasts: np.ndarray) -> tuple[Starts, int]:
    """Find the starts [first, last) of each group whose windows are observed; count those left out.

    Args:
        offsets: first step of each group in the concatenated series.
    """
    if plan.members.panel.observed is None:
        return Starts.from_bounds(offsets + firsts, offsets + lasts), 0
    window, ahead = plan.config.window, plan.config.steps_ahead
    observed = (combine_observed([member.series for member in group]) for group in plan.groups)
    parts = [
        offset + select_observed_windows(np.arange(first, last), mask, window.length, ahead, window.min_length)
        for offset, first, last, mask in zip(offsets, firsts, lasts, observed, strict=True)
    ]
    return Starts.from_starts(parts), int(np.maximum(0, lasts - firsts).sum()) - sum(map(len, parts))


def drop_test_parts(plan: Plan) -> Plan:
    """End the series of a plan where their test parts begin, and empty those that are not trained on."""
    members = plan.members
    ends = np.zeros(len(members.panel), int)
    ends[members.numbers] = [split.validation_end for split in members.splits]
    splits = [Split(split.training_end, split.validation_end, split.validation_end) for split in members.splits]
    return replace(plan, members=replace(members, panel=members.panel.truncate(ends), splits=splits))


def join_parts(plan: Plan) -> Plan:
    """Make the training part of each series the whole series; scalers and features stay those of its training part."""
    members, split = plan.members, plan.config.split.model_copy(update={"validation": 0, "test": 0})
    splits = [Split(each.steps, each.steps, each.steps) for each in members.splits]
    config = plan.config.model_copy(update={"split": split})
    return replace(plan, config=config, members=replace(members, splits=splits))


def select_shard(plan: Plan, shard: Shard) -> Plan:
    """Select the series of a shard, those that are forecast jointly together; encodings stay those of all series."""
    count = plan.config.channels
    groups = np.array(shard.select(range(len(plan.members) // count)))
    places = (groups[:, None] * count + np.arange(count)).reshape(-1)
    return replace(plan, members=plan.members.take(places))


def restore_plan(version: Version, data: Path | None = None) -> Plan:
    """Restore the plan of a version with its data as it is now, or with other data preprocessed in the same way.

    Raises:
        DataError: the data cannot be read as the series trained on, or none of them is long enough.
        RunError: the version's preprocessing is damaged.
    """
    config, kept = version.config, load_preprocessing(version)
    panel = read_data(config, data).prepend_steps(config.padding_steps, config.data.main_season)
    members = _prepare_series(config, panel, "", name_source(data or config.data.path), kept.scalers)
    return Plan(config, members, kept.vocabulary, kept.features)


def _resolve_plan(loaded: LoadedConfig, panel: Panel | None) -> Plan:
    config = loaded.config
    data = config.data
    panel = read_data(config) if panel is None else panel
    updates = infer_data_keys(data, panel.longest, panel)
    if config.model.channels == "joint":
        updates["target"] = tuple(dict.fromkeys(series.target for series in panel))
    config = config.model_copy(update={"data": data.model_copy(update=updates)})
    resolved = config.model_copy(update={"model": _resolve_quantiles(config), "scaling": config.scaling_method})
    _check_season(loaded, resolved.data.main_season)
    _check_calendar(loaded, resolved.data, panel.longest)
    where, source = loaded.find_position("window", "length"), name_source(data.path)
    padded = panel.prepend_steps(config.padding_steps, resolved.data.main_season)
    members = _prepare_series(resolved, padded, where, source, {})
    if data.hierarchy and len(members) < len(padded):
        names = [name for name in padded.names if name not in set(members.names)]
        raise DataError(Problem("hierarchy-series-left-out", source, detail={"names": names}))
    _check_shards(loaded, len(members) // resolved.channels)
    return Plan(resolved, members, _collect_vocabulary(resolved, members), _fit_features(resolved, members))


def _check_shards(loaded: LoadedConfig, groups: int) -> None:
    """Refuse more networks than groups of series, where each network is trained on a share of these."""
    ensemble = loaded.config.ensemble
    if ensemble is not None and ensemble.vary == "shards" and ensemble.size > groups:
        detail, repairs = {"size": ensemble.size, "groups": groups}, ({"ensemble.size": groups},)
        raise ConfigError([loaded.locate_problem("more-shards-than-series", ("ensemble", "size"), detail, repairs)])


def _collect_vocabulary(config: Config, members: Sequence[PreparedSeries]) -> Vocabulary | None:
    """Collect what an embedding encodes: the series, and their categorical static covariates."""
    if not config.model.embedding or not config.data.several:
        return None
    panel, covariates = [member.series for member in members], config.data.covariates
    embedded = [name for name in covariates.static if _is_embedded(name, panel, covariates)]
    return Vocabulary.from_panel(panel, "/".join(config.data.ids) or "series", embedded)


def _is_embedded(name: str, panel: Sequence[Series], covariates: Covariates) -> bool:
    return is_categorical([series.categories[name] for series in panel], name, covariates.categorical)


def _fit_features(config: Config, members: PreparedPanel) -> Features | None:
    """Fit the features that the network reads in addition to the values, on the training parts.

    Raises:
        DataError: cells of covariates are missing in columns without a policy.
    """
    data, covariates = config.data, config.data.covariates
    masked, scaled = data.gaps == "mask" or config.padding_steps > 0, config.model.series_scale
    if not any((covariates.past, covariates.future, covariates.static, data.calendar, masked, scaled)):
        return None
    panel, ends = [member.series for member in members], [member.split.training_end for member in members]
    static = [
        name for name in covariates.static if not (config.model.embedding and _is_embedded(name, panel, covariates))
    ]
    missing = {name: policy for name, policy in covariates.missing.items() if policy != "error"}
    for name in find_event_columns((*covariates.past, *covariates.future), panel, ends):
        if name not in covariates.missing:
            missing[name] = "none"
            log.info("%s", Problem("blank-as-none", name_source(data.path), name))
    features = Features(
        fit_columns(covariates.past, panel, ends, missing),
        fit_columns(covariates.future, panel, ends, missing),
        fit_static(static, covariates.categorical, panel),
        fit_scale([member.scaler for member in members]) if scaled else (),
        data.calendar,
        data.seasons,
        masked,
        missing,
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
        raise DataError([problem.add_place(name_source(data.path)) for problem in problems])
    return features


def _prepare_series(
    config: Config, panel: Panel, where: str, source: str, scalers: Mapping[str, Scaler]
) -> PreparedPanel:
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
            problems.append(problem.add_series(panel.names[number]) if len(panel) > 1 else problem)
            continue
        numbers.append(number)
        splits.append(split.shift(filled))
    if not numbers:
        raise DataError(problems)
    for problem in condense_problems(problems):
        log.info("not trained on: %s", problem)
    fitted = []
    for block, values in panel.iterate_blocks(numbers, SERIES_PER_BLOCK):
        training = values[:, filled : splits[block.start].training_end]
        names = [panel.names[number] for number in numbers[block]] if scalers else []
        known = [
            scalers.get(name) or fit_series_scaler(config, row) for name, row in zip(names, training, strict=False)
        ]
        fitted.append(Scaler.stack(known) if known else fit_scalers(config, training))
    return PreparedPanel(panel, numbers, splits, Scaler.concatenate(fitted))


def _resolve_quantiles(config: Config) -> Model:
    """Return the model section with the quantiles of its head, by default those of the forecast levels."""
    model = config.model
    if model.head != "quantile" or model.quantiles is not None:
        return model
    wanted = {0.5, *(p for level in config.forecast.levels for p in level_to_quantiles(level))}
    return model.model_copy(update={"quantiles": tuple(sorted(wanted))})


def _check_calendar(loaded: LoadedConfig, data: Data, series: Series) -> None:
    """Check that each name of data.calendar suits these timestamps."""
    if not data.calendar:  # to make the index takes time
        return
    findings = find_calendar_problems(data.calendar, series.timestamps, data.seasons, series.frequency, series.rules)
    if problems := [
        loaded.locate_problem(code, ("data", "calendar", index), detail) for index, code, detail in findings
    ]:
        raise ConfigError(problems)


def _check_season(loaded: LoadedConfig, season: int) -> None:
    """Check that decoder and normalization have the season they need, and enough of it in the window."""
    model, length = loaded.config.model, loaded.config.window.length
    hierarchical, seasonal = model.decoder in {"context", "latent"}, model.normalization == "seasonal"
    path = ("model", "decoder" if hierarchical else "normalization")
    detail = {"name": model.decoder if hierarchical else model.normalization, "season": season, "window": length}
    if model.normalization_scale == "change" and length <= season:
        raise ConfigError(loaded.locate_problem("season-longer-than-window", ("model", "normalization_scale"), detail))
    if not (hierarchical or seasonal or model.normalization == "profile"):
        return
    if season < 2:
        repair = {"model.decoder": "seq2seq"} if hierarchical else {"model.normalization": "last"}
        raise ConfigError(loaded.locate_problem("no-season", path, detail, (repair,)))
    if model.normalization == "profile" and length < 2 * season:
        detail |= {"needed": 2 * season}
        raise ConfigError(loaded.locate_problem("window-below-two-seasons", ("model", "normalization"), detail))
    if not (hierarchical or seasonal):
        return
    if season % model.segment:
        segment = max(n for n in range(1, model.segment) if season % n == 0)
        detail |= {"segment": model.segment}
        raise ConfigError(loaded.locate_problem("season-not-in-segments", path, detail, ({"model.segment": segment},)))
    if hierarchical and (length % season or length < (2 + seasonal) * season):
        fits = max(2 + seasonal, round(length / season)) * season
        raise ConfigError(loaded.locate_problem("window-not-in-seasons", path, detail, ({"window.length": fits},)))
    if length < season + 2 * model.segment:
        detail |= {"needed": season + 2 * model.segment}
        raise ConfigError(loaded.locate_problem("window-too-short-for-season", path, detail))
