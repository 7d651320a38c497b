"""What a night costs as the store of forecasts grows: seconds, memory and the size of the file.

A night scores the stored forecasts of a job, adapts the intervals of new forecasts to them, and adds those. It should
cost the same after two years as after one. Run as `python -m benchmarks.reliability.scale --series 1 500`.
"""

import argparse
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from forecaster.forecast import Forecast
from forecaster.jobs.adaptive_intervals import adapt_from_store
from forecaster.jobs.score import score_job
from forecaster.jobs.score_stored import ROWS
from forecaster.store.store import Store, count_kept_steps, open_store

HORIZON, FIRST = 24, datetime(2024, 1, 1, tzinfo=UTC)
URL = "sqlite:///forecasts.db"
_FORECASTS = """INSERT OR IGNORE INTO forecasts SELECT job, version, series, datetime(origin, :days),
    datetime(timestamp, :days), step, mean, quantiles, run_quantiles, source,
    strftime('%Y-%m-%dT%H:%M:%S+00:00', made_at, :days)
    FROM forecasts WHERE job = 'load' AND version = '20240101T000000Z-000000' AND origin = '2024-01-01 00:00:00'"""
_ACTUALS = """INSERT OR IGNORE INTO actuals SELECT job, series, datetime(timestamp, :days), value, first_value,
    strftime('%Y-%m-%dT%H:%M:%S+00:00', first_seen, :days), strftime('%Y-%m-%dT%H:%M:%S+00:00', seen_at, :days)
    FROM actuals WHERE timestamp > '2023-12-31 00:00:00' AND timestamp <= '2024-01-01 00:00:00'"""


def make_forecasts(series: int, night: int) -> list[Forecast]:
    """Make the forecasts of a night, with five quantiles."""
    origin = pd.Timestamp(FIRST.replace(tzinfo=None)) + pd.Timedelta(days=night)
    times, generator = pd.date_range(origin, periods=HORIZON + 1, freq="h")[1:], np.random.default_rng(night)
    means = 100 + generator.normal(size=(series, HORIZON))
    offsets = {0.025: -2.0, 0.1: -1.3, 0.5: 0.0, 0.9: 1.3, 0.975: 2.0}
    return [
        Forecast(f"store-{number:03d}", origin, times, row, {p: row + offset for p, offset in offsets.items()})
        for number, row in enumerate(means)
    ]


def make_actuals(series: int, night: int, days: int) -> pd.DataFrame:
    """Make the actuals of some days up to the origin of a night: each day is the same."""
    end, steps = pd.Timestamp(FIRST.replace(tzinfo=None)) + pd.Timedelta(days=night), days * HORIZON
    times = pd.date_range(end=end, periods=steps, freq="h")
    day = 100 + np.random.default_rng(0).normal(size=(series, HORIZON))
    names = np.repeat([f"store-{number:03d}" for number in range(series)], steps)
    return pd.DataFrame(
        {"series": names, "timestamp": np.tile(times, series), "value": np.tile(day, (1, days)).ravel()}
    )


def add_night(store: Store, forecasts: Sequence[Forecast], night: int, keep: int | None) -> None:
    """Add the forecasts of a night; delete those of more than `keep` days before."""
    now = FIRST + timedelta(days=night, hours=1)
    with store.transaction():
        store.add_forecasts("load", "20240101T000000Z-000000", forecasts, now)
        if keep is not None:
            store.delete_older(keep * 86_400, now, "load")


def fill(folder: Path, series: int, first: int, nights: int, keep: int | None) -> None:
    """Store the nights before a measured one: the first as a job does, the others as copies of it."""
    if not first:
        with open_store(URL, folder) as store:
            store.add_actuals("load", make_actuals(series, 0, 60), FIRST)
            add_night(store, make_forecasts(series, 0), 0, None)
    for night in range(max(1, first), nights):
        with closing(sqlite3.connect(folder / "forecasts.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in (_FORECASTS, _ACTUALS):
                connection.execute(statement, {"days": f"+{night} days"})
        if keep is not None and night % 30 == 0:
            with open_store(URL, folder) as store:
                store.delete_older(keep * 86_400, FIRST + timedelta(days=night, hours=1), "load")


def measure(folder: Path, series: int, night: int, keep: int | None) -> str:
    """Measure one night in this process."""
    days = min(count_kept_steps(series) // HORIZON, 60 + night)
    actuals, forecasts, seconds = make_actuals(series, night, days), make_forecasts(series, night), {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    now = FIRST + timedelta(days=night, hours=1)
    with open_store(URL, folder) as store:
        for name in ("actuals", "score", "adapt", "store"):
            start = time.process_time()
            match name:
                case "actuals":
                    store.add_actuals("load", actuals, now)
                case "score":
                    score = score_job(store, "load", 24, "h", 1.0, ROWS)
                    assert score is not None
                    score.to_status()
                    store.write_errors("load", score.origin_errors, now)
                case "adapt":
                    adapted = adapt_from_store(store, "load", forecasts)
                    store.write_adaptation("load", adapted.states)
                    forecasts = adapted.forecasts
                case "store":
                    add_night(store, forecasts, night, keep)
            seconds[name] = time.process_time() - start
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    times = "".join(f"{each:9.2f}" for each in seconds.values())
    return f"{times}{sum(seconds.values()):9.2f}{used:9.0f}{(folder / 'forecasts.db').stat().st_size / 1e6:9.0f}"


def main() -> None:
    """Print a row for each number of stored nights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[1, 500])
    parser.add_argument("--nights", type=int, nargs="+", default=[30, 365, 730])
    parser.add_argument("--keep", type=int, help="days after which forecasts are deleted")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # one night, in a process of its own
    options = parser.parse_args()
    if options.measure:
        print(measure(options.measure, options.series[0], options.nights[0], options.keep))
        return
    print("CPU seconds of a night by step, memory and file in MB")
    print("series nights  actuals    score    adapt    store      all   memory     file")
    for series in options.series:
        with tempfile.TemporaryDirectory() as folder:
            for first, nights in zip([0, *options.nights], options.nights, strict=False):
                fill(Path(folder), series, first, nights, options.keep)
                command = [sys.executable, "-m", "benchmarks.reliability.scale", "--measure", folder]
                command += ["--series", str(series), "--nights", str(nights)]
                command += ["--keep", str(options.keep)] if options.keep else []
                found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()
                print(f"{series:6}{nights:7}{found}", flush=True)


if __name__ == "__main__":
    main()
