"""What was fitted on a training part, and what a run keeps of it."""

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
from forecaster.runs import Version


@dataclass(frozen=True)
class Preprocessing:
    """What a run keeps of the data that it was trained on.

    Attributes:
        scalers: by the name of the series.
        vocabulary, features: where the network reads them.
    """

    scalers: Mapping[str, Scaler]
    vocabulary: Vocabulary | None = None
    features: Features | None = None

    def to_json(self) -> dict[str, Any]:
        """Every number, exact."""
        scalers = {name: scaler.to_json() for name, scaler in self.scalers.items()}
        parts = (("categories", self.vocabulary), ("features", self.features))
        told = {name: part and part.to_json() for name, part in parts}
        return {"scalers": scalers, **told}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Read back what `to_json` gave."""
        scalers = {name: Scaler.from_json(scaler) for name, scaler in values["scalers"].items()}
        vocabulary = values["categories"] and Vocabulary.from_json(values["categories"])
        features = values["features"] and Features.from_json(values["features"])
        return cls(scalers, vocabulary, features)

    @property
    def feature_widths(self) -> tuple[int, int]:
        """Features that are known up to the end of a window, and of the steps that follow, too."""
        return (0, 0) if self.features is None else (self.features.past_width, self.features.known_width)

    def encode_categories(self, panel: Sequence[Series]) -> np.ndarray | None:
        """The numbers of each series' categories, (series, categories), where the network reads them.

        Raises:
            DataError: one was not trained on.
        """
        return None if self.vocabulary is None else self.vocabulary.encode(panel)


def fit_series_scaler(config: Config, values: np.ndarray) -> Scaler:
    """The transform, differences and scaling of a config, fitted on (steps,).

    Raises:
        DataError: the values are too large to be scaled in floating point.
    """
    return fit_scalers(config, values[None]).select_row(0)


def fit_scalers(config: Config, values: np.ndarray) -> Scaler:
    """The same of training parts of one length, (series, steps), a row for each."""
    data = config.data
    curve = fit_transform(values, data.transform, data.minimum, data.maximum)
    return fit_scaler(values, config.scaling, curve, data.difference)


def load_preprocessing(version: Version) -> Preprocessing:
    """What a version keeps of its data.

    Raises:
        RunError: it is damaged.
    """
    try:
        return Preprocessing.from_json(version.preprocessing)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{version.path}: its files were changed after training: {error!r}") from None
