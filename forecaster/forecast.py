"""The forecast: the result of every model, and the input of every metric, plot and file."""

import functools
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecaster.wording import format_timestamps

Timestamp = Any  # pd.Timestamp, or int where the frequency is `step`

COLUMNS = ("series", "origin", "timestamp", "step", "mean")


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
    """

    series: str
    origin: Timestamp
    timestamps: pd.Index
    mean: np.ndarray
    quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)
    samples: np.ndarray | None = None
    source: str = "network"

    def to_frame(self) -> pd.DataFrame:
        """Convert to one row per step, with the columns `COLUMNS`, q0.025, ..., source; timestamps as ISO 8601 text."""
        return forecasts_to_frame([self])

    def to_csv(self) -> str:
        """Convert the rows of `to_frame` to CSV; values read back exactly."""
        return forecasts_to_csv([self])

    def samples_to_frame(self) -> pd.DataFrame:
        """Convert the paths to one row for each step of each: series, origin, timestamp, step, path (from 1), value."""
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
        rows = pd.read_csv(io.StringIO(text), dtype={"series": str, "origin": str, "timestamp": str})
        origin, *timestamps = [
            int(cell) if cell.lstrip("-").isdigit() else pd.Timestamp(cell)
            for cell in [rows["origin"].iloc[0], *rows["timestamp"]]
        ]
        quantiles = {float(name[1:]): rows[name].to_numpy(float) for name in rows.columns.drop([*COLUMNS, "source"])}
        mean, source = rows["mean"].to_numpy(float), rows["source"].iloc[0]
        return cls(rows["series"].iloc[0], origin, pd.Index(timestamps), mean, quantiles, source=source)


def forecasts_to_frame(forecasts: Sequence[Forecast]) -> pd.DataFrame:
    """Convert forecasts with the same quantiles to one table, a row per step."""
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
                name_quantile(probability): np.concatenate([forecast.quantiles[probability] for forecast in forecasts])
                for probability in forecasts[0].quantiles
            },
            "source": np.repeat([forecast.source for forecast in forecasts], lengths),
        }
    )


@functools.lru_cache(maxsize=64)
def _format_timestamps(origin: Timestamp, timestamps: tuple[Timestamp, ...]) -> list[str]:
    """Format the origin, then the timestamps; cached, since many series share them."""
    return format_timestamps([origin, *timestamps])


def forecasts_to_csv(forecasts: Sequence[Forecast]) -> str:
    """Convert forecasts to one CSV; values read back exactly."""
    return forecasts_to_frame(forecasts).to_csv(index=False, lineterminator="\n")


def forecasts_to_json(forecasts: Sequence[Forecast]) -> str:
    """Convert forecasts to a JSON list of objects, one per step."""
    return json.dumps(forecasts_to_frame(forecasts).to_dict("records"), indent=1) + "\n"


def samples_to_csv(forecasts: Sequence[Forecast]) -> str:
    """Convert the paths of forecasts to one CSV."""
    return pd.concat([forecast.samples_to_frame() for forecast in forecasts]).to_csv(index=False, lineterminator="\n")


def name_quantile(probability: float) -> str:
    """Name the column of a quantile with all digits: 0.025 -> q0.025."""
    return f"q{np.format_float_positional(probability, trim='-')}"


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
