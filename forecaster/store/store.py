"""The store: every forecast that jobs made, and the actuals that followed, in a database.

One text of SQL serves SQLite and PostgreSQL. Timestamps are ISO 8601 text in the local time of the data, or the digits
of an integer step, so that a forecast and its actual have equal timestamps.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from forecaster.errors import RunError
from forecaster.forecast import Forecast
from forecaster.problems import Problem
from forecaster.store.cells import TYPES, find_invalid, parse_objects, parse_probability, shorten
from forecaster.store.connection import DatabaseConnection, connect_to_store
from forecaster.store.timestamps import (
    Moment,
    classify_timestamp,
    is_between,
    is_step,
    parse_timestamps,
    rank_timestamp,
    sort_rows,
)

FORMAT = 1
FORECASTS = (
    *("job", "version", "series", "origin", "timestamp", "step", "mean"),
    *("quantiles", "run_quantiles", "source", "made_at"),
)
ACTUALS = ("job", "series", "timestamp", "value", "first_value", "first_seen", "seen_at")
ADAPTATION = ("job", "series", "step", "level", "state")
ERRORS = ("job", "origin", "version", "state", "made_at")
# Made as written here, and compared with this text when a store is opened. A word after a comma is a column.
TABLES = {
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
    "errors": "CREATE TABLE errors (job TEXT NOT NULL, origin TEXT NOT NULL, version TEXT NOT NULL, "
    "state TEXT NOT NULL, made_at TEXT NOT NULL, PRIMARY KEY (job, origin))",
}
_PARSED_AT_ONCE = 10_000
# Actuals of a job that are kept, and of each of its series.
_ACTUALS, _FEWEST_ACTUALS, _MOST_ACTUALS = 250_000, 500, 20_000

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


class OriginError(NamedTuple):
    """The errors of the forecasts from one origin: their mean by metric, and that of a baseline by its name."""

    time: Any
    version: str
    errors: Mapping[str, float]


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
        if not self._database.find_tables([*TABLES]) and not read_only:
            with self.transaction():
                if not self._database.find_tables([*TABLES]):  # no other process was faster
                    for statement in TABLES.values():
                        self._database.execute(statement + self._database.table_options)
                    self._database.execute("INSERT INTO meta VALUES ('format', :format)", {"format": str(FORMAT)})
        found = self._database.find_tables([*TABLES])
        if not found:
            raise RunError(Problem("no-such-store", self.where))
        made = {name: {"", statement + self._database.table_options} for name, statement in TABLES.items()}
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

    def write_errors(self, job: str, errors: Iterable[OriginError], made_at: datetime) -> int:
        """Write the mean errors of origins, which are needed after the forecasts are no longer read."""
        made = _format_made_at(made_at)
        rows = [
            {
                "job": job,
                "origin": str(each.time),
                "version": each.version,
                "state": json.dumps(each.errors),
                "made_at": made,
            }
            for each in errors
        ]
        query = (_select("errors", ERRORS, ("job",)), {"job": job})
        return self._replace("errors", ERRORS, ("job", "origin"), rows, [query])

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

        Only origins and actuals of earlier dates are read, and those of an origin where its first step is too old.
        SQLite fills the pages that become free with later forecasts. Actuals that the data still have are added again
        by the next `add_actuals`.
        """
        oldest = now - timedelta(seconds=seconds)
        limit, day = _format_made_at(oldest), str((oldest + timedelta(days=2)).date())  # in every time zone
        count = 0
        with self.transaction():
            for name in [job] if job is not None else self.list_jobs():
                # A forecast is made after its origin.
                origins = [pair for pair in self.list_origins(name) if is_step(pair[0]) or pair[0] < day]
                for origin, version in origins:
                    given = {"job": name, "version": version, "origin": origin}
                    conditions = " AND ".join(f"{key} = :{key}" for key in given)
                    query = f"SELECT made_at FROM forecasts WHERE {conditions} ORDER BY series, step LIMIT 1"
                    if self._database.execute(query, given)[0][0] < limit:
                        old, given = f"{conditions} AND made_at < :limit", given | {"limit": limit}
                        ((rows,),) = self._database.execute(f"SELECT count(*) FROM forecasts WHERE {old}", given)
                        self._database.execute(f"DELETE FROM forecasts WHERE {old}", given)
                        count += int(rows)
            for name in [job] if job is not None else self._list_distinct("actuals", "job", {}):
                given = {"job": name, "limit": limit}
                self._database.execute("DELETE FROM errors WHERE job = :job AND made_at < :limit", given)
                for series in self._list_distinct("actuals", "series", {"job": name}):
                    query, own = _select("actuals", ("timestamp",), ("job", "series")), {"job": name, "series": series}
                    ((text,),) = self._database.execute(f"{query} ORDER BY timestamp LIMIT 1", own)
                    query, own = (
                        "DELETE FROM actuals WHERE job = :job AND series = :series AND seen_at < :limit",
                        own | given,
                    )
                    if not is_step(text):  # dates compare as text, integer steps do not
                        query, own = f"{query} AND timestamp < :day", own | {"day": day}
                    self._database.execute(query, own)
        return count

    def _list_distinct(self, table: str, column: str, given: Mapping[str, Any]) -> list[str]:
        """List the distinct values of the first column of the primary key after those that are given.

        The tree of the key is searched once for each of them; DISTINCT would read every row.
        """
        conditions = "".join(f"{name} = :{name} AND " for name in given)
        first = f"SELECT min({column}) FROM {table} WHERE {conditions}{column} IS NOT NULL"
        query = (
            f"WITH RECURSIVE found(x) AS ({first} UNION ALL SELECT ({first} AND {column} > found.x) FROM found "
            "WHERE found.x IS NOT NULL) SELECT x FROM found WHERE x IS NOT NULL"
        )
        found = [x for (x,) in self._database.execute(query, dict(given))]
        for cell in find_invalid(column, found):
            self._refuse(table, f"{column} is {shorten(cell)}")
        return found

    def list_jobs(self) -> list[str]:
        """List the jobs with forecasts, by name."""
        return self._list_distinct("forecasts", "job", {})

    def list_origins(self, job: str) -> list[tuple[str, str]]:
        """List the origins of a job's forecasts, rising, each with the version that made them; no forecast is read."""
        pairs = [
            (origin, version)
            for version in self._list_distinct("forecasts", "version", {"job": job})
            for origin in self._list_distinct("forecasts", "origin", {"job": job, "version": version})
        ]
        return sorted(pairs, key=lambda pair: rank_timestamp(pair[0]))

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
        return self._parse_forecasts(self._read("forecasts", FORECASTS, job, since, until))

    def read_newest_forecasts(self, job: str, rows: int, least: int) -> pd.DataFrame:
        """Read the forecasts of the newest origins of a job, in the form of `read_forecasts`.

        What it costs does not depend on how much is stored.

        Args:
            job: its name.
            rows: about how many are read.
            least: origins that are read however many rows they have, in addition to those whose forecasts are not
                over at the newest origin.
        """
        origins = self.list_origins(job)
        ranks = np.unique([rank_timestamp(origin) for origin, _ in origins])
        if not origins:
            return self._parse_forecasts(self._to_frame("forecasts", FORECASTS, []))
        newest = self._read_origins(job, origins[-1:])
        end = newest["timestamp"].map(rank_timestamp).max()
        unfinished = int((ranks > 2 * ranks[-1] - end).sum())
        first = ranks[-min(len(ranks), max(least + unfinished, rows // len(newest)))]
        return self._parse_forecasts(
            self._read_origins(job, [pair for pair in origins if rank_timestamp(pair[0]) >= first])
        )

    def _read_origins(self, job: str, origins: Sequence[tuple[str, str]]) -> pd.DataFrame:
        query = _select("forecasts", FORECASTS, ("job", "version", "origin"))
        given = [{"job": job, "version": version, "origin": origin} for origin, version in origins]
        cells = [row for each in given for row in self._database.execute(query, each)]
        return self._to_frame("forecasts", FORECASTS, cells)

    def _parse_forecasts(self, rows: pd.DataFrame) -> pd.DataFrame:
        for name in ("quantiles", "run_quantiles"):
            rows[name] = pd.Series(self._parse_quantiles(rows[name].tolist()), dtype=object)
        return sort_rows(rows, ["job", "series", "origin", "made_at", "step"])

    def read_actuals(
        self,
        job: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        columns: Sequence[str] = ACTUALS,
    ) -> pd.DataFrame:
        """Read observed values with when they were seen, by job, series and timestamp.

        The columns are some of `ACTUALS`, with these three. Other arguments and errors are those of `read_forecasts`.
        """
        rows = self._read("actuals", columns, job, since, until)
        return sort_rows(rows, ["job", "series", "timestamp"])

    def read_adaptation(self, job: str) -> dict[tuple[str, int, float], dict[str, float]]:
        """Read what `write_adaptation` wrote; empty where there is nothing.

        Raises:
            RunError: a cell holds what no state has.
        """
        rows = self._read("adaptation", ADAPTATION, job)
        states = (self._parse_numbers("adaptation", text, str) for text in rows["state"])
        return dict(zip(zip(rows["series"], rows["step"], rows["level"], strict=True), states, strict=True))

    def read_errors(self, job: str, kind: str) -> list[OriginError]:
        """Read what `write_errors` wrote, rising.

        Args:
            job: its name.
            kind: of the timestamps, as `classify_timestamp` names it; others are left out.

        Raises:
            RunError: a cell holds what no error has.
        """
        rows = self._read("errors", ERRORS, job)
        rows = sort_rows(rows[rows["origin"].map(classify_timestamp) == kind], ["origin"])
        states = [self._parse_numbers("errors", text, str) for text in rows["state"]]
        times: Iterable[Any] = parse_timestamps(rows["origin"]) if len(rows) else []
        return [OriginError(*each) for each in zip(times, rows["version"], states, strict=True)]

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
        if start is None or is_step(start):
            cells = self._database.execute(query, given)
        elif given and table == "actuals":  # each series is a span of the primary key
            query += " AND series = :series AND timestamp >= :since"
            each = [
                given | {"series": series, "since": start} for series in self._list_distinct(table, "series", given)
            ]
            cells = [row for parameters in each for row in self._database.execute(query, parameters)]
        else:
            query += f"{' AND' if given else ' WHERE'} timestamp >= :since"
            cells = self._database.execute(query, given | {"since": start})
        rows = self._to_frame(table, columns, cells)
        if start is None and end is None:
            return rows
        codes, texts = pd.factorize(rows["timestamp"])
        inside = np.array([is_between(timestamp, start, end) for timestamp in texts], bool)[codes]
        return rows[inside].reset_index(drop=True)

    def _to_frame(self, table: str, columns: Sequence[str], found: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
        """Convert rows to a frame, with every cell checked."""
        cells = list(zip(*found, strict=True)) or [()] * len(columns)
        for name, column in zip(columns, cells, strict=True):
            for cell in find_invalid(name, column):
                self._refuse(table, f"{name} is {shorten(cell)}")
        return pd.DataFrame(
            {name: pd.Series(column, dtype=TYPES.get(name, "str")) for name, column in zip(columns, cells, strict=True)}
        )

    def _parse_quantiles(self, texts: Sequence[str]) -> list[dict[float, float]]:
        """Parse JSON objects of numbers by probability: at once where they are as written, else one by one."""
        empty: dict[float, float] = {}
        found: list[dict[float, float]] = []
        names: dict[tuple[str, ...], tuple[float, ...]] = {}
        for start in range(0, len(texts), _PARSED_AT_ONCE):
            part = [text for text in texts[start : start + _PARSED_AT_ONCE] if text != "{}"]
            try:
                several = iter(parse_objects(part, names))
            except (ValueError, TypeError, OverflowError, RecursionError):
                several = iter([self._parse_numbers("forecasts", text, parse_probability) for text in part])
            found += [empty if text == "{}" else next(several) for text in texts[start : start + _PARSED_AT_ONCE]]
        return found

    def _parse_numbers(self, table: str, text: str, parse: Callable[[str], Any]) -> dict[Any, float]:
        """Parse a JSON object of finite numbers."""
        try:
            found = json.loads(text)
            if all(type(value) in {int, float} and math.isfinite(value) for value in found.values()):
                return {parse(name): float(value) for name, value in found.items()}
        except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
            pass
        return self._refuse(table, f"numbers are {shorten(text)}")

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
    if len(first) == 10 and not is_step(first):  # dates compare as text, integer steps do not
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


def count_kept_steps(series: int) -> int:
    """Count the newest values that are kept of each of some series: fewer of more, so that a night costs the same."""
    return max(_FEWEST_ACTUALS, min(_MOST_ACTUALS, _ACTUALS // series))
