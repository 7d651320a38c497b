"""The folds of a backtest: origins at the end of each series, and the training data at each."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.config import LoadedConfig, apply_overrides
from forecaster.data import Panel
from forecaster.errors import ConfigError, DataError
from forecaster.evaluation.baselines import check_baselines, select_default_baselines
from forecaster.evaluation.verdict import MIN_FORECASTS
from forecaster.preprocessing.plan import Plan, plan_training
from forecaster.preprocessing.read_data import read_data
from forecaster.problems import Problem

log = logging.getLogger("forecaster")

_TOO_SHORT = {"too-few-rows-to-train", "hierarchy-series-left-out"}  # of the series at an early origin


@dataclass(frozen=True)
class Folds:
    """The plan of a backtest.

    Attributes:
        loaded: the config of each network, without a test part.
        panel: whole series.
        count, stride: origins of each series, and the steps from one to the next.
        refit: folds that each network forecasts; None: all.
        baselines: the names of those that the network is compared with.
        first: the plan of the first network.
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
        size = self.refit or self.count
        return [range(first, min(first + size, self.count)) for first in range(0, self.count, size)]

    def count_known_steps(self, fold: int) -> np.ndarray:
        """Count the known steps of each series at a fold's origin, (series,); 0 where it begins later."""
        return _count_known_steps(self.panel, self.horizon, self.stride, self.count - 1 - fold)

    def plan_training(self, fold: int) -> Plan:
        """Plan the training at a fold, as if the file ended at its origin.

        Raises:
            DataError: no series is long enough.
        """
        return (
            self.first if fold == 0 else plan_training(self.loaded, self.panel.truncate(self.count_known_steps(fold)))
        )


def plan_folds(
    loaded: LoadedConfig,
    count: int | None,
    stride: int | None,
    refit: int | None,
    baselines: Sequence[str] | None,
    panel: Panel | None = None,
) -> Folds:
    """Read the series of a config and place folds at their ends; the last horizon ends with its series.

    Args:
        loaded: the config.
        count: folds; where None, as many as a verdict needs, or fewer so that the first leaves half of the longest
            series to train on.
        stride: steps from fold to fold; the horizon where None.
        refit: as in `Folds`.
        baselines: as in `Folds`; the default ones where None.
        panel: the series of the config, where they are read already.

    Raises:
        ConfigError: the config has problems.
        DataError: its CSV cannot be read, or no series is long enough.
        UsageError: a baseline is unknown, or its extra is not installed.
    """
    if loaded.problems:
        raise ConfigError(loaded.problems)
    check_baselines(baselines or ())
    whole, horizon = apply_overrides(loaded, ["split.test=0"]), loaded.config.window.horizon
    apart = stride or horizon
    panel = read_data(whole.config) if panel is None else panel
    wanted = _count_wanted(horizon, apart)
    counts = range(_count_fitting(panel, horizon, apart, wanted), 0, -1) if count is None else [count]
    for tried in counts:
        known = _count_known_steps(panel, horizon, apart, tried - 1)
        whole = _hold_out_horizon(whole, int(known.max()))
        try:
            first = plan_training(whole, panel.truncate(known))
            break
        except DataError as error:
            if tried == counts[-1] or any(problem.code not in _TOO_SHORT for problem in error.problems):
                detail = {"folds": tried, "rows": horizon + (tried - 1) * apart}
                raise DataError([*error.problems, Problem("folds-too-long", detail=detail)]) from None
    if count is None and tried < wanted:
        folds = "fold" if tried == 1 else "folds"
        log.info("%d %s of the %d that a verdict needs: too few rows to train on before others", tried, folds, wanted)
    names = select_default_baselines(first.season) if baselines is None else baselines
    return Folds(whole, panel, tried, apart, refit, names, first)


def _count_known_steps(panel: Panel, horizon: int, stride: int, later: int) -> np.ndarray:
    """Count the steps of each series up to the origin that `later` folds follow, (series,)."""
    return np.maximum(0, panel.lengths - horizon - later * stride)


def _hold_out_horizon(loaded: LoadedConfig, steps: int) -> LoadedConfig:
    """Hold out a whole horizon for validation where the fraction of a series of `steps` steps is shorter."""
    share, horizon = loaded.config.split.validation, loaded.config.window.horizon
    if isinstance(share, float) and 0 < round(share * steps) < horizon:
        return apply_overrides(loaded, [f"split.validation={horizon}"])
    return loaded


def _count_wanted(horizon: int, stride: int) -> int:
    """Count the folds of which as many as a verdict needs do not overlap."""
    return 1 + (MIN_FORECASTS - 1) * math.ceil(horizon / stride)


def _count_fitting(panel: Panel, horizon: int, stride: int, most: int) -> int:
    """Count the folds, at most `most`, that leave half of the longest series to train on; at least 1."""
    return max(1, min(most, 1 + (int(panel.lengths.max()) // 2 - horizon) // stride))
