"""Reconciliation: forecasts of all series of a hierarchy, changed so that those of parts add up to those of sums."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecaster.errors import UsageError
from forecaster.extras import import_extra
from forecaster.hierarchy.levels import Hierarchy
from forecaster.problems import Problem

Method = Literal["bottom_up", "top_down", "mint"]
_MOST_SERIES = 3000  # of a dense covariance matrix
_FEWEST_ERRORS = 3  # of each series, from which a covariance is estimated


@dataclass(frozen=True)
class Reconciler:
    """Reconciles the forecasts of all series of a hierarchy.

    Attributes:
        hierarchy: of the series.
        method: `bottom_up` adds up the bottom forecasts, `top_down` divides the total in the proportions of the
            forecasts of each level, `mint` combines all.
        projection: of `mint`, from forecasts of all series to the bottom ones, (bottom, series).
        errors: of base forecasts from the same origins, (series, origins, horizon), whose dependence sample paths get;
            empty where it is not known.
        minimum, maximum: bounds of the bottom series.
        counts: which bottom series have whole paths, (bottom,), or whether all have.
    """

    hierarchy: Hierarchy
    method: Method
    projection: np.ndarray | None = None
    errors: np.ndarray | None = None
    minimum: float = -np.inf
    maximum: float = np.inf
    counts: np.ndarray | bool = False

    def reconcile(
        self, mean: np.ndarray, paths: np.ndarray, decimals: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reconcile means (series, horizon) and sample paths (paths, series, horizon) of base forecasts.

        Bottom forecasts are rounded to `decimals` before they are added up. The paths of all series first get the
        dependence of past errors (the Schaake shuffle: Clark et al. 2004; as for bootstrapped errors in Panagiotelis et
        al. 2023); each path is then reconciled, so that quantiles are those of coherent draws.
        """
        joint = paths if self.errors is None or not self.errors.size else shuffle_paths(paths, self.errors)
        match self.method:
            case "bottom_up":
                first = len(self.hierarchy.names) - self.hierarchy.bottom
                bottoms = mean[first:], joint[:, first:]
            case "top_down":
                bottoms = divide_total(self.hierarchy, mean, mean), divide_total(self.hierarchy, mean, joint)
            case "mint":
                assert self.projection is not None
                bottoms = self.projection @ mean, self.projection @ joint
        middle, draws = (np.clip(values, self.minimum, self.maximum) for values in bottoms)
        if np.any(self.counts):
            whole = np.broadcast_to(self.counts, len(middle))
            draws[:, whole] = round_paths(draws[:, whole])
        if decimals is None:
            return self.hierarchy.add_up(middle), self.hierarchy.add_up(draws)
        found = [self.hierarchy.add_up(each.round(decimals)).round(decimals) for each in (middle, draws)]
        return found[0] + 0.0, found[1] + 0.0  # turns -0 into 0


def shuffle_paths(paths: np.ndarray, errors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Reorder the paths of each series and step by ranks of past errors, whose dependence they get.

    Args:
        paths: (paths, series, horizon).
        errors: from the same origins, (series, origins, steps); the last step repeats where the horizon is longer.
        seed: of the origins that are drawn.
    """
    generator, horizon = np.random.default_rng(seed), paths.shape[2]
    # each origin as often as the others, but for the rest
    drawn = generator.permutation(np.arange(len(paths)) % errors.shape[1])
    steps = np.minimum(np.arange(horizon), errors.shape[2] - 1)
    joint = np.moveaxis(errors[:, drawn][:, :, steps], 0, 1)  # (paths, series, horizon)
    order = np.lexsort((generator.random(joint.shape), joint), axis=0)  # ties, of one origin, in random order
    ranks = order.argsort(axis=0)
    return np.take_along_axis(np.sort(paths, axis=0), ranks, axis=0)


def divide_total(hierarchy: Hierarchy, mean: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Divide the total by forecast proportions, from the top down, into the bottom series, (..., bottom, horizon).

    The parts of a sum share what they differ from it in proportion to their mean forecasts, so that their means are the
    total in forecast proportions (Gross & Sohl 1990; FPP3, section 11.3). A path keeps its own deviations: the same
    proportions of the total's path would make intervals of parts as narrow, relative to their size, as the total's.
    Where the means of the parts sum to 0, all have the same share.

    Args:
        hierarchy: of the series.
        mean: their base forecasts, (series, horizon).
        values: those, or paths of them, (..., series, horizon).
    """
    bottom = np.arange(hierarchy.bottom) + len(hierarchy.names) - hierarchy.bottom
    levels, found = np.concatenate([hierarchy.parents, bottom[None]]), values.copy()  # levels: (levels, bottom)
    for above, here in itertools.pairwise(levels):
        for parent in np.unique(above).tolist():
            parts = np.unique(here[above == parent])
            total = mean[parts].sum(axis=0)
            share = np.where(total == 0, 1 / len(parts), mean[parts] / np.where(total == 0, 1, total))
            rest = found[..., parent, :] - values[..., parts, :].sum(axis=-2)  # (..., horizon)
            found[..., parts, :] += share * rest[..., None, :]
    return found[..., bottom, :]


def round_paths(paths: np.ndarray, seed: int = 0) -> np.ndarray:
    """Round paths to whole numbers whose sum over the series is that of the values, rounded; (paths, series, horizon).

    Running sums are rounded from a random start in each path (systematic sampling: Madow 1949), so that each value
    keeps its expectation. Rounded one by one, small values would all be 0, and so would their sum.
    """
    start = np.random.default_rng(seed).random((len(paths), 1, paths.shape[2]))
    return np.diff(np.floor(paths.cumsum(axis=1) + start), axis=1, prepend=0.0)


def compute_path_quantiles(paths: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Compute quantiles over paths, whole where all paths are: (paths, series, steps) -> (quantiles, series, steps)."""
    found = np.quantile(paths, probabilities, axis=0)
    return np.where((paths == np.rint(paths)).all(axis=0), np.rint(found), found)


def fit_mint(hierarchy: Hierarchy, errors: np.ndarray) -> np.ndarray:
    """Fit the projection of minimum trace with a shrunk covariance of errors, (bottom, series).

    MinT(shrink) of Wickramasuriya, Athanasopoulos & Hyndman (2019), by hierarchicalforecast; the covariance is that of
    the errors at all steps, shrunk towards its diagonal (Schäfer & Strimmer 2005).

    Args:
        hierarchy: of the series.
        errors: of base forecasts from the same origins, (series, origins, horizon); NaN where not known. With fewer
            than three of a series, variances proportional to the number of bottom series replace the covariance.

    Raises:
        MissingExtra: hierarchicalforecast is not installed.
        UsageError: there are too many series for a covariance matrix.
    """
    if len(hierarchy.names) > _MOST_SERIES:
        detail = {"count": len(hierarchy.names), "most": _MOST_SERIES}
        repairs = ({"forecast.reconcile": "bottom_up"},)
        raise UsageError(Problem("too-many-series-for-mint", detail=detail, repairs=repairs))
    with import_extra("hierarchy", "forecast.reconcile: mint"):
        from hierarchicalforecast.methods import MinTrace  # noqa: PLC0415  an optional dependency, and seconds
    pooled = errors.reshape(len(errors), -1).astype(float)  # (series, errors)
    pooled = pooled[:, ~np.isnan(pooled).any(axis=0)]
    deviations = pooled.std(axis=1) if pooled.shape[1] >= _FEWEST_ERRORS else np.zeros(len(pooled))
    method = MinTrace("mint_shrink" if (deviations > 0).all() else "wls_struct")
    if deviations.any():
        # The projection depends on neither unit nor mean, but the library refuses errors whose sum is almost 0.
        pooled = (pooled - pooled.mean(axis=1, keepdims=True)) / deviations.mean() + 1
    summing = hierarchy.build_summing_matrix()
    method.fit(S=summing, y_hat=np.zeros((len(summing), 1)), y_insample=pooled, y_hat_insample=np.zeros_like(pooled))
    return np.asarray(method.P)


def select_projection(projection: np.ndarray | None, trained: tuple[str, ...], hierarchy: Hierarchy) -> np.ndarray:
    """Select the rows and columns of a projection for the series of a hierarchy.

    Raises:
        UsageError: the run has no projection, or one of other series.
    """
    repairs = ({"forecast.reconcile": "bottom_up"},)
    if projection is None:
        raise UsageError(Problem("no-mint-projection", repairs=repairs))
    if set(trained) != set(hierarchy.names):
        changed = sorted(set(trained) ^ set(hierarchy.names))
        raise UsageError(Problem("other-hierarchy", detail={"names": changed}, repairs=repairs))
    places = [trained.index(name) for name in hierarchy.names]
    sums = len(trained) - hierarchy.bottom
    return projection[np.array(places[sums:]) - sums][:, places]
