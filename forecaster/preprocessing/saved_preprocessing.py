"""The preprocessing that a run saves: scalers, vocabulary and features fitted on its training data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import Config
from forecaster.data import Series
from forecaster.preprocessing.categories import Vocabulary
from forecaster.preprocessing.scaling import Scaler, fit_scaler
from forecaster.preprocessing.transforms import fit_transform
from forecaster.runs import Version

if TYPE_CHECKING:
    from forecaster.preprocessing.covariate_features import Features

_MIN_CHANGING = 20  # steps after a constant beginning, from which they alone fit a scale


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of a run.

    Attributes:
        scalers: by series.
        vocabulary, features: if the network reads them.
    """

    scalers: Mapping[str, Scaler]
    vocabulary: Vocabulary | None = None
    features: "Features | None" = None

    @cached_property
    def _stack(self) -> Scaler:
        """The scalers of all series, stacked."""
        return Scaler.stack(list(self.scalers.values()))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.scalers)}

    def stack_scalers(self, names: Sequence[str]) -> tuple[Scaler, np.ndarray]:
        """Stack the scalers of series; and return which of them were trained on, (series,): other rows mean nothing."""
        places = np.array([self._places.get(name, -1) for name in names], int)
        return self._stack.select_rows(places), places >= 0

    def to_json(self) -> dict[str, Any]:
        """Return every number, exact, for JSON."""
        scalers = {name: scaler.to_json() for name, scaler in self.scalers.items()}
        parts = (("categories", self.vocabulary), ("features", self.features))
        optional = {name: part and part.to_json() for name, part in parts}
        return {"scalers": scalers, **optional}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Restore what `to_json` returned."""
        scalers = {name: Scaler.from_json(scaler) for name, scaler in values["scalers"].items()}
        vocabulary = values["categories"] and Vocabulary.from_json(values["categories"])
        return cls(scalers, vocabulary, values["features"] and _read_features(values["features"]))

    @property
    def feature_widths(self) -> tuple[int, int]:
        """Number of features known up to the origin only, and of those also known over the horizon."""
        return (0, 0) if self.features is None else (self.features.past_width, self.features.known_width)

    def encode_categories(self, panel: Sequence[Series]) -> np.ndarray | None:
        """Encode each series' categories, (series, categories), if the network reads them.

        Raises:
            DataError: a category was not trained on.
        """
        return None if self.vocabulary is None else self.vocabulary.encode(panel)


def _read_features(values: Mapping[str, Any]) -> "Features":
    from forecaster.preprocessing.covariate_features import Features  # noqa: PLC0415  with pandas, for calendars

    return Features.from_json(values)


def fit_series_scaler(config: Config, values: np.ndarray) -> Scaler:
    """Fit the transform, differences and scaling of a config on one series, (steps,).

    Raises:
        DataError: the values are too large for floating point.
    """
    return fit_scalers(config, values[None]).select_row(0)


def fit_scalers(config: Config, values: np.ndarray) -> Scaler:
    """Fit them on training parts of one length, (series, steps): a scaler with a row for each.

    A series that is constant for more than half of its training part, such as a product before its launch, is scaled by
    what follows.
    """
    data = config.data
    curve = fit_transform(values, data.transform, data.minimum, data.maximum)
    steps, constant = values.shape[1], _count_constant_steps(values)
    late = (constant > steps / 2) & (constant <= steps - _MIN_CHANGING)
    if not late.any():
        return fit_scaler(values, config.scaling_method, curve, data.difference, data.main_season)
    rows = [slice(row, row + 1) for row in range(len(values))]
    begins = np.where(late, constant, 0).tolist()
    return Scaler.concatenate(
        [
            fit_scaler(
                values[row, begin:], config.scaling_method, curve.select_rows(row), data.difference, data.main_season
            )
            for row, begin in zip(rows, begins, strict=True)
        ]
    )


def _count_constant_steps(values: np.ndarray) -> np.ndarray:
    """Count the equal values that each series begins with: (series, steps) -> (series,)."""
    changed = values != values[:, :1]
    return np.where(changed.any(axis=1), changed.argmax(axis=1), values.shape[1])


def load_preprocessing(version: Version) -> Preprocessing:
    """Load the preprocessing of a version.

    Raises:
        RunError: it is damaged.
    """
    try:
        preprocessing = Preprocessing.from_json(version.preprocessing)
        _check(preprocessing, version.config)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise version.refuse("preprocessing.json", repr(error)) from None
    return preprocessing


def _check(preprocessing: Preprocessing, config: Config) -> None:
    """Check that a preprocessing can be that of a config; raise `ValueError` where it cannot."""
    if not preprocessing.scalers:
        raise ValueError("no scalers")
    for name, scaler in preprocessing.scalers.items():
        curve = scaler.curve
        numbers = map(float, (scaler.offset, scaler.scale, curve.power, curve.low, curve.high))
        if not all(map(math.isfinite, numbers)) or scaler.scale < 0 or curve.power < 0 or curve.low >= curve.high:
            raise ValueError(f"the scaler of {name} is {scaler}")
        if curve.kind != config.data.transform or scaler.lags != config.data.difference:
            raise ValueError(f"the scaler of {name} has another transform or other differences than the config")
    vocabulary, features = preprocessing.vocabulary, preprocessing.features
    if (vocabulary is not None) != bool(config.model.embedding and config.data.several):
        raise ValueError("categories for a network without an embedding, or none for one with it")
    if vocabulary is not None and not all(values and len(set(values)) == len(values) for values in vocabulary.values):
        raise ValueError("categories that are empty or repeated")
    if features is not None:
        _check_features(features, config)


def _check_features(features: "Features", config: Config) -> None:
    """Check that features can be those of a config; raise `ValueError` where they cannot."""
    from forecaster.preprocessing.covariate_features import SERIES_SCALE  # noqa: PLC0415  with pandas

    data, covariates = config.data, config.data.covariates
    columns = [tuple(each.name for each in part) for part in (features.past, features.future)]
    if columns != [covariates.past, covariates.future] or features.calendar != data.calendar:
        raise ValueError("other covariates or calendar features than the config")
    if not {each.name for each in features.static} <= set(covariates.static):
        raise ValueError("other static covariates than the config")
    if features.seasons != data.seasons or type(features.mask) is not bool:
        raise ValueError("other seasons than the config")
    if tuple(each.name for each in features.scale) not in {(), SERIES_SCALE}:
        raise ValueError("unknown features of the series' scale")
    if not set(features.missing.values()) <= {"last", "seasonal"}:
        raise ValueError(f"unknown policies for missing cells: {dict(features.missing)}")
    for each in (*features.past, *features.future, *features.static, *features.scale):
        if not math.isfinite(each.offset) or not math.isfinite(each.scale) or each.scale <= 0:
            raise ValueError(f"the encoding of {each.name} is {each}")
        if each.levels is not None and not all(isinstance(level, str) for level in each.levels):
            raise ValueError(f"the categories of {each.name} are no texts")
