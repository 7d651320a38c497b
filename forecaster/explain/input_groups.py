"""The groups of a forecast's inputs that are replaced together: components of the window, covariates, the calendar."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from forecaster.config.calendar_names import HOLIDAY
from forecaster.data.series import Series
from forecaster.errors import DataError
from forecaster.explain.contributions import Group
from forecaster.explain.window_components import LEVEL, SEASON, WindowComponents, name_parts
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.calendar_features import list_feature_names
from forecaster.preprocessing.covariate_features import Features

_HOLIDAYS = "holidays"
_SERIES_READ, _STEPS_READ = 20, 10_000  # of which the means of features are taken


class InputGroup(NamedTuple):
    """Inputs that are replaced by their reference together.

    Attributes:
        group: name and kind.
        component: of the window, `LEVEL`, `SEASON` or the number of a part; None for features alone.
        columns: numbers of features.
        channel: the channel whose whole window it is, in a forecast of another one; None otherwise.
    """

    group: Group
    component: str | int | None = None
    columns: tuple[int, ...] = ()
    channel: int | None = None


def list_input_groups(components: WindowComponents, frequency: str, features: Features | None) -> list[InputGroup]:
    """List the groups of inputs: level, season with the calendar, parts of the window, covariates, holidays.

    The mask of observed values and the scale of a series are in none: they stay as they are.
    """
    columns = {} if features is None else _list_columns(features)
    calendar = columns.pop(SEASON, ())
    groups = [InputGroup(Group(LEVEL, "level"), LEVEL)]
    if components.season is not None or calendar:
        component = None if components.season is None else SEASON
        groups.append(InputGroup(Group(SEASON, "season"), component, calendar))
    for number, name in enumerate(name_parts(components.parts, frequency)):
        groups.append(InputGroup(Group(name, "window"), number))
    for name, places in columns.items():
        kind = "calendar" if name == _HOLIDAYS else "covariate"
        groups.append(InputGroup(Group(name, kind), columns=places))
    return groups


def _list_columns(features: Features) -> dict[str, tuple[int, ...]]:
    """List the numbers of the features of each covariate, of the season and of holidays, in the order of `Features`."""
    calendar = list_feature_names(features.calendar, features.seasons)
    names = [encoding.name for encoding in (*features.past, *features.future) for _ in range(encoding.width)]
    names += [_HOLIDAYS if name.startswith(HOLIDAY) else SEASON for name in calendar]
    names += [encoding.name for encoding in features.static for _ in range(encoding.width)]
    return {name: tuple(place for place, each in enumerate(names) if each == name) for name in dict.fromkeys(names)}


def find_reference_features(predictor: Predictor, panel: Sequence[Series]) -> np.ndarray:
    """Find what replaces features, (features,): 0 for numbers, which is their training mean; the mean of the others.

    It is that over the steps of some series of the panel. Where cells are missing in a series, it does not count.
    """
    features, width = predictor.preprocessing.features, sum(predictor.preprocessing.feature_widths)
    if features is None:
        return np.zeros(0, np.float32)
    rows = [np.zeros((0, width), np.float32)]
    every = np.unique(np.linspace(0, len(panel) - 1, _SERIES_READ).round().astype(int)).tolist()
    for series in (panel[number] for number in every):
        try:
            rows.append(predictor.build_features(series, max(0, len(series) - _STEPS_READ), len(series)))
        except DataError:
            continue
    found = np.concatenate(rows)  # (steps, features)
    means = found.mean(axis=0) if len(found) else np.zeros(width, np.float32)
    calendar = len(list_feature_names(features.calendar, features.seasons))
    are_numbers = [False] * width
    place = 0
    for encoding in (*features.past, *features.future, *calendar * [None], *features.static):
        count = 1 if encoding is None else encoding.width
        are_numbers[place : place + count] = [encoding is not None and encoding.levels is None] * count
        place += count
    return np.where(are_numbers, 0, means).astype(np.float32)
