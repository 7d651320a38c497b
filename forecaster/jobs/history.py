"""What became of the forecasts of a store: a table of each with its actual, as CSV, JSON or Parquet."""

import fnmatch
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from forecaster.config.database_urls import is_url
from forecaster.config.reader import find_nearest_name
from forecaster.errors import UsageError
from forecaster.forecast import name_bound
from forecaster.jobs.jobs_file import load_jobs
from forecaster.problems import Problem
from forecaster.regular_files import open_regular_file
from forecaster.store.store import Store
from forecaster.store.timestamps import Moment, classify_timestamp, parse_timestamps
from forecaster.wording import format_timestamps

_SQLITE = b"SQLite format 3\0"


def find_store(source: str) -> tuple[str, Path]:
    """Find the store of a jobs file, or the one that a URL or an SQLite file is; for `open_store`.

    Returns:
        Its URL, and the folder that its path is relative to.

    Raises:
        ConfigError: the jobs file is invalid.
        UsageError: it has no store.
    """
    if is_url(source):
        return source, Path()
    path = Path(source)
    if _is_database(path) or path.suffix in {".db", ".sqlite", ".sqlite3"}:
        return f"sqlite:///{path.absolute()}", Path()
    loaded = load_jobs(path, are_configs_required=False)
    if loaded.store is None:
        raise UsageError(Problem("no-store", source))
    return loaded.store, loaded.folder


@dataclass(frozen=True)
class History:
    """Forecasts with their actuals.

    Attributes:
        table: the columns job, version, series, origin, timestamp, step, mean, lower_95, ..., upper_95, source,
            made_at and actual; NaN where a forecast has no such level, or its actual is not known. Timestamps are text.
        forecasts: the same as the store gives it, with quantiles by probability.
        actuals: of the series in the table, also where nothing was forecast: job, series, timestamp, actual.
    """

    table: pd.DataFrame
    forecasts: pd.DataFrame
    actuals: pd.DataFrame


def _is_database(path: Path) -> bool:
    try:
        with open_regular_file(path) as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def read_history(store: Store, selected: Mapping[str, str], since: Moment | None, until: Moment | None) -> History:
    """Read forecasts and their actuals.

    Args:
        store: to read.
        selected: a name or a pattern by column: job, series or version.
        since, until: as in `Store.read_forecasts`.

    Raises:
        UsageError: nothing is stored of what is selected.
    """
    rows = store.read_forecasts(None, since, until)
    for column, pattern in selected.items():
        rows = _select(rows, column, pattern)
    actuals = store.read_actuals(None, since, until).rename(columns={"value": "actual"})
    keys = ["job", "series", "timestamp"]
    actuals = actuals[[*keys, "actual"]].merge(rows[["job", "series"]].drop_duplicates())
    merged = rows.merge(actuals, on=keys, how="left", validate="many_to_one")
    probabilities = sorted({probability for each in merged["quantiles"] for probability in each})
    bounds = {
        name_bound(probability): [each.get(probability, float("nan")) for each in merged["quantiles"]]
        for probability in probabilities
    }
    for _, part in merged.groupby("job", sort=False):
        texts = format_timestamps([*part["origin"], *part["timestamp"]])
        merged.loc[part.index, "origin"], merged.loc[part.index, "timestamp"] = texts[: len(part)], texts[len(part) :]
    first, last = ["job", "version", "series", "origin", "timestamp", "step", "mean"], ["source", "made_at", "actual"]
    table = pd.concat([merged[first], pd.DataFrame(bounds, index=merged.index, dtype=float), merged[last]], axis=1)
    return History(table, rows, actuals)


def _select(rows: pd.DataFrame, column: str, pattern: str) -> pd.DataFrame:
    names = rows[column].unique().tolist()
    found = [name for name in names if name == pattern] or fnmatch.filter(names, pattern)
    if not found:
        detail = {"what": column, "nearest": find_nearest_name(pattern, names)}
        raise UsageError(Problem("not-in-store", f"--{column} {pattern}", detail=detail))
    return rows[rows[column].isin(found)].reset_index(drop=True)


def history_to_csv(history: pd.DataFrame) -> str:
    """Convert a history to CSV; values read back exactly, and what is not known is empty."""
    return history.to_csv(index=False, lineterminator="\n")


def history_to_json(history: pd.DataFrame) -> str:
    """Convert a history to a JSON list of objects; what is not known is null."""
    rows = history.astype(object).where(history.notna(), None).to_dict("records")
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def history_to_parquet(history: pd.DataFrame) -> bytes:
    """Convert a history to a Parquet file; needs the extra `parquet`.

    Origins and timestamps are dates, or integers, where they are of one kind in all jobs; text otherwise.
    """
    frame, file = history.copy(), io.BytesIO()
    if len({classify_timestamp(text) for text in history["timestamp"]}) == 1:
        for name in ("origin", "timestamp"):
            frame[name] = parse_timestamps(history[name])
    frame["made_at"] = parse_timestamps(history["made_at"])
    frame.to_parquet(file, index=False)
    return file.getvalue()
