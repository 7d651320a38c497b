"""Growing files for a soak of `forecast run`, the faults that are sown into them, and what the docs promise of each."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

FIRST = datetime(2026, 12, 14, 0, 50)  # of the nights; every file ends with the day before
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Row = tuple[str, ...]


@dataclass
class Source:
    """A file that grows each night.

    Attributes:
        name: of the job and of its run.
        header: of the CSV.
        series: names, as the output has them.
        begin: the first timestamp.
        step: between rows.
        horizon: steps that the run forecasts.
        warns_after, stale_after: ages that `max_age` of the job allows; of `close` in steps.
        corrections: values of history that were rewritten, by place.
        noise: (steps,) of the values.
    """

    name: str
    header: Row
    series: tuple[str, ...]
    begin: datetime
    step: timedelta
    horizon: int
    warns_after: timedelta | None
    stale_after: timedelta | int
    corrections: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.noise = np.random.default_rng(len(self.name)).normal(0, 1, 20_000)

    def list_rows(self, night: datetime) -> list[Row]:
        """List the rows up to the day before a night."""
        end = datetime(night.year, night.month, night.day)
        rows: list[Row] = []
        for place in range(int((end - self.begin) / self.step)):
            time = self.begin + place * self.step
            if self.name == "close" and time.weekday() > 4:
                continue
            rows += self._make_rows(place, time)
        return rows

    def _make_rows(self, place: int, time: datetime) -> list[Row]:
        noise, factor = self.noise[place], self.corrections.get(place, 1.0)
        if self.name == "close":
            return [(f"{time:%Y-%m-%d}", f"{(100 + 4 * math.sin(place / 17) + noise) * factor:.2f}")]
        if self.name == "shops":
            level = 20 + 6 * math.sin(2 * math.pi * place / 7) + 2 * noise
            return [
                (f"{time:%Y-%m-%d}", name, str(round((level + more) * factor))) for name, more in (("a", 0), ("b", 4))
            ]
        return [(f"{time}", f"{(100 + 10 * math.sin(2 * math.pi * place / 24) + noise) * factor:.4f}")]

    def parse(self, row: Row) -> datetime:
        """Parse the timestamp of a row."""
        return datetime.fromisoformat(row[0])

    def is_stale(self, newest: datetime, now: datetime) -> bool:
        """Whether the newest step is older than the error level allows."""
        if isinstance(self.stale_after, int):
            late = np.busday_offset(np.datetime64(newest, "D"), self.stale_after + 1).astype("datetime64[us]").item()
            return bool(now > late + DAY)
        return now - newest - self.step > self.stale_after

    def is_aging(self, newest: datetime, now: datetime) -> bool:
        """Whether the newest step is older than the warning level allows."""
        return self.warns_after is not None and now - newest - self.step > self.warns_after


def make_sources() -> dict[str, Source]:
    """Make the files of the soak."""
    sources = (
        Source("load", ("time", "load"), ("load",), datetime(2026, 12, 1), HOUR, 6, 2 * HOUR, 6 * HOUR),
        Source("shops", ("day", "shop", "sold"), ("a", "b"), datetime(2026, 9, 1), DAY, 7, 36 * HOUR, 72 * HOUR),
        Source("close", ("day", "close"), ("close",), datetime(2026, 6, 1), DAY, 5, None, 1),
        Source("own", ("time", "load"), ("load",), datetime(2026, 12, 1), HOUR, 6, None, 6 * HOUR),
    )
    return {source.name: source for source in sources}


Change = Callable[[Source, list[Row], random.Random], bytes | None]


@dataclass(frozen=True)
class Fault:
    """A fault of a file, and what the documentation promises of a job that meets it.

    Attributes:
        name: of the fault.
        jobs: whose files may have it.
        change: from the rows to the bytes of the file, or to None where there is none; None where the old file stays.
        codes: of the problems of a refusal, exit code 4; empty where the file is forecast, or is too old: exit code 5.
        behind: steps by which the newest value is behind the newest row.
        refused: series that are refused, while the others are forecast: exit code 3.
        days: that it lasts.
    """

    name: str
    jobs: tuple[str, ...]
    change: Change | None
    codes: tuple[str, ...] = ()
    behind: int = 0
    refused: tuple[str, ...] = ()
    days: int = 1


def to_bytes(source: Source, rows: list[Row], end: str = "\n") -> bytes:
    """Write rows as CSV."""
    return ("\n".join(",".join(row) for row in [source.header, *rows]) + end).encode()


def _drop_newest(number: int) -> Change:
    return lambda source, rows, chance: to_bytes(source, rows[:-number])


def _blank_newest(number: int) -> Change:
    def change(source: Source, rows: list[Row], chance: random.Random) -> bytes:
        return to_bytes(source, [*rows[:-number], *((*row[:-1], "") for row in rows[-number:])])

    return change


def _replace_newest(text: str, back: int = 1) -> Change:
    def change(source: Source, rows: list[Row], chance: random.Random) -> bytes:
        rows[-back] = (*rows[-back][:-1], text)
        return to_bytes(source, rows)

    return change


def _cut_gap(number: int) -> Change:
    def change(source: Source, rows: list[Row], chance: random.Random) -> bytes:
        place = chance.randrange(100, len(rows) - 20)
        return to_bytes(source, rows[:place] + rows[place + number :])

    return change


def _rewrite_history(source: Source, rows: list[Row], chance: random.Random) -> bytes:
    """Change the rows here, and those of all later nights; the next call of `list_rows` has them."""
    places = chance.sample(range(len(rows) // len(source.series) - 50), 20)
    source.corrections.update({place: chance.uniform(0.97, 1.03) for place in places})
    last = source.parse(rows[-1])
    return to_bytes(source, source.list_rows(datetime(last.year, last.month, last.day) + DAY))


def _repeat_newest(source: Source, rows: list[Row], chance: random.Random) -> bytes:
    return to_bytes(source, [*rows, (*rows[-1][:-1], "99")])


def _rename_column(source: Source, rows: list[Row], chance: random.Random) -> bytes:
    return to_bytes(source, rows).replace(source.header[-1].encode() + b"\n", b"value\n", 1)


def _cut_last_line(source: Source, rows: list[Row], chance: random.Random) -> bytes:
    """Leave a part of the timestamp of the last line."""
    return to_bytes(source, rows[:-1]) + rows[-1][0][: chance.randrange(1, len(rows[-1][0]))].encode()


def _cut_last_value(source: Source, rows: list[Row], chance: random.Random) -> bytes:
    """Leave a last value with fewer decimals than every other."""
    return to_bytes(source, rows, end="")[:-3]


def _stick(source: Source, rows: list[Row], chance: random.Random) -> bytes:
    """Repeat one value in the newest 30 rows of a series."""
    places = [place for place, row in enumerate(rows) if len(source.series) == 1 or row[1] == source.series[0]][-30:]
    for place in places:
        rows[place] = (*rows[place][:-1], rows[places[0]][-1])
    return to_bytes(source, rows)


FAULTS = (
    Fault("late rows, within the warning level", ("load",), _drop_newest(1), behind=1),
    Fault("late rows, beyond the warning level", ("load",), _drop_newest(3), behind=3),
    Fault("late rows, beyond the error level", ("load", "own"), _drop_newest(8), behind=8),
    Fault("blank newest cells", ("load",), _blank_newest(2), behind=2),
    Fault("blank newest cell without a policy", ("shops",), _blank_newest(1), ("missing-cell",)),
    Fault("rewritten history", ("load", "shops", "close"), _rewrite_history),
    Fault("gap that may be filled", ("load",), _cut_gap(2)),
    Fault("gap too long to fill", ("load",), _cut_gap(5), ("gap-too-long",)),
    Fault("gap without a policy", ("shops",), _cut_gap(1), ("missing-steps",)),
    Fault("missing trading day", ("close",), _cut_gap(1)),
    Fault("duplicate timestamp", ("load", "shops", "close"), _repeat_newest, ("duplicate-timestamps",)),
    Fault("renamed column", ("load", "shops", "close"), _rename_column, ("no-such-column",)),
    Fault("empty file", ("load", "shops", "close"), lambda *given: b"", ("empty-file",)),
    Fault(
        "header alone",
        ("load", "shops", "close"),
        lambda source, rows, chance: to_bytes(source, []),
        ("only-header",),
    ),
    Fault("missing file", ("load", "shops", "close"), lambda *given: None, ("no-such-file",), days=2),
    Fault("half a last line", ("load", "close"), _cut_last_line, behind=1),
    Fault("half a last value", ("load",), _cut_last_value, behind=1),
    Fault("stuck sensor", ("load", "close"), _stick, ("constant-end",), days=2),
    Fault("stuck sensor of one series", ("shops",), _stick, ("constant-end",), refused=("a",)),
    Fault("value of 9,999,999", ("load", "close"), _replace_newest("9999999"), ("implausible-value",)),
    Fault(
        "value of 9,999,999 in one series",
        ("shops",),
        _replace_newest("9999999", 2),
        ("implausible-value",),
        refused=("a",),
    ),
    Fault("value of 9,999,999 before the window", ("load",), _replace_newest("9999999", 40)),
    Fault("text as newest value, which counts as missing", ("load",), _replace_newest("ERR"), behind=1),
    Fault("text as newest value", ("shops", "close"), _replace_newest("ERR"), ("not-a-number",)),
    Fault("file that does not grow", ("load", "shops", "close"), None, days=6),
)
