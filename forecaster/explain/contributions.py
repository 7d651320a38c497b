"""Contributions to a forecast: what the level, the season, parts of the window and covariates add to a baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.data import Series
from forecaster.reporting.tables import format_table
from forecaster.wording import count_of, count_steps, format_timestamps, name_time

BASELINE = "baseline"
_SERIES_PRINTED = 5


class Group(NamedTuple):
    """A group of inputs that contributes to a forecast.

    Attributes:
        name: as tables and pictures show it.
        kind: `level`, `season`, `window`, `covariate`, `calendar` or `series`.
    """

    name: str
    kind: str


@dataclass(frozen=True)
class Contributions:
    """The contributions to the forecast of one series, in its own unit.

    Baseline and contributions add up to the forecast, at each step and for each forecaster.

    Attributes:
        series: the series that is forecast; its last timestamp is the origin.
        timestamps: of the steps ahead, (horizon,).
        groups: of inputs.
        forecasters: that the forecast is averaged of: `network`, `zero-shot` or the name of a naive forecast.
        weights: of each forecaster in the average, (forecasters,).
        baseline: the weighted forecast without information: the mean of the series before the origin, no season, and
            covariates at their training mean, (forecasters, horizon).
        values: the weighted contributions, (forecasters, groups, horizon).
    """

    series: Series
    timestamps: pd.Index
    groups: tuple[Group, ...]
    forecasters: tuple[str, ...]
    weights: np.ndarray
    baseline: np.ndarray
    values: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """The contribution of each group to the forecast, (groups, horizon)."""
        return self.values.sum(axis=0)

    @property
    def forecast(self) -> np.ndarray:
        """The forecast, (horizon,)."""
        return self.baseline.sum(axis=0) + self.totals.sum(axis=0)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per step, forecaster and group, the baseline first; the rows of a step add up to its forecast.

        The columns are series, origin, timestamp, step, forecaster, group, kind and contribution.
        """
        groups = (Group(BASELINE, BASELINE), *self.groups)
        every = np.concatenate([self.baseline[:, None], self.values], axis=1)  # (forecasters, 1 + groups, horizon)
        origin, *timestamps = format_timestamps([self.series.last_timestamp, *self.timestamps])
        forecasters, horizon = len(self.forecasters), len(timestamps)
        rows = forecasters * len(groups)
        return pd.DataFrame(
            {
                "series": self.series.name,
                "origin": origin,
                "timestamp": np.repeat(timestamps, rows),
                "step": np.repeat(np.arange(1, horizon + 1), rows),
                "forecaster": np.tile(np.repeat(self.forecasters, len(groups)), horizon),
                "group": [group.name for group in groups] * (forecasters * horizon),
                "kind": [group.kind for group in groups] * (forecasters * horizon),
                "contribution": np.moveaxis(every, 2, 0).ravel(),
            }
        )


def format_contributions_csv(found: Sequence[Contributions]) -> str:
    """Format the contributions to all forecasts as one CSV."""
    return pd.concat([each.to_frame() for each in found]).to_csv(index=False, lineterminator="\n")


def format_contributions(found: Sequence[Contributions]) -> str:
    """Format tables of the mean contributions over the horizon, of the first few series."""
    tables = [_format_one(each) for each in found[:_SERIES_PRINTED]]
    if len(found) > _SERIES_PRINTED:
        further = count_of(len(found) - _SERIES_PRINTED, "further series", "further series")
        tables.append(f"{further}: see --output or --series")
    return "\n\n".join(tables) + "\n"


def _format_one(found: Contributions) -> str:
    frequency = found.series.frequency
    steps = count_steps(len(found.timestamps), frequency)
    title = f"{found.series.name}: the {steps} after {name_time(found.series.last_timestamp, frequency)}"
    baseline, forecast = found.baseline.sum(axis=0), found.forecast
    digits = count_decimals(np.concatenate([baseline, forecast]))
    rows = [["", "mean", "smallest", "largest"], [BASELINE, *_summarize(baseline, "", digits)]]
    rows += [[group.name, *_summarize(row, "+", digits)] for group, row in zip(found.groups, found.totals, strict=True)]
    rows.append(["forecast", *_summarize(forecast, "", digits)])
    table = f"{title}\n{format_table(rows)}"
    return table if len(found.forecasters) == 1 else f"{table}\n{_format_forecasters(found, digits)}"


def count_decimals(values: np.ndarray) -> int:
    """Count the decimals that write values with five digits, such as 412.31, or more where they hardly differ."""
    sizes = [np.abs(values).max(), 100 * np.ptp(values)]
    smallest = min((size for size in sizes if size > 0), default=1.0)
    return int(np.clip(4 - math.floor(math.log10(smallest)), 0, 12))


def _format_forecasters(found: Contributions, digits: int) -> str:
    """Format what each forecaster adds to the forecast: a blend's parts."""
    sums = found.baseline + found.values.sum(axis=1)  # (forecasters, horizon)
    rows = [["averaged of", "weight", "its forecast, mean"]]
    for name, weight, row in zip(found.forecasters, found.weights.tolist(), sums, strict=True):
        rows.append([name, f"{weight:.0%}", f"{row.mean() / weight:.{digits}f}"])
    return format_table(rows)


def _summarize(values: np.ndarray, sign: str, digits: int) -> list[str]:
    """Format mean, smallest and largest of some steps, with a sign where it is `+`."""
    return [f"{round(number, digits) + 0.0:{sign}.{digits}f}" for number in (values.mean(), values.min(), values.max())]
