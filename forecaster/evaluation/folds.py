"""The folds of a backtest: origins at the end of each series, and what a network may learn from at each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.config import LoadedConfig, overridden
from forecaster.data import Panel
from forecaster.errors import ConfigError, DataError
from forecaster.evaluation.baselines import check_baselines
from forecaster.preprocessing.load import read_data
from forecaster.preprocessing.plan import Plan, plan_training


@dataclass(frozen=True)
class Folds:
    """A backtest that is yet to be done.

    Attributes:
        loaded: the config that each network is trained by; it holds no test part back.
        panel: the series, whole.
        count, stride: origins of each series, and the steps from one to the next.
        refit: how many folds a training serves; None: all.
        baselines: the names of what the network is compared with.
        first: what the first network learns from.
    """

    loaded: LoadedConfig
    panel: Panel
    count: int
    stride: int
    refit: int | None
    baselines: Sequence[str]
    first: Plan

    @property
    def horizon(self) -> int:
        """Steps that are forecast from each origin."""
        return self.first.config.window.horizon

    @property
    def trainings(self) -> list[range]:
        """The folds, from 0, that each network forecasts."""
        each = self.refit or self.count
        return [range(first, min(first + each, self.count)) for first in range(0, self.count, each)]

    def known(self, fold: int) -> np.ndarray:
        """The steps of each series that are known at its origin, (series,); 0 where it begins later."""
        return _known(self.panel, self.horizon, self.stride, self.count - 1 - fold)

    def plan(self, fold: int) -> Plan:
        """What a network that is trained at a fold learns from, as if the file ended there.

        Raises:
            DataError: no series is long enough.
        """
        return self.first if fold == 0 else plan_training(self.loaded, self.panel.until(self.known(fold)))


def plan_folds(
    loaded: LoadedConfig,
    count: int,
    stride: int | None,
    refit: int | None,
    baselines: Sequence[str] | None,
    panel: Panel | None = None,
) -> Folds:
    """Read the series of a config and lay folds on them; the last one's horizon ends where its series ends.

    Args:
        count: folds.
        stride: steps from fold to fold; the horizon where None.
        refit: as in `Folds`.
        baselines: as in `Folds`; the last value, and the last season where there is one, where None.
        panel: the series of the config, where they have been read.

    Raises:
        ConfigError: the config has problems.
        DataError: its CSV cannot be read, or no series is long enough.
        UsageError: a baseline is not known, or its extra is not installed.
    """
    if loaded.problems:
        raise ConfigError(loaded.problems)
    check_baselines(baselines or ())
    whole, horizon = overridden(loaded, ["split.test=0"]), loaded.config.window.horizon
    apart = stride or horizon
    panel = read_data(whole.config) if panel is None else panel
    try:
        first = plan_training(whole, panel.until(_known(panel, horizon, apart, count - 1)))
    except DataError as error:
        held = f"{count} folds keep {horizon + (count - 1) * apart:,} steps of each series for themselves"
        raise DataError([*error.problems, f"{held}; ask for fewer --folds, or for a shorter --stride"]) from None
    seasonal = ("naive", "seasonal_naive") if first.season > 1 else ("naive",)
    return Folds(whole, panel, count, apart, refit, seasonal if baselines is None else baselines, first)


def _known(panel: Panel, horizon: int, stride: int, later: int) -> np.ndarray:
    """The steps of each series before the origin that so many folds follow."""
    return np.maximum(0, panel.lengths - horizon - later * stride)
