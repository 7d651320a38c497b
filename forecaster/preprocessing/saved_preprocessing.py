"""The preprocessing that a run saves: scalers, vocabulary and features fitted on its training data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster.config import Config
from forecaster.data import Series
from forecaster.errors import RunError
from forecaster.preprocessing.categories import Vocabulary
from forecaster.preprocessing.covariate_features import Features
from forecaster.preprocessing.scaling import Scaler, fit_scaler
from forecaster.preprocessing.transforms import fit_transform
from forecaster.problems import Problem
from forecaster.runs import Version


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of a run.

    Attributes:
        scalers: by series.
        vocabulary, features: if the network reads them.
    """

    scalers: Mapping[str, Scaler]
    vocabulary: Vocabulary | None = None
    features: Features | None = None

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
        features = values["features"] and Features.from_json(values["features"])
        return cls(scalers, vocabulary, features)

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


def fit_series_scaler(config: Config, values: np.ndarray) -> Scaler:
    """Fit the transform, differences and scaling of a config on one series, (steps,).

    Raises:
        DataError: the values are too large for floating point.
    """
    return fit_scalers(config, values[None]).select_row(0)


def fit_scalers(config: Config, values: np.ndarray) -> Scaler:
    """Fit them on training parts of one length, (series, steps): a scaler with a row for each."""
    data = config.data
    curve = fit_transform(values, data.transform, data.minimum, data.maximum)
    return fit_scaler(values, config.scaling, curve, data.difference)


def load_preprocessing(version: Version) -> Preprocessing:
    """Load the preprocessing of a version.

    Raises:
        RunError: it is damaged.
    """
    try:
        return Preprocessing.from_json(version.preprocessing)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = Problem("changed-run-files", str(version.path), detail={"reason": repr(error)})
        raise RunError(problem) from None
