"""Contributions to the forecasts of a run or of a file, from forecasts of windows of which components are missing."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from forecaster.config.schema import Config, Data
from forecaster.data.series import Series
from forecaster.data.sources.files import name_source
from forecaster.errors import DataError, UsageError
from forecaster.evaluation.held_out import MOST_STEPS_READ, count_steps_read
from forecaster.explain.contributions import Contributions, Group
from forecaster.explain.input_groups import InputGroup, find_reference_features, list_input_groups
from forecaster.explain.known_inputs import KnownInputs
from forecaster.explain.shapley import Game, compute_shapley
from forecaster.explain.window_components import (
    LEVEL,
    SEASON,
    WindowComponents,
    count_season_steps,
    find_reference,
    split_windows,
)
from forecaster.forecasting.fallback import ZERO_SHOT
from forecaster.forecasting.future_covariates import extend_with_future
from forecaster.forecasting.interval_widths import cut_window
from forecaster.forecasting.predict import load_predictor, read_newest
from forecaster.forecasting.predictor import Predictor
from forecaster.forecasting.zero_shot import choose_horizon, drop_network_keys
from forecaster.forecasting.zero_shot_forecasts import SPREAD_EVENLY, are_counts
from forecaster.preprocessing.read_data import infer_data_keys, read_data
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.windows import take_last_steps
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import MIN_STEPS, forecast_zero_shot
from forecaster.problems import Problem
from forecaster.runs import Version

log = logging.getLogger("forecaster")

_MOST_SERIES = 100  # explained where none is named
_MOST_COALITIONS = 256  # up to which Shapley values are exact
_ROWS_AT_ONCE = 2048


def explain_run(
    version: Version, data: Path | None = None, future: Path | None = None, names: Sequence[str] = ()
) -> tuple[list[Contributions], list[Problem]]:
    """Explain the forecasts of a run after the newest step of each series.

    Args:
        version: a verified version of a run.
        data: a data file to use instead of the one in the config.
        future: a CSV of the future covariates, as in `predict`.
        names: of series; the first hundred where empty.

    Returns:
        The contributions to the forecast of each series, and why others have none.

    Raises:
        UsageError: there is no series of one of the names.
        DataError: the data cannot be read as the series trained on, or no series can be forecast.
        Diverged: a forecast is infinite or NaN.
    """
    config, predictor = version.config, load_predictor(version)
    panel, problems = read_newest(config, data)
    chosen = _choose_series(panel, names, config.channels)
    if future is not None:
        chosen = extend_with_future(config, chosen, future, config.window.horizon)
    prepared = predictor.prepare(chosen, config.window.horizon)
    problems = [*(problems if not names else []), *prepared.problems]
    if not prepared.panel:
        raise DataError(problems)
    return explain_panel(predictor, prepared.panel, prepared.features, panel), problems


def _choose_series(panel: Sequence[Series], names: Sequence[str], channels: int) -> list[Series]:
    """Choose the series of some names, with those that are read together; the first ones where there is no name."""
    if not names:
        most = _MOST_SERIES * channels
        if len(panel) > most:
            log.warning("%s", Problem("first-series-explained", detail={"shown": most, "count": len(panel)}))
        return list(panel[:most])
    known = {series.name: place for place, series in enumerate(panel)}
    if unknown := [name for name in names if name not in known]:
        detail = {"names": unknown, "known": list(known)}
        raise UsageError(Problem("no-such-series", "--series", detail=detail))
    firsts = dict.fromkeys(known[name] // channels * channels for name in names)
    return [panel[place] for first in firsts for place in range(first, first + channels)]


def explain_panel(
    predictor: Predictor, panel: Sequence[Series], features: np.ndarray, background: Sequence[Series]
) -> list[Contributions]:
    """Explain the forecasts after the end of series.

    Args:
        predictor: of a run.
        panel: series that are long enough, those that are read together after each other.
        features: of their last windows and the steps after them, (series, length + horizon, features).
        background: the series whose features are averaged for the baseline.
    """
    config, horizon = predictor.config, predictor.config.window.horizon
    inputs = KnownInputs.cut(predictor, panel, [len(series) for series in panel], features)
    components = split_inputs(inputs, [len(series) for series in panel])
    reference = find_reference_features(predictor, background)
    groups = list_input_groups(components, panel[0].frequency, predictor.preprocessing.features)
    found: list[Contributions | None] = [None] * len(panel)
    for target in range(config.channels):
        own = np.arange(len(panel)) % config.channels == target
        others = [
            InputGroup(Group(panel[channel].name, "series"), channel=channel)
            for channel in range(config.channels)
            if channel != target
        ]
        every = [*groups, *others]
        game = _make_game(inputs, components, every, reference, own)
        most = min(_MOST_COALITIONS, MOST_STEPS_READ // (count_steps_read(predictor) * len(panel)))
        # (forecasters, rows, horizon), (groups, forecasters, rows, horizon)
        baseline, values = compute_shapley(game, len(every), most)
        weights = inputs.weigh()  # (forecasters, series)
        for row, place in enumerate(np.flatnonzero(own).tolist()):
            used = [
                number
                for number in range(len(inputs.forecasters))
                if weights[number, place] or baseline[number, row].any() or values[:, number, row].any()
            ]
            found[place] = Contributions(
                panel[place],
                panel[place].list_future_timestamps(horizon),
                tuple(each.group for each in every),
                tuple(inputs.forecasters[number] for number in used),
                weights[used, place],
                baseline[used, row],
                np.moveaxis(values[:, used, row], 1, 0),
            )
    return [each for each in found if each is not None]


def split_inputs(inputs: KnownInputs, ends: Sequence[int]) -> WindowComponents:
    """Split what is known at origins into components; the reference of a series is its mean up to the origin."""
    config, scaler, padding = inputs.predictor.config, inputs.scaler, inputs.predictor.config.padding_steps
    length, references, histories = count_season_steps(config.data.seasons, inputs.values.shape[1]), [], []
    for row, (series, end) in enumerate(zip(inputs.panel, ends, strict=True)):
        known = scaler.curve.select_rows(slice(row, row + 1)).apply(series.values[None, padding:end])[0]
        references.append(find_reference(known, config.data.main_season))
        histories.append(take_last_steps(series.values[padding:], end - padding, length))
    return split_windows(
        inputs.values, np.stack(histories), np.array(references), scaler, config.context_steps, config.data.seasons
    )


def _make_game(
    inputs: KnownInputs,
    components: WindowComponents,
    groups: Sequence[InputGroup],
    reference: np.ndarray,
    own: np.ndarray,
) -> Game:
    """Make the game of groups of inputs, whose value is the weighted forecasts, (forecasters, rows of `own`, horizon).

    Args:
        reference: of the features, (features,).
        own: whether a row is explained, (rows,); the others are channels that are read with it.
    """
    rows, channels = np.arange(len(own)), inputs.predictor.config.channels
    # Sample paths are drawn with one seed for each call: the same for all coalitions only in calls of the same rows.
    is_sampled = inputs.predictor.rollout.paths > 1
    at_once = 1 if is_sampled else max(1, _ROWS_AT_ONCE // len(own))

    def compose(coalition: np.ndarray) -> np.ndarray:
        if coalition.all():
            return inputs.values  # to the last digit
        level, season = (np.zeros(len(own), bool) for _ in range(2))
        parts = np.zeros((len(own), int(components.parts.max()) + 1), bool)
        for group, is_present in zip(groups, coalition.tolist(), strict=True):
            if group.channel is not None:
                channel = rows % channels == group.channel
                level[channel] = season[channel] = is_present
                parts[channel] = is_present
            elif group.component == LEVEL:
                level[own] = is_present
            elif group.component == SEASON:
                season[own] = is_present
            elif isinstance(group.component, int):
                parts[own, group.component] = is_present
        return components.compose(level, season, parts)

    def replace_features(coalition: np.ndarray) -> np.ndarray:
        absent = [column for group, here in zip(groups, coalition, strict=True) if not here for column in group.columns]
        features = inputs.features.copy()
        features[..., absent] = reference[absent]
        return features

    def play(coalitions: np.ndarray) -> np.ndarray:
        found = []
        for first in range(0, len(coalitions), at_once):
            some = coalitions[first : first + at_once]
            values, features = (np.concatenate([make(each) for each in some]) for make in (compose, replace_features))
            forecasts = inputs.forecast(values, features)  # (forecasters, coalitions * rows, horizon)
            apart = forecasts.reshape(len(forecasts), len(some), len(own), -1)
            found.append(np.moveaxis(apart[:, :, own], 1, 0))
        return np.concatenate(found)

    return play


def explain_data(
    config: Config, horizon: int | None = None, names: Sequence[str] = ()
) -> tuple[list[Contributions], list[Problem]]:
    """Explain the zero-shot forecasts of the series that a config names.

    Args:
        config: its section `data`, without covariates, transforms and differences.
        horizon: steps; by the season where None.
        names: of series; the first hundred where empty.

    Returns:
        The contributions to the forecast of each series, and why others have none.

    Raises:
        UsageError: there is no series of one of the names.
        DataError: the data cannot be read, or no series has enough values.
    """
    config = drop_network_keys(config)
    panel = read_data(config)
    data = config.data.model_copy(update=infer_data_keys(config.data, panel.longest, panel))
    steps = choose_horizon(data.main_season) if horizon is None else horizon
    found, problems = [], []
    for series in _choose_series(panel, names, 1):
        window = cut_window(series, len(series), min(count_history_steps(data.seasons), len(series)), data.gaps)
        known = int(np.count_nonzero(~np.isnan(window)))
        if known < MIN_STEPS:
            detail = {"values": known, "needed": MIN_STEPS}
            problem = Problem("too-few-values-to-forecast", name_source(data.path), detail=detail)
            problems.append(problem.add_series(series.name) if data.several else problem)
        else:
            found.append(_explain_window(series, window, data, steps))
    if not found:
        raise DataError(problems)
    return found, problems


def _explain_window(series: Series, window: np.ndarray, data: Data, steps: int) -> Contributions:
    """Explain the zero-shot forecast of one series from its window, (steps,)."""
    values = window[None]
    # The forecast of counts is the mean of quantiles, and else the median.
    probabilities = SPREAD_EVENLY if are_counts(values).any() else (0.5,)
    reference = np.array([find_reference(series.values, data.main_season)])
    history = take_last_steps(series.values, len(series), count_season_steps(data.seasons, len(window)))
    components = split_windows(values, history[None], reference, Scaler(0.0, 1.0), 4 * steps, data.seasons)
    groups = list_input_groups(components, series.frequency, None)

    def play(coalitions: np.ndarray) -> np.ndarray:
        parts = np.zeros((len(coalitions), int(components.parts.max()) + 1), bool)
        flags = {group.component: coalitions[:, place] for place, group in enumerate(groups)}
        for number in range(parts.shape[1]):
            parts[:, number] = flags[number]
        level, season = flags[LEVEL], flags.get(SEASON, parts[:, 0])
        windows = np.where(np.all(coalitions, axis=1, keepdims=True), values, components.compose(level, season, parts))
        forecasts = forecast_zero_shot(windows, data.seasons, steps, probabilities).mean(axis=2)
        return np.clip(forecasts, data.minimum, data.maximum)[:, None]  # (coalitions, 1, horizon)

    baseline, contributions = compute_shapley(play, len(groups), _MOST_COALITIONS)
    return Contributions(
        series,
        series.list_future_timestamps(steps),
        tuple(each.group for each in groups),
        (ZERO_SHOT,),
        np.ones(1),
        baseline,
        np.moveaxis(contributions, 1, 0),
    )
