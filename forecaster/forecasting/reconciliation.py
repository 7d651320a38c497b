"""Reconciled forecasts of a run whose data are a hierarchy, and the files of a version that they need."""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from forecaster.config.schema import Config
from forecaster.data.series import Series
from forecaster.errors import DataError
from forecaster.forecast import Forecast, ForecastBlock, levels_to_probabilities
from forecaster.forecasting.calibration import read_array
from forecaster.forecasting.series_block import SeriesBlock
from forecaster.hierarchy import (
    Hierarchy,
    Reconciler,
    build_hierarchy,
    compute_path_quantiles,
    fit_mint,
    select_projection,
)
from forecaster.hierarchy.levels import TOTAL
from forecaster.problems import Problem
from forecaster.runs import Version

_ERRORS, _PROJECTION = "hierarchy_errors.npy", "hierarchy_projection.npy"


def build_hierarchy_of(config: Config, names: Sequence[str]) -> Hierarchy:
    """Build the hierarchy of a config from the names of all its series; a sum has fewer ids than a bottom series."""
    bottom = [name for name in names if name != TOTAL and name.count("/") + 1 == len(config.data.ids)]
    return build_hierarchy(config.data.hierarchy or (), config.data.ids, bottom)


def is_reconciled(config: Config) -> bool:
    """Whether the forecasts of a config are reconciled."""
    return bool(config.data.hierarchy) and config.forecast.reconcile != "none"


def find_levels_by_name(config: Config, names: Sequence[str]) -> dict[str, str]:
    """Find the level of each series by its name; empty where the data of a config are no hierarchy."""
    return build_hierarchy_of(config, names).level_by_name if config.data.hierarchy else {}


@dataclasses.dataclass(frozen=True)
class PastErrors:
    """What reconciliation needs to know of past forecasts.

    Attributes:
        names: of all series.
        errors: of base forecasts from the same origins, (series, origins, horizon); None where they are not known.
        projection: of MinT, (bottom, series); None where it was not fitted.
    """

    names: tuple[str, ...]
    errors: np.ndarray | None = None
    projection: np.ndarray | None = None


def fit_reconciliation(config: Config, names: Sequence[str], errors: np.ndarray) -> PastErrors:
    """Fit what reconciliation by the method of a config needs.

    Args:
        config: with the method.
        names: of all series.
        errors: of base forecasts from the same origins, (series, origins, horizon); NaN where not known.

    Raises:
        MissingExtra: hierarchicalforecast is not installed, and the method needs it.
        UsageError: there are too many series for it.
    """
    whole = errors[:, ~np.isnan(errors).any(axis=(0, 2))]  # those of unknown steps have no ranks
    is_mint = config.forecast.reconcile == "mint"
    return PastErrors(tuple(names), whole, fit_mint(build_hierarchy_of(config, names), errors) if is_mint else None)


def encode_reconciliation(past: PastErrors) -> dict[str, bytes]:
    """Encode what reconciliation needs as the files of a version, by name."""
    files = {}
    for name, array in ((_ERRORS, past.errors), (_PROJECTION, past.projection)):
        if array is not None:
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(array, float))
            files[name] = content.getvalue()
    return files


def load_reconciler(version: Version, config: Config, names: Sequence[str]) -> Reconciler | None:
    """Load what reconciles the forecasts of series; None where they are no hierarchy, or are not to be reconciled.

    Args:
        version: of a run.
        config: of the run, with the policies of this prediction.
        names: of all series of the data.

    Raises:
        UsageError: the run was trained with another method than MinT, or on other series.
        RunError: a file of the version is damaged.
    """
    if not is_reconciled(config):
        return None
    files, needs_projection = version.manifest["files"], config.forecast.reconcile == "mint"
    past = PastErrors(
        tuple(version.preprocessing["scalers"]),
        read_array(version, _ERRORS, 3) if _ERRORS in files else None,
        read_array(version, _PROJECTION, 2) if needs_projection and _PROJECTION in files else None,
    )
    return build_reconciler(config, names, past)


def build_reconciler(config: Config, names: Sequence[str], past: PastErrors) -> Reconciler:
    """Build what reconciles the forecasts of series by the method of a config.

    Raises:
        UsageError: MinT was not fitted, or to other series.
    """
    method, hierarchy, trained = config.forecast.reconcile, build_hierarchy_of(config, names), past.names
    assert method != "none"
    projection = select_projection(past.projection, trained, hierarchy) if method == "mint" else None
    errors = None
    if past.errors is not None and set(trained) == set(hierarchy.names):
        errors = past.errors[[trained.index(name) for name in hierarchy.names]]
    low = -np.inf if config.data.minimum is None else config.data.minimum
    if config.model.head in {"negative_binomial", "log_normal"} or config.data.transform in {"log", "log1p", "boxcox"}:
        low = max(low, 0.0)
    high = np.inf if config.data.maximum is None else config.data.maximum
    counts = config.model.head == "negative_binomial"
    return Reconciler(hierarchy, method, projection, errors, low, high, counts)


class _Collector(Protocol):
    """What forecasts are collected in (`predict.Collector`)."""

    prediction: Any

    def add(self, panel: SeriesBlock, forecasts: ForecastBlock, padding: int = 0) -> None:
        """Add the forecasts of some series."""

    def finish(self) -> Any:
        """Return the prediction."""


class ReconcilingCollector:
    """Collects base forecasts with sample paths, and reconciles them once all are known.

    Args:
        collected: takes the reconciled forecasts.
        reconciler: of the series.
        levels: of the intervals, in percent; 0 is the median.
        decimals: that forecasts are rounded to; None where they are not.
        with_samples: whether the reconciled paths are kept.
    """

    def __init__(
        self,
        collected: _Collector,
        reconciler: Reconciler,
        levels: Sequence[float],
        decimals: int | None,
        with_samples: bool,
    ) -> None:
        self._collected, self._reconciler, self._levels = collected, reconciler, levels
        self._decimals, self._with_samples = decimals, with_samples
        self._found: dict[str, tuple[Series, Forecast]] = {}

    @property
    def prediction(self) -> Any:
        """With the problems and notices found so far."""
        return self._collected.prediction

    def add(self, panel: SeriesBlock, forecasts: ForecastBlock, padding: int = 0) -> None:
        """Keep the base forecasts of a batch, and their series, which were led in by `padding` steps."""
        for series, forecast in zip(panel, forecasts, strict=True):
            self._found[forecast.series] = series.cut(padding, len(series)), forecast

    def finish(self) -> Any:
        """Reconcile all forecasts.

        Raises:
            DataError: some series has none, so that sums cannot agree with their parts.
        """
        names = self._reconciler.hierarchy.names
        if missing := [name for name in names if name not in self._found]:
            raise DataError([*self.prediction.problems, Problem("hierarchy-incomplete", detail={"names": missing})])
        series, base = zip(*(self._found[name] for name in names), strict=True)
        self._collected.add(SeriesBlock(list(series)), ForecastBlock.join(self._reconcile(list(base))))
        return self._collected.finish()

    def _reconcile(self, base: Sequence[Forecast]) -> list[Forecast]:
        paths = np.stack([each.samples for each in base if each.samples is not None], axis=1)
        mean, draws = self._reconciler.reconcile(np.stack([each.mean for each in base]), paths, self._decimals)
        probabilities = levels_to_probabilities(self._levels)
        quantiles = dict(zip(probabilities, compute_path_quantiles(draws, probabilities), strict=True))
        if self._decimals is not None:
            quantiles = {each: values.round(self._decimals) + 0.0 for each, values in quantiles.items()}
        return [
            dataclasses.replace(
                each,
                mean=mean[row],
                quantiles={probability: values[row] for probability, values in quantiles.items()},
                samples=draws[:, row] if self._with_samples else None,
                source=f"{each.source} ({self._reconciler.method})",
                level=self._reconciler.hierarchy.levels[row],
            )
            for row, each in enumerate(base)
        ]
