"""Series that are sums of others, and forecasts of sums that agree with those of the parts.

- `levels`: which series are sums of which, by the columns of their ids
- `sums`: the sums of a panel's series, added to it
- `reconcile`: bottom-up, top-down and MinT, of means and of sample paths
"""

from forecaster.hierarchy.levels import Hierarchy, build_hierarchy
from forecaster.hierarchy.reconcile import Reconciler, compute_path_quantiles, fit_mint, select_projection
from forecaster.hierarchy.sums import add_sums

__all__ = [
    "Hierarchy",
    "Reconciler",
    "add_sums",
    "build_hierarchy",
    "compute_path_quantiles",
    "fit_mint",
    "select_projection",
]
