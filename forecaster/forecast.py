"""The forecast: the result of every model, and the input of every metric, plot and file."""

import csv
import datetime
import functools
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np

from forecaster.wording import format_timestamps

if TYPE_CHECKING:
    import pandas as pd

Timestamp = Any  # pd.Timestamp, or int where the frequency is `step`

COLUMNS = ("series", "origin", "timestamp", "step", "mean")
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
    """

    series: str
    origin: Timestamp
    timestamps: "pd.Index | Sequence[datetime.datetime]"
    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)
    samples: np.ndarray | None = None
    source: str = "network"
    run_quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)

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
        bounds = rows.columns.drop([*COLUMNS, "source"])
        quantiles = {_parse_quantile(name): rows[name].to_numpy(float) for name in bounds}
        mean, source = rows["mean"].to_numpy(float), rows["source"].iloc[0]
        return cls(rows["series"].iloc[0], origin, pd.Index(timestamps), mean, quantiles, source=source)


def forecasts_to_frame(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> "pd.DataFrame":
    """Convert forecasts with the same quantiles to one table, a row per step.

    Args:
        forecasts: at least one.
        names: of the columns of quantiles. `levels`: lower_95, lower_80, median, upper_80, upper_95; `quantiles`:
            q0.025, q0.1, q0.9, q0.975, without the median.

    Returns:
        The columns `COLUMNS`, those of the quantiles, and source; timestamps are ISO 8601 text.
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
            "source": np.repeat([forecast.source for forecast in forecasts], lengths),
        }
    )


def _name_quantiles(forecast: Forecast, names: ColumnNames) -> dict[str, float]:
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
    quantiles = _name_quantiles(forecasts[0], names)
    writer = csv.writer(file, delimiter=";" if decimal_comma else ",", lineterminator="\n")
    if header:
        writer.writerow([*COLUMNS, *quantiles, "source"])
    for forecast, (origin, *timestamps) in zip(forecasts, _format_each(forecasts), strict=True):
        numbers = [forecast.mean, *(forecast.quantiles[probability] for probability in quantiles.values())]
        steps, repeat = range(1, len(forecast.mean) + 1), itertools.repeat
        cells = [_write_numbers(values, decimal_comma) for values in numbers]
        columns = (repeat(forecast.series), repeat(origin), timestamps, steps, *cells, repeat(forecast.source))
        writer.writerows(zip(*columns, strict=False))  # some repeat for ever


def _format_each(forecasts: Iterable[Forecast]) -> Iterator[list[str]]:
    """Format the origin and the timestamps of each forecast; many share the object that holds them."""
    known: dict[int, tuple[Forecast, list[str]]] = {}  # by the identity of the timestamps, which the forecast keeps
    for forecast in forecasts:
        found, texts = known.get(id(forecast.timestamps), (forecast, []))
        if not texts or found.origin != forecast.origin:
            texts = _format_timestamps(forecast.origin, tuple(forecast.timestamps))
            known[id(forecast.timestamps)] = forecast, texts
        yield texts


def _write_numbers(values: np.ndarray, decimal_comma: bool) -> list[Any]:
    """Convert numbers to cells that the writer of CSVs writes with all digits, blank where they are NaN."""
    cells = values.tolist()
    if np.isnan(values).any():
        cells = ["" if math.isnan(cell) else cell for cell in cells]
    return [str(cell).replace(".", ",") for cell in cells] if decimal_comma else cells


def _frame_to_csv(frame: "pd.DataFrame", decimal_comma: bool) -> str:
    separator, mark = (";", ",") if decimal_comma else (",", ".")
    return frame.to_csv(index=False, lineterminator="\n", sep=separator, decimal=mark)


def forecasts_to_json(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> str:
    """Convert forecasts to a JSON list of objects, one per step."""
    return json.dumps(forecasts_to_frame(forecasts, names).to_dict("records"), indent=1) + "\n"


def forecasts_to_parquet(forecasts: Sequence[Forecast], names: ColumnNames = "levels") -> bytes:
    """Convert forecasts to a Parquet file, with origins and timestamps as dates; needs the extra `parquet`."""
    import pandas as pd  # noqa: PLC0415

    frame, file = forecasts_to_frame(forecasts, names), io.BytesIO()
    frame["origin"] = pd.Index([each.origin for each in forecasts]).repeat([len(each.mean) for each in forecasts])
    frame["timestamp"] = functools.reduce(pd.Index.append, (pd.Index(each.timestamps) for each in forecasts))
    frame.to_parquet(file, index=False)
    return file.getvalue()


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


def _parse_quantile(name: str) -> float:
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
