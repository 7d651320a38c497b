"""Reconciliation: forecasts of all series of a hierarchy, changed so that those of parts add up to those of sums."""

import itertools
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
    """

    hierarchy: Hierarchy
    method: Method
    projection: np.ndarray | None = None
    errors: np.ndarray | None = None
    minimum: float = -np.inf
    maximum: float = np.inf

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
                shares = compute_shares(self.hierarchy, mean)
                bottoms = shares * mean[:1], shares * joint[:, :1]
            case "mint":
                assert self.projection is not None
                bottoms = self.projection @ mean, self.projection @ joint
        found = []
        for values in bottoms:
            bottom = np.clip(values, self.minimum, self.maximum)
            if decimals is None:
                found.append(self.hierarchy.add_up(bottom))
            else:  # adding 0 turns -0 into 0
                found.append(self.hierarchy.add_up(bottom.round(decimals)).round(decimals) + 0.0)
        return found[0], found[1]


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


def compute_shares(hierarchy: Hierarchy, mean: np.ndarray) -> np.ndarray:
    """Compute the share of each bottom series in the total by forecast proportions, (bottom, horizon).

    The share of a series in its parent is that of its forecast in the sum of the forecasts of the parent's parts
    (Gross & Sohl 1990; FPP3, section 11.3); the shares of a path from the total down are multiplied. Where these sum
    to 0, all parts have the same share.
    """
    bottom = np.arange(hierarchy.bottom) + len(hierarchy.names) - hierarchy.bottom
    levels = np.concatenate([hierarchy.parents, bottom[None]])  # (levels, bottom)
    shares = np.ones((hierarchy.bottom, mean.shape[1]))
    for above, here in itertools.pairwise(levels):
        for parent in np.unique(above).tolist():
            parts = np.unique(here[above == parent])
            total = mean[parts].sum(axis=0)
            for part in parts.tolist():
                share = np.where(total == 0, 1 / len(parts), mean[part] / np.where(total == 0, 1, total))
                shares[here == part] *= share
    return shares


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
