"""The forecast: the result of every model, and the input of every metric, plot and file."""

import csv
import datetime
import functools
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Literal, overload

import numpy as np

from forecaster.csv_columns import join_columns, make_number_column, make_text_column
from forecaster.wording import format_timestamps

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Timestamp = Any  # pd.Timestamp, or int where the frequency is `step`

COLUMNS = ("series", "origin", "timestamp", "step", "mean")
LEVEL = "level"  # the column of a hierarchy's level
ColumnNames = Literal["levels", "quantiles"]  # lower_95, ... or q0.025, ...


@dataclass(frozen=True)
class Forecast:
    """The forecast of one series from one origin, in the series' own unit.

    Attributes:
        series: the name of the series.
        origin: the last observed timestamp before the forecast.
        timestamps: the forecast timestamps, (horizon,): dates, or integer steps.
        mean: the forecast values, (horizon,).
        quantiles: by probability in rising order, each (horizon,).
        samples: sample paths, (paths, horizon), where they were drawn.
        source: `network`, the name of a baseline, or both joined by +.
        run_quantiles: those of the run, where adaptive intervals replaced them.
        level: of a hierarchy, such as `total` or `region`; empty where there is none.
    """

    series: str
    origin: Timestamp
    timestamps: "pd.Index | Sequence[datetime.datetime]"
    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)
    samples: np.ndarray | None = None
    source: str = "network"
    run_quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)
    level: str = ""

    def to_frame(self) -> "pd.DataFrame":
        """Convert to one row per step, as `forecasts_to_frame`."""
        return forecasts_to_frame([self])

    def to_csv(self) -> str:
        """Convert the rows of `to_frame` to CSV; values read back exactly."""
        return forecasts_to_csv([self])

    def round(self, decimals: int) -> "Forecast":
        """Round every value to this number of decimals."""
        # Adding 0 turns -0 into 0.
        mean, quantiles = (
            self.mean.round(decimals) + 0.0,
            {p: q.round(decimals) + 0.0 for p, q in self.quantiles.items()},
        )
        samples = None if self.samples is None else self.samples.round(decimals) + 0.0
        return replace(self, mean=mean, quantiles=quantiles, samples=samples)

    def samples_to_frame(self) -> "pd.DataFrame":
        """Convert the paths to one row for each step of each: series, origin, timestamp, step, path (from 1), value."""
        import pandas as pd  # noqa: PLC0415  half of the time that a forecast takes

        paths = np.empty((0, len(self.mean))) if self.samples is None else self.samples
        origin, *timestamps = format_timestamps([self.origin, *self.timestamps])
        steps = np.arange(1, len(self.mean) + 1)
        return pd.DataFrame(
            {
                "series": self.series,
                "origin": origin,
                "timestamp": np.tile(timestamps, len(paths)),
                "step": np.tile(steps, len(paths)),
                "path": np.repeat(np.arange(1, len(paths) + 1), len(steps)),
                "value": paths.ravel(),
            }
        )

    @classmethod
    def from_csv(cls, text: str) -> "Forecast":
        """Read a forecast from the CSV of `to_csv`."""
        import pandas as pd  # noqa: PLC0415

        rows = pd.read_csv(io.StringIO(text), dtype={"series": str, "origin": str, "timestamp": str})
        origin, *timestamps = [
            int(cell) if cell.lstrip("-").isdigit() else pd.Timestamp(cell)
            for cell in [rows["origin"].iloc[0], *rows["timestamp"]]
        ]
        bounds = rows.columns.drop([*COLUMNS, "source"]).drop(LEVEL, errors="ignore")
        quantiles = {parse_quantile(name): rows[name].to_numpy(float) for name in bounds}
        mean, source = rows["mean"].to_numpy(float), rows["source"].iloc[0]
        return cls(rows["series"].iloc[0], origin, pd.Index(timestamps), mean, quantiles, source=source)


@dataclass(frozen=True, eq=False)
class ForecastBlock(Sequence[Forecast]):
    """The forecasts of several series over as many steps, in arrays; each is made when it is asked for.

    Attributes:
        names: of the series.
        times: the origin of each, and its forecast timestamps; series of one calendar share the object of these.
        mean: (series, horizon).
        quantiles: by probability in rising order, each (series, horizon).
        sources: of each series.
        samples: (paths, series, horizon), where they were drawn.
        levels: of a hierarchy, of each series; empty where there is none.
    """

    names: Sequence[str]
    times: "Sequence[tuple[Timestamp, pd.Index | Sequence[datetime.datetime]]]"
    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray]
    sources: Sequence[str]
    samples: np.ndarray | None = None
    levels: Sequence[str] = ()

    @classmethod
    def join(cls, forecasts: Sequence[Forecast]) -> "ForecastBlock":
        """Join forecasts over as many steps, with the quantiles that the first of them has."""
        if isinstance(forecasts, cls):
            return forecasts
        paths = [each.samples for each in forecasts if each.samples is not None]
        return cls(
            [each.series for each in forecasts],
            [(each.origin, each.timestamps) for each in forecasts],
            np.stack([each.mean for each in forecasts]),
            {p: np.stack([each.quantiles[p] for each in forecasts]) for p in forecasts[0].quantiles},
            [each.source for each in forecasts],
            np.stack(paths, axis=1) if len(paths) == len(forecasts) else None,
            [each.level for each in forecasts] if forecasts[0].level else (),
        )

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> Forecast: ...
    @overload
    def __getitem__(self, row: slice) -> "ForecastBlock": ...
    def __getitem__(self, row: int | slice) -> "Forecast | ForecastBlock":
        if isinstance(row, slice):
            return self.select(range(len(self))[row])
        quantiles = {probability: values[row] for probability, values in self.quantiles.items()}
        samples = None if self.samples is None else self.samples[:, row]
        return Forecast(
            self.names[row],
            *self.times[row],
            self.mean[row],
            quantiles,
            samples,
            self.sources[row],
            level=self.levels[row] if self.levels else "",
        )

    def select(self, rows: Sequence[int] | np.ndarray) -> "ForecastBlock":
        """Select some of them."""
        if len(rows) == len(self):
            return self
        return ForecastBlock(
            [self.names[row] for row in rows],
            [self.times[row] for row in rows],
            self.mean[list(rows)],
            {probability: values[list(rows)] for probability, values in self.quantiles.items()},
            [self.sources[row] for row in rows],
            None if self.samples is None else self.samples[:, list(rows)],
            [self.levels[row] for row in rows] if self.levels else (),
        )

    def round(self, decimals: Sequence[int | None]) -> "ForecastBlock":
        """Round the values of each to its number of decimals, if it has one."""
        numbers = np.array([-1 if each is None else each for each in decimals])

        def round_rows(values: np.ndarray) -> np.ndarray:  # (..., series, horizon)
            rounded = np.array(values, float)
            for number in np.unique(numbers[numbers >= 0]).tolist():
                rows = numbers == number
                rounded[..., rows, :] = values[..., rows, :].round(number) + 0.0  # adding 0 turns -0 into 0
            return rounded

        return replace(
            self,
            mean=round_rows(self.mean),
            quantiles={probability: round_rows(values) for probability, values in self.quantiles.items()},
            samples=None if self.samples is None else round_rows(self.samples),
        )


def forecasts_to_frame(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> "pd.DataFrame":
    """Convert forecasts with the same quantiles to one table, a row per step.

    Args:
        forecasts: at least one.
        names: of the columns of quantiles. `levels`: lower_95, lower_80, median, upper_80, upper_95; `quantiles`:
            q0.025, q0.1, q0.9, q0.975, without the median.

    Returns:
        The columns `COLUMNS`, those of the quantiles, of a hierarchy `LEVEL`, and source; timestamps are ISO 8601 text.
    """
    import pandas as pd  # noqa: PLC0415

    lengths = [len(forecast.mean) for forecast in forecasts]
    texts = [_format_timestamps(forecast.origin, tuple(forecast.timestamps)) for forecast in forecasts]
    return pd.DataFrame(
        {
            "series": np.repeat([forecast.series for forecast in forecasts], lengths),
            "origin": np.repeat([origin for origin, *_ in texts], lengths),
            "timestamp": [text for _, *rest in texts for text in rest],
            "step": np.concatenate([np.arange(1, length + 1) for length in lengths]),
            "mean": np.concatenate([forecast.mean for forecast in forecasts]),
            **{
                name: np.concatenate([forecast.quantiles[probability] for forecast in forecasts])
                for name, probability in _name_quantiles(forecasts[0], names).items()
            },
            **({LEVEL: np.repeat([each.level for each in forecasts], lengths)} if forecasts[0].level else {}),
            "source": np.repeat([forecast.source for forecast in forecasts], lengths),
        }
    )


def _name_quantiles(forecast: Forecast | ForecastBlock, names: ColumnNames) -> dict[str, float]:
    """Name the columns of quantiles: their probabilities by name."""
    shown = (each for each in forecast.quantiles if names == "levels" or each != 0.5)
    return {name_column(probability, names): probability for probability in shown}


@functools.lru_cache(maxsize=64)
def _format_timestamps(origin: Timestamp, timestamps: tuple[Timestamp, ...]) -> list[str]:
    """Format the origin, then the timestamps; cached, since many series share them."""
    return format_timestamps([origin, *timestamps])


def forecasts_to_csv(forecasts: Sequence[Forecast], names: ColumnNames = "levels", decimal_comma: bool = False) -> str:
    """Convert forecasts to one CSV; values read back exactly.

    Args:
        forecasts, names: as in `forecasts_to_frame`.
        decimal_comma: whether numbers have a decimal comma, and cells are separated by semicolons.
    """
    file = io.StringIO()
    write_csv(file, forecasts, names, decimal_comma)
    return file.getvalue()


def write_csv(
    file: IO[str],
    forecasts: Sequence[Forecast],
    names: ColumnNames = "levels",
    decimal_comma: bool = False,
    header: bool = True,
) -> None:
    """Write the rows of forecasts to a file as `forecasts_to_csv`, after the names of the columns where asked for."""
    quantiles, separator = _name_quantiles(forecasts[0], names), ";" if decimal_comma else ","
    if header:
        level = [LEVEL] if forecasts[0].level else []
        file.write(separator.join([*COLUMNS, *quantiles, *level, "source"]) + "\n")
    for block in _split_into_blocks(forecasts):
        numbers = [block.mean, *(block.quantiles[probability] for probability in quantiles.values())]
        file.write(_format_block(block, numbers, separator, "," if decimal_comma else "."))


def _split_into_blocks(forecasts: Sequence[Forecast]) -> Iterator[ForecastBlock]:
    """Split forecasts where those of another number of steps begin."""
    if isinstance(forecasts, ForecastBlock):
        yield forecasts
        return
    for _, some in itertools.groupby(forecasts, key=lambda forecast: len(forecast.mean)):
        yield ForecastBlock.join(list(some))


def _format_block(block: ForecastBlock, numbers: Sequence[np.ndarray], separator: str, mark: str) -> str:
    """Format the rows of a block as a CSV, with these numbers, each (series, horizon)."""
    series, horizon = block.mean.shape
    calendars, calendar_of = _format_calendars(block)  # (series,)
    of_row, step = np.repeat(np.arange(series), horizon), np.tile(np.arange(horizon), series)  # (rows,)
    ahead = make_text_column(text for _, *rest in calendars for text in rest)
    columns = [
        (make_text_column(_quote_cells(block.names, separator)), of_row),
        (make_text_column(origin for origin, *_ in calendars), calendar_of[of_row]),
        (ahead, calendar_of[of_row] * horizon + step),
        (make_text_column(map(str, range(1, horizon + 1))), step),
        *((make_number_column(values.astype(float).reshape(-1), mark), None) for values in numbers),
        *(_make_column(texts, of_row, separator) for texts in (block.levels, block.sources) if texts),
    ]
    return join_columns(columns, len(of_row), separator).decode()


def _make_column(texts: Sequence[str], of_row: np.ndarray, separator: str) -> tuple[np.ndarray, np.ndarray]:
    """Make a column of a text for each series, of which few are distinct."""
    distinct = list(dict.fromkeys(texts))
    number_of = np.array([distinct.index(text) for text in texts])
    return make_text_column(_quote_cells(distinct, separator)), number_of[of_row]


def _format_calendars(block: ForecastBlock) -> tuple[list[list[str]], np.ndarray]:
    """Format the origins and timestamps of a block, those of one calendar once; and find the place of each series'."""
    calendars, places = _find_calendars(block)
    return [_format_timestamps(origin, tuple(timestamps)) for origin, timestamps in calendars], places


def _find_calendars(block: ForecastBlock) -> tuple[list[tuple[Timestamp, Any]], np.ndarray]:
    """Find the distinct origins with their timestamps; and the place of each series' among them, (series,)."""
    calendars: dict[tuple[int, Timestamp], tuple[Timestamp, Any]] = {}  # by the identity of the timestamps
    for origin, timestamps in block.times:
        calendars.setdefault((id(timestamps), origin), (origin, timestamps))
    numbers = {key: number for number, key in enumerate(calendars)}
    return list(calendars.values()), np.array([numbers[id(times), origin] for origin, times in block.times])


def _quote_cells(texts: Iterable[str], separator: str) -> list[str]:
    """Quote the texts that a CSV has to have in quotation marks."""
    lines: list[str] = []
    csv.writer(SimpleNamespace(write=lines.append), delimiter=separator, lineterminator="\n").writerows(
        zip(texts, itertools.repeat(""), strict=False)
    )
    return [line[:-2] for line in lines]  # without the empty cell behind it


def _frame_to_csv(frame: "pd.DataFrame", decimal_comma: bool) -> str:
    separator, mark = (";", ",") if decimal_comma else (",", ".")
    return frame.to_csv(index=False, lineterminator="\n", sep=separator, decimal=mark)


def forecasts_to_json(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> str:
    """Convert forecasts to a JSON list of objects, one per step."""
    return json.dumps(forecasts_to_frame(forecasts, names).to_dict("records"), indent=1) + "\n"


def forecasts_to_parquet(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> bytes:
    """Convert forecasts to a Parquet file, with origins and timestamps as dates; needs the extra `parquet`."""
    file = io.BytesIO()
    forecasts_to_dated_frame(forecasts, names).to_parquet(file, index=False)
    return file.getvalue()


def forecasts_to_dated_frame(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> "pd.DataFrame":
    """Convert forecasts to the table of `forecasts_to_frame`, with origins and timestamps as dates."""
    import pandas as pd  # noqa: PLC0415

    return pd.concat([_convert_block(block, names) for block in _split_into_blocks(forecasts)], ignore_index=True)


def _convert_block(block: ForecastBlock, names: ColumnNames) -> "pd.DataFrame":
    """Convert a block to one row per step; each calendar is taken as often as series have it."""
    import pandas as pd  # noqa: PLC0415

    series, horizon = block.mean.shape
    calendars, calendar_of = _find_calendars(block)
    of_row, step = np.repeat(calendar_of, horizon), np.tile(np.arange(horizon), series)  # (rows,)
    ahead = functools.reduce(pd.Index.append, (pd.Index(timestamps) for _, timestamps in calendars))
    quantiles = _name_quantiles(block, names)
    return pd.DataFrame(
        {
            "series": np.repeat(block.names, horizon),
            "origin": pd.Index([origin for origin, _ in calendars]).take(of_row),
            "timestamp": ahead.take(of_row * horizon + step),
            "step": step + 1,
            "mean": block.mean.reshape(-1),
            **{name: block.quantiles[probability].reshape(-1) for name, probability in quantiles.items()},
            "source": np.repeat(block.sources, horizon),
        }
    )


def forecasts_to_table(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> "pa.Table":
    """Convert forecasts to the rows of `forecasts_to_parquet`."""
    import pyarrow as pa  # noqa: PLC0415  of an extra

    return pa.Table.from_pandas(forecasts_to_dated_frame(forecasts, names), preserve_index=False)


def forecasts_to_nixtla(forecasts: Sequence[Forecast], decimal_comma: bool = False) -> str:
    """Convert forecasts to a CSV in the long form of Nixtla's libraries: unique_id, ds, y."""
    renamed = {"series": "unique_id", "timestamp": "ds", "mean": "y"}
    return _frame_to_csv(forecasts_to_frame(forecasts)[list(renamed)].rename(columns=renamed), decimal_comma)


def samples_to_csv(forecasts: Sequence[Forecast], decimal_comma: bool = False) -> str:
    """Convert the paths of forecasts to one CSV."""
    import pandas as pd  # noqa: PLC0415

    return _frame_to_csv(pd.concat([forecast.samples_to_frame() for forecast in forecasts]), decimal_comma)


def name_column(probability: float, names: ColumnNames) -> str:
    """Name the column of a quantile as `names` asks: lower_95 or q0.025."""
    return name_bound(probability) if names == "levels" else name_quantile(probability)


def name_quantile(probability: float) -> str:
    """Name the column of a quantile with all digits: 0.025 -> q0.025."""
    return f"q{np.format_float_positional(probability, trim='-')}"


def name_bound(probability: float) -> str:
    """Name the column of a quantile by the interval that it bounds: 0.025 -> lower_95, 0.5 -> median."""
    if probability == 0.5:
        return "median"
    level = round(100 * abs(1 - 2 * probability), 8)
    return f"{'lower' if probability < 0.5 else 'upper'}_{np.format_float_positional(level, trim='-')}"


def parse_quantile(name: str) -> float:
    """Find the probability of a column that `name_bound` or `name_quantile` named."""
    if name == "median":
        return 0.5
    side, _, level = name.partition("_")
    return float(name[1:]) if not level else level_to_quantiles(float(level))[side == "upper"]


def level_to_quantiles(level: float) -> tuple[float, float]:
    """Convert a level in percent to the probabilities of its two bounds: 95 -> 0.025 and 0.975."""
    tail = round((1 - level / 100) / 2, 10)
    return tail, round(1 - tail, 10)


def levels_to_probabilities(levels: Iterable[float]) -> list[float]:
    """Convert levels to the probabilities of all bounds, rising: 80 and 95 -> 0.025, 0.1, 0.9, 0.975."""
    return sorted({probability for level in levels for probability in level_to_quantiles(level)})


def shorten(name: str, most: int = 32) -> str:
    """Shorten a name to at most `most` characters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
