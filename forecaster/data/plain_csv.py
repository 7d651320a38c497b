"""One series of a plain CSV, read without pandas, which takes half of the time of a forecast to import.

A CSV is plain where nothing in it needs a decision: a column of ISO timestamps and one of numbers, every step there
once and in order, each a whole number of seconds long. `read` gives the same series for it, and reads all other files.
"""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.data.series import Series
from forecaster.data.sources.files import measure_size, read_bytes
from forecaster.data.time.rules import TimeRules
from forecaster.data.value_ranges import Domain
from forecaster.regular_files import is_pattern

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 4 << 20  # up to which reading line by line takes less time than importing pandas
_FEWEST_ROWS = 3
_SECONDS = {"s": 1, "min": 60, "h": 3600, "D": 86400}
_DAY = 86400
_TIMESTAMP = r"(?:1[89]|20)\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"
_NUMBER = r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?"
_USUAL: Mapping[str, Any] = {  # the keys of a `data` section with which a file may be plain
    **{"query": None, "series": None, "hierarchy": None, "layout": "columns", "skip": 0, "weekmask": None},
    **{"holidays": (), "tolerance": "0s", "timezone": None, "time_format": "auto", "last_bar": "keep"},
    **{"na_values": (), "encoding": "utf-8", "delimiter": ",", "decimal": ".", "thousands": "none", "header": True},
    **{"comment": None},
}


@dataclass(frozen=True)
class PlainSeries(Series):  # type: ignore[misc]  # the descriptor of its timestamps is no default
    """A series whose steps all last the same time: its timestamps need no pandas, unless they are asked for.

    Attributes:
        last: the timestamp of its last step.
        step: how long a step lasts.
    """

    last: datetime.datetime = datetime.datetime.min
    step: datetime.timedelta = datetime.timedelta(0)

    @property
    def last_timestamp(self) -> datetime.datetime:
        """The timestamp of its last step."""
        return self.last

    def list_future_timestamps(self, steps: int) -> Any:
        """List the timestamps of the `steps` steps after its last, as a list of datetimes."""
        return [self.last + number * self.step for number in range(1, steps + 1)]

    def find_times_ahead(self, steps: int, known: Any) -> tuple[datetime.datetime, Any]:
        """Find its last timestamp and those of the `steps` steps after it."""
        return self.last, self.list_future_timestamps(steps)

    def cut(self, first: int, last: int) -> Series:
        """Cut its steps from `first` to before `last`."""
        found = super().cut(first, last)
        if found is self:
            return self
        return replace(found, last=self.last - (len(self) - last) * self.step)  # type: ignore[call-arg]


def read_plain_csv(data: Mapping[str, Any], path: str, domains: Sequence[Domain], fewest: int) -> PlainSeries | None:
    """Read the series of a plain CSV; None where the file is not plain, so that `read_series` has to read it.

    Args:
        data: the values of a resolved `data` section.
        path: of the file.
        domains: that its numbers have to lie in.
        fewest: rows that it needs.
    """
    time, target, frequency = data["time"], data["target"], data["frequency"]
    usual = all(data[key] == value for key, value in _USUAL.items()) and data["unit"] in ({}, "auto")
    usual = usual and not any(data["covariates"].values())
    step = _find_step_seconds(frequency) if usual else None
    if step is None or not isinstance(time, str) or not isinstance(target, str):
        return None
    header, _, rows = _read_content(path).partition("\n")
    found = re.findall(f"({_TIMESTAMP}),({_NUMBER})\n", rows)
    if header != f"{time},{target}" or len(found) < max(fewest, _FEWEST_ROWS):
        return None
    texts, numbers = zip(*found, strict=True)
    if len(rows) != sum(map(len, texts)) + sum(map(len, numbers)) + 2 * len(found) or len({*map(len, texts)}) > 1:
        return None  # some rows are no such pair, or timestamps are written in two ways
    try:
        seconds = np.array(texts, "datetime64[s]").astype(np.int64)
    except ValueError:  # a day that its month does not have
        return None
    values = np.fromiter(map(float, numbers), float, len(numbers))
    if (
        seconds[0] % step
        or (np.diff(seconds) != step).any()
        or any(each.find_outside(values).any() for each in domains)
    ):
        return None
    first, last = (datetime.datetime.fromisoformat(text) for text in (texts[0], texts[-1]))
    rules, length = TimeRules.from_data(data), datetime.timedelta(seconds=step)
    timestamps = _delay_index(first, len(values), frequency)
    return PlainSeries(target, target, time, timestamps, values, frequency, rules=rules, last=last, step=length)


def _find_step_seconds(frequency: str) -> int | None:
    """Find how many seconds a step lasts; None where it is a part of a second, or where a calendar decides."""
    found = re.fullmatch(r"([1-9]\d{0,4})?(s|min|h|D)", frequency)
    step = int(found[1] or 1) * _SECONDS[found[2]] if found else 0
    return step if step and _DAY % step == 0 else None


def _read_content(path: str) -> str:
    """Read the text of one small file; empty where it is another one, or not ASCII."""
    size = None if is_pattern(path) else measure_size(path)
    if size is None or size > MOST_BYTES:
        return ""
    content = read_bytes(path)
    return content.decode().replace("\r\n", "\n") if content.isascii() else ""


def _delay_index(first: datetime.datetime, steps: int, frequency: str) -> "Callable[[], pd.Index]":
    """Return what makes the index of all timestamps when it is asked for."""

    def make() -> "pd.Index":
        import pandas as pd  # noqa: PLC0415

        return pd.date_range(first, periods=steps, freq=frequency)

    return make
