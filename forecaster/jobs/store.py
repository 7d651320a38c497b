"""The store: every forecast that jobs made, and the actuals that followed, in a database.

One text of SQL serves SQLite and PostgreSQL. Timestamps are ISO 8601 text in the local time of the data, or the digits
of an integer step, so that a forecast and its actual have equal timestamps.
"""

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from forecaster.errors import RunError
from forecaster.forecast import Forecast
from forecaster.jobs.database_connection import DatabaseConnection, connect_to_store
from forecaster.problems import Problem

FORMAT = 1
FORECASTS = (
    *("job", "version", "series", "origin", "timestamp", "step", "mean"),
    *("quantiles", "run_quantiles", "source", "made_at"),
)
ACTUALS = ("job", "series", "timestamp", "value", "first_value", "first_seen", "seen_at")
ADAPTATION = ("job", "series", "step", "level", "state")
# Made as written here, and compared with this text when a store is opened. A word after a comma is a column.
_TABLES = {
    "meta": "CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    "forecasts": "CREATE TABLE forecasts (job TEXT NOT NULL, version TEXT NOT NULL, series TEXT NOT NULL, "
    "origin TEXT NOT NULL, timestamp TEXT NOT NULL, step INTEGER NOT NULL, mean DOUBLE PRECISION NOT NULL, "
    "quantiles TEXT NOT NULL, run_quantiles TEXT NOT NULL, source TEXT NOT NULL, made_at TEXT NOT NULL, "
    "PRIMARY KEY (job, version, origin, series, step))",
    "actuals": "CREATE TABLE actuals (job TEXT NOT NULL, series TEXT NOT NULL, timestamp TEXT NOT NULL, "
    "value DOUBLE PRECISION NOT NULL, first_value DOUBLE PRECISION NOT NULL, first_seen TEXT NOT NULL, "
    "seen_at TEXT NOT NULL, PRIMARY KEY (job, series, timestamp))",
    "adaptation": "CREATE TABLE adaptation (job TEXT NOT NULL, series TEXT NOT NULL, step INTEGER NOT NULL, "
    "level DOUBLE PRECISION NOT NULL, state TEXT NOT NULL, PRIMARY KEY (job, series, step, level))",
}
# What a cell may hold; a store may come from elsewhere.
_LONGEST_TEXT, _LONGEST_JSON, _LARGEST_STEP = 1_000, 50_000, 10_000_000
_TIMESTAMP = re.compile(r"-?\d{1,18}|\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[+-]\d\d:\d\d(?::\d\d)?)?)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_INTEGER = re.compile(r"-?\d+")

Moment = str | int | pd.Timestamp  # a timestamp, or the first part of one: 2026-01 is a month
States = Mapping[tuple[str, int, float], Mapping[str, float]]  # by series, step and level


@contextmanager
def open_store(url: str, base: Path, read_only: bool = False) -> Iterator["Store"]:
    """Open the store at a URL, and create it where it is missing; close it after use.

    Args:
        url: `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`, without a password.
        base: the folder that the path of an SQLite file is relative to.
        read_only: whether nothing is written, and nothing created.

    Raises:
        UsageError: the URL cannot be used, or a package that it needs is not installed.
        RunError: there is none to be read, or it is damaged, of a newer format, or no store.
        CannotCreate, InputOutputFailed: it cannot be created, read or written.
        Locked: other processes are writing for too long.
    """
    database = connect_to_store(url, base, read_only)
    try:
        store = Store(database)
        store.check_tables(read_only)
        yield store
    finally:
        database.close()


class Store:
    """Forecasts, actuals and the state of adaptive intervals, by job.

    Every `add_...`, `write_...` and `delete_...` is a transaction: a process that is killed leaves all of it or none.
    """

    def __init__(self, database: DatabaseConnection) -> None:
        """Use a connection; `open_store` opens it and creates the tables."""
        self._database = database
        self._in_transaction = False

    @property
    def where(self) -> str:
        """The file or the URL, for messages."""
        return self._database.where

    def check_tables(self, read_only: bool) -> None:
        """Check that the tables are those that a store has; create them in a database that has none.

        Raises:
            RunError: they are not, or they are of a newer format.
        """
        if not self._database.find_tables([*_TABLES]) and not read_only:
            with self.transaction():
                if not self._database.find_tables([*_TABLES]):  # no other process was faster
                    for statement in _TABLES.values():
                        self._database.execute(statement + self._database.table_options)
                    self._database.execute("INSERT INTO meta VALUES ('format', :format)", {"format": str(FORMAT)})
        found = self._database.find_tables([*_TABLES])
        if not found:
            raise RunError(Problem("no-such-store", self.where))
        made = {name: {"", statement + self._database.table_options} for name, statement in _TABLES.items()}
        if foreign := [name for name in found if found[name] not in made[name]] or made.keys() - found:
            raise RunError(Problem("foreign-store-table", self.where, detail={"tables": sorted(foreign)}))
        rows = self._database.execute("SELECT value FROM meta WHERE name = 'format'")
        texts = [str(value) for (value,) in rows]
        if texts != [str(FORMAT)]:
            newer = len(texts) == 1 and texts[0].isdecimal() and len(texts[0]) < 4
            detail = {"format": texts[0][:10] if texts else "unknown", "known": FORMAT, "newer": newer}
            raise RunError(Problem("other-store-format", self.where, detail=detail))

    def transaction(self) -> AbstractContextManager[None]:
        """Open a transaction, for several changes that are made together or not at all."""
        return nullcontext() if self._in_transaction else self._begin()

    @contextmanager
    def _begin(self) -> Iterator[None]:
        with self._database.transaction():
            self._in_transaction = True
            try:
                yield
            finally:
                self._in_transaction = False

    def add_forecasts(self, job: str, version: str, forecasts: Sequence[Forecast], made_at: datetime) -> int:
        """Add the steps of forecasts; a step that is stored already changes only if its values do.

        Args:
            job, version: the names of the job and of the version of its run.
            forecasts: of different series or origins.
            made_at: with a time zone.

        Returns:
            The number of steps that are new or changed.
        """
        rows = [
            dict(zip(FORECASTS, (job, version, *cells, _format_made_at(made_at)), strict=True))
            for forecast in forecasts
            for cells in _list_steps(forecast)
        ]
        keys = ("job", "version", "origin", "series", "step")
        origins = [{"job": job, "version": version, "origin": origin} for origin in {row["origin"] for row in rows}]
        query = _select("forecasts", FORECASTS, ("job", "version", "origin"))
        return self._replace("forecasts", FORECASTS, keys, rows, [(query, origin) for origin in origins])

    def add_actuals(self, job: str, actuals: pd.DataFrame, seen_at: datetime) -> int:
        """Add observed values; one that was corrected keeps the value that was seen first.

        Args:
            job: its name.
            actuals: the columns series, timestamp (dates, or integer steps) and value; NaN is skipped.
            seen_at: when the data were read, with a time zone.

        Returns:
            The number of values that are new or corrected.
        """
        finite, seen = actuals[np.isfinite(actuals["value"].to_numpy(float))], _format_made_at(seen_at)
        with self.transaction():
            rows = [
                dict(zip(ACTUALS, (job, series, *cells, cells[-1], seen, seen), strict=True))
                for series, part in finite.groupby("series", sort=False)
                for cells in self._find_news(job, str(series), part)
            ]
            queries = [_select_actuals(job, series, rows) for series in {row["series"] for row in rows}]
            return self._replace("actuals", ACTUALS, ("job", "series", "timestamp"), rows, queries, _keep_first)

    def _find_news(self, job: str, series: str, actuals: pd.DataFrame) -> list[tuple[str, float]]:
        """Find the values of one series that are not stored: few, since data are added again with each forecast."""
        texts, values = _format_index(pd.Index(actuals["timestamp"])), actuals["value"].to_numpy(float).tolist()
        query, given = _select_actuals(job, series, [{"timestamp": min(texts)}], ("timestamp", "value"))
        known = dict(self._database.execute(query, given))
        return [cells for cells in zip(texts, values, strict=True) if known.get(cells[0]) != cells[1]]

    def write_adaptation(self, job: str, states: States) -> int:
        """Write the state of adaptive intervals: a few numbers by series, step and level."""
        rows = [
            {"job": job, "series": series, "step": int(step), "level": float(level), "state": json.dumps(dict(state))}
            for (series, step, level), state in states.items()
        ]
        query = (_select("adaptation", ADAPTATION, ("job",)), {"job": job})
        return self._replace("adaptation", ADAPTATION, ("job", "series", "step", "level"), rows, [query])

    def _replace(
        self,
        table: str,
        columns: Sequence[str],
        keys: Sequence[str],
        rows: Sequence[dict[str, Any]],
        queries: Iterable[tuple[str, Mapping[str, Any]]],
        merge: Callable[[Mapping[str, Any], dict[str, Any]], None] | None = None,
    ) -> int:
        """Replace the rows of some keys by those that differ from them in more than when they were made.

        Args:
            columns: of the table.
            keys: the columns of its primary key.
            rows: new ones.
            queries: which find every row with one of the new keys.
            merge: takes what stays of the old row into the new one.
        """
        ignored = {*keys, "made_at", "seen_at", "first_seen", "first_value"}
        compared = [name for name in columns if name not in ignored]
        changed, known = [], []
        with self.transaction():
            found = (
                dict(zip(columns, row, strict=True)) for query in queries for row in self._database.execute(*query)
            )
            stored = {tuple(row[name] for name in keys): row for row in found}
            for row in {tuple(row[name] for name in keys): row for row in rows}.values():
                old = stored.get(tuple(row[name] for name in keys))
                if old is not None:
                    if all(old[name] == row[name] for name in compared):
                        continue
                    known.append({name: row[name] for name in keys})
                    if merge is not None:
                        merge(old, row)
                changed.append(row)
            if known:
                condition = " AND ".join(f"{name} = :{name}" for name in keys)
                self._database.execute(f"DELETE FROM {table} WHERE {condition}", known)
            if changed:
                values = ", ".join(f":{name}" for name in columns)
                self._database.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})", changed)
        return len(changed)

    def delete_older(self, seconds: float, now: datetime, job: str | None = None) -> int:
        """Delete forecasts made, and actuals seen, longer ago than some seconds, of one job or of all.

        Actuals that the data still have are added again by the next `add_actuals`.
        """
        given = {"limit": _format_made_at(now - timedelta(seconds=seconds))}
        if job is not None:
            given["job"] = job
        own = "" if job is None else "job = :job AND "
        with self.transaction():
            query = f"SELECT count(*) FROM forecasts WHERE {own}made_at < :limit"
            ((count,),) = self._database.execute(query, given)
            if count:
                self._database.execute(f"DELETE FROM forecasts WHERE {own}made_at < :limit", given)
            self._database.execute(f"DELETE FROM actuals WHERE {own}seen_at < :limit", given)
        return int(count)

    def read_forecasts(
        self, job: str | None = None, since: Moment | None = None, until: Moment | None = None
    ) -> pd.DataFrame:
        """Read forecast steps, by job, series, origin, the time they were made, and step.

        Args:
            job: its name; all jobs where None.
            since, until: timestamps to begin and to end with, in the local time of the data: `2026-01-31`, `2026-01`.

        Returns:
            The columns `FORECASTS`: origin and timestamp as text, quantiles and run_quantiles as mappings of
            probabilities to values; run_quantiles are empty where the quantiles are those of the run.

        Raises:
            RunError: a cell holds what no forecast has.
        """
        rows = self._read("forecasts", FORECASTS, job, since, until)
        for name in ("quantiles", "run_quantiles"):
            parsed = [self._parse_numbers("forecasts", text, _parse_probability) for text in rows[name]]
            rows[name] = pd.Series(parsed, dtype=object)
        return _sort(rows, ["job", "series", "origin", "made_at", "step"])

    def read_actuals(
        self, job: str | None = None, since: Moment | None = None, until: Moment | None = None
    ) -> pd.DataFrame:
        """Read observed values with when they were seen: the columns `ACTUALS`, by job, series and timestamp.

        The arguments and errors are those of `read_forecasts`.
        """
        rows = self._read("actuals", ACTUALS, job, since, until)
        return _sort(rows, ["job", "series", "timestamp"])

    def read_adaptation(self, job: str) -> dict[tuple[str, int, float], dict[str, float]]:
        """Read what `write_adaptation` wrote; empty where there is nothing.

        Raises:
            RunError: a cell holds what no state has.
        """
        rows = self._read("adaptation", ADAPTATION, job)
        states = (self._parse_numbers("adaptation", text, str) for text in rows["state"])
        return dict(zip(zip(rows["series"], rows["step"], rows["level"], strict=True), states, strict=True))

    def _read(
        self,
        table: str,
        columns: Sequence[str],
        job: str | None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> pd.DataFrame:
        """Read the rows of a table, with every cell checked."""
        start, end = (None if moment is None else str(moment).replace("T", " ") for moment in (since, until))
        given = {} if job is None else {"job": job}
        query = _select(table, columns, given)
        if start is not None and not _INTEGER.fullmatch(start):
            query += f"{' AND' if given else ' WHERE'} timestamp >= :since"
            given["since"] = start
        cells = list(zip(*self._database.execute(query, given), strict=True)) or [()] * len(columns)
        for name, column in zip(columns, cells, strict=True):
            # Dates are parsed once each.
            distinct = set(column) if _CHECKS.get(name) is _is_timestamp else column
            for cell in itertools.filterfalse(_CHECKS.get(name, _is_text), distinct):
                self._refuse(table, f"{name} is {_shorten(cell)}")
        rows = pd.DataFrame(
            {
                name: pd.Series(column, dtype=_TYPES.get(name, "str"))
                for name, column in zip(columns, cells, strict=True)
            }
        )
        if start is None and end is None:
            return rows
        inside = np.array([_is_between(timestamp, start, end) for timestamp in rows["timestamp"]], bool)
        return rows[inside].reset_index(drop=True)

    def _parse_numbers(self, table: str, text: str, parse: Callable[[str], Any]) -> dict[Any, float]:
        """Parse a JSON object of finite numbers."""
        try:
            found = json.loads(text)
            if all(type(value) in {int, float} and math.isfinite(value) for value in found.values()):
                return {parse(name): float(value) for name, value in found.items()}
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            pass
        return self._refuse(table, f"numbers are {_shorten(text)}")

    def _refuse(self, table: str, reason: str) -> NoReturn:
        raise self._database.make_damage_error(f"in the table {table}, {reason}")


def _select(table: str, columns: Sequence[str], given: Iterable[str]) -> str:
    """Write a query of some columns where others have given values."""
    conditions = " AND ".join(f"{name} = :{name}" for name in given)
    return f"SELECT {', '.join(columns)} FROM {table}{' WHERE ' if conditions else ''}{conditions}"


def _select_actuals(
    job: str, series: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ACTUALS
) -> tuple[str, Mapping[str, Any]]:
    """Write a query of the actuals of a series from the first timestamp of some rows on."""
    query, given = _select("actuals", columns, ("job", "series")), {"job": job, "series": series}
    first = min((row["timestamp"] for row in rows), default="")[:10]
    if len(first) == 10 and not _INTEGER.fullmatch(first):  # dates compare as text, integer steps do not
        return f"{query} AND timestamp >= :first", given | {"first": first}
    return query, given


def _keep_first(old: Mapping[str, Any], new: dict[str, Any]) -> None:
    """Take what was seen first into a corrected actual."""
    new.update({name: old[name] for name in ("first_value", "first_seen")})


def _format_index(index: pd.Index) -> list[str]:
    """Write timestamps as `str` does, many times faster where they have no zone and no fraction of a second."""
    if isinstance(index, pd.DatetimeIndex) and index.tz is None and (index == index.floor("s")).all():
        return [text.replace("T", " ") for text in np.datetime_as_string(index.to_numpy(), unit="s").tolist()]
    return list(map(str, index))


def _list_steps(forecast: Forecast) -> Iterator[tuple[Any, ...]]:
    """List the cells of each step: series, origin, timestamp, step, mean, both kinds of quantiles as JSON, source.

    Raises:
        ValueError: a value is not finite, which no forecast may be.
    """
    if not np.isfinite(forecast.mean).all():
        raise ValueError(f"a forecast of {forecast.series} is not finite")
    texts = [_encode_quantiles(each, len(forecast.mean)) for each in (forecast.quantiles, forecast.run_quantiles)]
    steps = zip(forecast.timestamps, forecast.mean, *texts, strict=True)
    for step, (timestamp, mean, *quantiles) in enumerate(steps, start=1):
        yield forecast.series, str(forecast.origin), str(timestamp), step, float(mean), *quantiles, forecast.source


def _encode_quantiles(quantiles: Mapping[float, np.ndarray], steps: int) -> list[str]:
    """Encode the quantiles of each step as JSON."""
    names = [np.format_float_positional(probability, trim="-") for probability in quantiles]
    bounds = zip(*(map(float, values) for values in quantiles.values()), strict=True)
    return [json.dumps(dict(zip(names, values, strict=True)), allow_nan=False) for values in bounds] or ["{}"] * steps


def _format_made_at(moment: datetime) -> str:
    """Write a moment in UTC, so that the texts of two compare as they do."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def classify_timestamp(text: str) -> Literal["step", "local", "zoned"]:
    """Find what a timestamp is: an integer step, a date in local time, or one with an offset."""
    if _INTEGER.fullmatch(text):
        return "step"
    return "zoned" if re.search(r"[+-]\d\d:\d\d", text[10:]) else "local"


def parse_timestamps(texts: Iterable[str]) -> pd.Index:
    """Parse timestamps of a store, of one kind: integer steps, or dates, which are in UTC where they have an offset.

    Raises:
        ValueError: one is neither.
    """
    several = list(texts)
    kinds = set(map(classify_timestamp, several))
    if kinds == {"step"}:
        return pd.Index([int(text) for text in several], dtype="int64")
    return pd.DatetimeIndex(pd.to_datetime(list(map(datetime.fromisoformat, several)), utc="zoned" in kinds))


def _rank(text: str) -> float:
    """Return a number by which the timestamps of one job are in order."""
    if _INTEGER.fullmatch(text):
        return int(text)
    date = datetime.fromisoformat(text)
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def _sort(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Sort rows; origins and timestamps, which are text, as the dates or the steps that they are."""
    order = rows[list(columns)].copy()
    for name in {"origin", "timestamp"} & {*columns}:
        codes, texts = pd.factorize(rows[name])
        order[name] = np.array([_rank(text) for text in texts], float)[codes]
    return rows.loc[order.sort_values(list(columns), kind="stable").index].reset_index(drop=True)


def _is_between(timestamp: str, start: str | None, end: str | None) -> bool:
    """Whether a timestamp is in a span: integers by value, dates by as much as each end states: 2026-01 is a month."""
    bounds = [bound for bound in (start, end) if bound is not None]
    if _INTEGER.fullmatch(timestamp):
        if not all(map(_INTEGER.fullmatch, bounds)):
            return False
        return (start is None or int(start) <= int(timestamp)) and (end is None or int(timestamp) <= int(end))
    if any(_INTEGER.fullmatch(bound) and len(bound) != 4 for bound in bounds):  # four digits are a year
        return False
    return (start is None or timestamp >= start) and (end is None or timestamp[: len(end)] <= end)


def _shorten(cell: Any) -> str:
    """Write a cell of any kind and size in a few characters."""
    if isinstance(cell, str | bytes) and len(cell) > 40:
        return f"{cell[:40]!r}... with {len(cell):,} characters"
    return repr(cell)


def _parse_probability(text: str) -> float:
    probability = float(text)
    if not 0 < probability < 1:
        raise ValueError(text)
    return probability


def _is_text(cell: Any) -> bool:
    return type(cell) is str and len(cell) <= _LONGEST_TEXT


def _is_timestamp(cell: Any) -> bool:
    if type(cell) is not str or _TIMESTAMP.fullmatch(cell) is None:
        return False
    try:
        _rank(cell)
    except ValueError:
        return False
    return True


def _is_moment(cell: Any) -> bool:
    return type(cell) is str and _MOMENT.fullmatch(cell) is not None


def _is_step(cell: Any) -> bool:
    return type(cell) is int and 0 < cell <= _LARGEST_STEP


def _is_number(cell: Any) -> bool:
    return type(cell) is float and math.isfinite(cell)


def _is_json(cell: Any) -> bool:
    return type(cell) is str and len(cell) <= _LONGEST_JSON


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("origin", "timestamp"), _is_timestamp),
    **dict.fromkeys(("made_at", "first_seen", "seen_at"), _is_moment),
    **dict.fromkeys(("mean", "value", "first_value", "level"), _is_number),
    **dict.fromkeys(("quantiles", "run_quantiles", "state"), _is_json),
    "step": _is_step,
}
_TYPES: Mapping[str, Any] = {"step": "int64", **dict.fromkeys(("mean", "value", "first_value", "level"), "float64")}
