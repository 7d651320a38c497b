"""Past forecasts, joined with the actuals that followed and with baselines from the same origins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecaster.evaluation.metrics import Scale, ScoredForecasts, compute_seasonal_scale
from forecaster.store.store import Store, count_kept_steps
from forecaster.store.timestamps import parse_timestamps

_HISTORY = 20_000  # steps before the first origin that are kept, for the scale of errors
_MOST_SPARSE = 4  # steps of a regular grid for each timestamp, at most


@dataclass(frozen=True, eq=False)
class PastForecasts:
    """Forecasts of some series and origins, a row each, in the order of their origins.

    Attributes:
        names: of the series.
        series: the number of the name of each row, (rows,).
        versions: of the run, which made each, (rows,).
        origins: steps on the grid that all series share, rising, (rows,).
        origin_times: the same as dates or integer steps, (rows,).
        is_latest: whether no forecast of the series from the same origin was made later, (rows,).
        times: the distinct timestamps, rising.
        places: of the timestamp of each step among them, (rows, horizon); -1 after the end of a forecast.
        mean: the forecast values, (rows, horizon); NaN after the end of a forecast.
        quantiles: by probability in rising order, each (rows, horizon), as they were published.
        run_quantiles: those of the run, before they were adapted.
        actual: (rows, horizon); NaN where unknown.
        baselines: `naive`, and `seasonal_naive` where there is a season, each (rows, horizon); NaN where the history
            before the origin is too short.
        scale: the errors of the seasonal naive up to the first origin of each series.
        values: the actuals on the grid, (series, steps); NaN where unknown.
        start: the step of the first of them.
        season: in steps, 1 where there is none.
    """

    names: list[str]
    series: np.ndarray
    versions: np.ndarray
    origins: np.ndarray
    origin_times: pd.Index
    is_latest: np.ndarray
    times: pd.Index
    places: np.ndarray
    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray]
    run_quantiles: Mapping[float, np.ndarray]
    actual: np.ndarray
    baselines: Mapping[str, np.ndarray]
    scale: Scale
    values: np.ndarray
    start: int
    season: int

    @property
    def horizon(self) -> int:
        """The steps of the longest forecast."""
        return self.mean.shape[1]

    def select(self, rows: np.ndarray) -> "PastForecasts":
        """Select some rows."""
        chosen: dict[str, Any] = {
            name: getattr(self, name)[rows]
            for name in ("series", "versions", "origins", "origin_times", "is_latest", "places", "mean", "actual")
        }
        mappings: dict[str, Any] = {
            name: {key: values[rows] for key, values in getattr(self, name).items()}
            for name in ("quantiles", "run_quantiles", "baselines")
        }
        return replace(self, **chosen, **mappings, scale=Scale(*(each[rows] for each in self.scale)))

    def tabulate_newest(self) -> pd.DataFrame:
        """Tabulate the newest forecast of each timestamp of each series, by series and time.

        Returns:
            The columns series, origin, timestamp, step, actual, mean, and each probability of the quantiles.
        """
        rows, columns = np.nonzero(self.places >= 0)
        cells: dict[Any, np.ndarray] = {"actual": self.actual, "mean": self.mean, **self.quantiles}
        table = pd.DataFrame(
            {
                "series": np.array(self.names, object)[self.series[rows]],
                "origin": self.origin_times[rows],
                "timestamp": self.times[self.places[rows, columns]],
                "step": columns + 1,
                **{name: values[rows, columns] for name, values in cells.items()},
            }
        )
        # Rows are in the order of their origins.
        newest = table.drop_duplicates(["series", "timestamp"], keep="last")
        return newest.sort_values(["series", "timestamp"], kind="stable", ignore_index=True)

    def to_scored(self, forecaster: str = "", actual: np.ndarray | None = None) -> ScoredForecasts:
        """Pair the forecasts, or a baseline without quantiles, with the actual values or others."""
        quantiles = {} if forecaster else self.quantiles
        mean = self.baselines[forecaster] if forecaster else self.mean
        actual = self.actual if actual is None else actual
        return ScoredForecasts(actual, mean, quantiles, series=self.series, scale=self.scale)


def read_actuals_of(store: Store, job: str, forecasts: pd.DataFrame, history: int | None = None) -> pd.DataFrame:
    """Read the actuals that followed some forecasts, and a history before them.

    Args:
        store: of the forecasts.
        job: its name.
        forecasts: at least one row.
        history: steps; None for as many as are added to a store, for the scale of errors.

    Returns:
        The columns job, series, timestamp (text) and value.
    """
    times = parse_timestamps(forecasts["origin"].unique())
    since = None
    if isinstance(times, pd.DatetimeIndex):
        longest = forecasts.iloc[int(forecasts["step"].to_numpy().argmax())]
        end, origin = (parse_timestamps([longest[name]])[0] for name in ("timestamp", "origin"))
        steps = count_kept_steps(forecasts["series"].nunique()) if history is None else history
        # A day more, since texts are in the local time of the data.
        since = (times.min() - steps * ((end - origin) / longest["step"]) - pd.Timedelta(days=1)).tz_localize(None)
    return store.read_actuals(job, since=since, columns=("job", "series", "timestamp", "value"))


def join_actuals(forecasts: pd.DataFrame, actuals: pd.DataFrame, season: int) -> PastForecasts:
    """Join the stored forecasts of one job with its actuals.

    Args:
        forecasts: at least one row of the store's, in the order of `Store.read_forecasts`.
        actuals: the columns series, timestamp (text, as in the store) and value.
        season: in steps, 1 where there is none.
    """
    texts = [forecasts["origin"], forecasts["timestamp"], actuals["timestamp"]]
    (origin_codes, codes, actual_codes), times, grid = _place_on_grid(texts)
    members, names = pd.factorize(forecasts["series"], sort=True)
    issued = [pd.factorize(forecasts["version"])[0], members, origin_codes]
    _, heads, groups = np.unique(_combine(issued), return_index=True, return_inverse=True)
    # Rows are in the order of their origins, then in that of the frame: by series, and by when they were made.
    order = np.lexsort((heads, origin_codes[heads]))
    heads, rank = heads[order], np.argsort(order)
    rows, columns = rank[groups], forecasts["step"].to_numpy(int) - 1
    shape = len(heads), int(columns.max()) + 1
    places = np.full(shape, -1)
    places[rows, columns] = codes
    series, origins = members[heads], grid[origin_codes[heads]]
    start = max(int(origins.min()) - _HISTORY - season, int(grid.min()))
    values = np.full((len(names), int(grid.max()) - start + 1), np.nan)  # (series, steps of the grid)
    actual_members, actual_names = pd.factorize(actuals["series"])
    known, rising = pd.Index(names).get_indexer(actual_names)[actual_members], grid[actual_codes] - start
    chosen = (known >= 0) & (rising >= 0)
    values[known[chosen], rising[chosen]] = actuals["value"].to_numpy(float)[chosen]
    mean = _spread(forecasts["mean"].to_numpy(float), rows, columns, shape)
    actual = np.where(places < 0, np.nan, values[series[:, None], np.maximum(grid[places] - start, 0)])
    quantiles = _spread_quantiles(forecasts["quantiles"], rows, columns, shape)
    return PastForecasts(
        names=list(names),
        series=series,
        versions=forecasts["version"].to_numpy(str)[heads],
        origins=origins,
        origin_times=times[origin_codes[heads]],
        is_latest=~pd.DataFrame({"series": series, "origin": origins}).duplicated(keep="last").to_numpy(),
        times=times,
        places=places,
        mean=mean,
        quantiles=quantiles,
        run_quantiles=_read_run_quantiles(forecasts, rows, columns, shape) or quantiles,
        actual=actual,
        baselines=_forecast_baselines(values, series, origins - start, shape[1], season),
        scale=_compute_scale(values, series, origins - start, season),
        values=values,
        start=start,
        season=season,
    )


def _place_on_grid(texts: Sequence[pd.Series]) -> tuple[list[np.ndarray], pd.Index, np.ndarray]:
    """Count the timestamps of several columns on the grid of steps that they have in common.

    Returns:
        The number of each timestamp, by column; the distinct timestamps, rising; the step of each on the grid, from 0.
        Times of one distance, but for gaps, count the missing steps; others, such as months, count themselves.
    """
    factorized = [pd.factorize(column) for column in texts]
    joined, distinct = pd.factorize(np.concatenate([np.asarray(each, object) for _, each in factorized]))
    times = parse_timestamps(distinct)
    order = np.argsort(times)
    times = times[order]
    ranks = np.split(np.argsort(order)[joined], np.cumsum([len(each) for _, each in factorized])[:-1])
    numbers = [rank[codes] for rank, (codes, _) in zip(ranks, factorized, strict=True)]
    moments = times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy(int)
    steps, counts = np.unique(np.diff(moments), return_counts=True)
    step = int(steps[np.argmax(counts)]) if len(steps) else 1
    if (steps % step == 0).all() and (moments[-1] - moments[0]) // step < _MOST_SPARSE * len(moments):
        grid = (moments - moments[0]) // step
    else:
        grid = np.arange(len(moments))
    return numbers, times, grid


def _combine(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Combine codes of several columns to one for each combination."""
    combined = np.zeros(len(codes[0]), np.int64)
    for each in codes:
        combined = combined * (int(each.max()) + 1) + each
    return combined


def _spread(cells: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Spread cells over a table, NaN where there is none."""
    table = np.full(shape, np.nan)
    table[rows, columns] = cells
    return table


def _spread_quantiles(
    cells: Iterable[Mapping[float, float]], rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> dict[float, np.ndarray]:
    """Spread the quantiles of each cell over a table for each probability, rising."""
    several = list(cells)
    layouts = set(map(tuple, several))
    probabilities = sorted({probability for each in layouts for probability in each})
    if len(layouts) > 1:
        several = [{p: each.get(p, np.nan) for p in probabilities} for each in several]
    found = next(iter(layouts)) if len(layouts) == 1 else probabilities
    table = np.array([tuple(each.values()) for each in several]).reshape(len(several), len(found))
    return {p: _spread(table[:, found.index(p)], rows, columns, shape) for p in probabilities}


def _read_run_quantiles(
    forecasts: pd.DataFrame, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]
) -> dict[float, np.ndarray]:
    """Read the quantiles before adaptation; empty where no forecast was adapted."""
    if not any(forecasts["run_quantiles"]):
        return {}
    pairs = zip(forecasts["run_quantiles"], forecasts["quantiles"], strict=True)
    return _spread_quantiles([own or published for own, published in pairs], rows, columns, shape)


def _forecast_baselines(
    values: np.ndarray, series: np.ndarray, origins: np.ndarray, horizon: int, season: int
) -> dict[str, np.ndarray]:
    """Forecast the last value and the seasonal naive from each origin, each (rows, horizon).

    A missing value is replaced by the last one before it; before the first there is none, and the forecast is NaN.
    """
    places = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.shape[1])), axis=1)
    values = np.take_along_axis(values, places, axis=1)  # NaN before the first value
    baselines = {"naive": np.repeat(values[series, origins][:, None], horizon, axis=1)}
    if season > 1:
        lagged = origins[:, None] - season + 1 + np.arange(horizon) % season
        known = values[series[:, None], np.maximum(lagged, 0)]
        baselines["seasonal_naive"] = np.where(lagged < 0, np.nan, known)
    return baselines


def _compute_scale(values: np.ndarray, series: np.ndarray, origins: np.ndarray, season: int) -> Scale:
    """Compute the errors of the seasonal naive up to the first origin of each series, for each row."""
    members, places = np.unique(series, return_inverse=True)
    first = [int(origins[series == member].min()) for member in members]
    scales = np.array(
        [compute_seasonal_scale(values[m, : end + 1], season) for m, end in zip(members, first, strict=True)]
    )
    return Scale(scales[places, 0], scales[places, 1])
