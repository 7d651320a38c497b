"""A frame as a CSV that the package reads, and settings as overrides of a config."""

import datetime
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from forecaster.atomic_files import write_atomically
from forecaster.data.sources.files import FRAME_FOLDER
from forecaster.errors import UsageError
from forecaster.problems import Problem, format_yaml

Frame = pd.DataFrame | pd.Series
_OFFSET = re.compile(r"UTC[+-]\d\d:\d\d")


@contextmanager
def hold_frame(frame: Frame) -> Iterator[Path]:
    """Write a frame to a CSV that exists as long as the context; messages call it `frame`.

    Raises:
        UsageError: it is no frame.
    """
    content = frame_to_csv(frame)
    with tempfile.TemporaryDirectory(prefix=FRAME_FOLDER) as folder:
        path = Path(folder) / "frame.csv"
        write_atomically(path, content)
        yield path


def frame_to_csv(frame: Frame) -> bytes:
    """Convert a frame to a CSV whose numbers read back exactly, with its index as columns unless it counts rows.

    Raises:
        UsageError: it is no frame.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("value" if frame.name is None else frame.name)
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(Problem("not-a-frame", detail={"received": type(frame).__name__}))
    index = frame.index
    if index.name is not None or not pd.api.types.is_integer_dtype(index.dtype):
        is_unnamed = index.nlevels == 1 and index.name is None and "time" not in frame.columns
        # A name that a column has, too, is reported as that of two columns is.
        frame = frame.reset_index(names="time" if is_unnamed else None, allow_duplicates=True)
    for number, kind in enumerate(frame.dtypes):
        if isinstance(kind, pd.PeriodDtype):
            frame = frame.copy(deep=False)
            frame.isetitem(number, frame.iloc[:, number].dt.to_timestamp())
    return frame.to_csv(index=False, lineterminator="\n").encode()


def frame_to_overrides(frame: Frame, settings: Mapping[str, Any] | None) -> list[str]:
    """Convert settings to overrides for a frame without a config, with the time zone of its timestamps.

    A CSV holds their offsets, of which days of 23 and 25 hours are no regular step.

    Raises:
        UsageError: as `settings_to_overrides`.
    """
    overrides, zone = settings_to_overrides(settings), _find_time_zone(frame)
    return overrides if zone is None else [f"data.timezone={zone}", *overrides]  # the last one counts


def _find_time_zone(frame: Frame) -> str | None:
    """Find the time zone of a frame's timestamps, by the name that `data.timezone` takes; None for UTC or several."""
    index = (
        frame.index if isinstance(frame, pd.DataFrame | pd.Series) else pd.Index([])
    )  # anything else is refused later
    levels = [index.get_level_values(number).dtype for number in range(index.nlevels)]
    columns = frame.dtypes.tolist() if isinstance(frame, pd.DataFrame) else []
    zones = {str(kind.tz) for kind in (*levels, *columns) if isinstance(kind, pd.DatetimeTZDtype)}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    return zone if zone in available_timezones() - {"UTC"} or _OFFSET.fullmatch(zone) else None


def settings_to_overrides(settings: Mapping[str, Any] | None, has_frame: bool = True) -> list[str]:
    """Convert settings such as `{"training.epochs": 5}` to what `--set` takes: `training.epochs=5`.

    Args:
        settings: keys with values; numbers of NumPy and timestamps are converted.
        has_frame: whether a frame is read, in place of `data.path` and `data.query`.

    Raises:
        UsageError: a setting names other data than the frame.
    """
    given = settings or {}
    data = given.get("data")
    named = {*given, *(f"data.{key}" for key in (data if isinstance(data, Mapping) else ()))}
    if has_frame and (other := sorted(named & {"data.path", "data.query"})):
        detail = {"expected": "no other data than the frame; leave this setting out"}
        raise UsageError(Problem("invalid-option", f"settings: {other[0]}", detail=detail))
    return [f"{key}={format_yaml(_to_plain(value))}" for key, value in given.items()]


def check_whole_number(name: str, value: Any, most: int = 100_000) -> None:
    """Check an argument that is None or a number of steps or folds.

    Raises:
        UsageError: it is no whole number from 1 to `most`.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if value is not None and not (is_whole and 1 <= value <= most):
        detail = {"expected": f"a whole number from 1 to {most:,}"}
        raise UsageError(Problem("invalid-option", f"{name}={value!r}", detail=detail))


def check_levels(levels: object) -> list[float] | None:
    """Check the levels of intervals, in percent.

    Raises:
        UsageError: they are no list of numbers from 0.001 to 99.999.
    """
    if levels is None:
        return None
    found: list[Any] = list(levels) if isinstance(levels, Iterable) and not isinstance(levels, str) else [levels]
    is_list = isinstance(levels, Iterable) and all(isinstance(each, Real) for each in found)
    if not is_list or not all(0.001 <= each <= 99.999 for each in found):
        detail = {"expected": "a list of percentages from 0.001 to 99.999, such as [80, 95]"}
        raise UsageError(Problem("invalid-option", f"levels={levels!r}", detail=detail))
    return [float(each) for each in found]


def _to_plain(value: Any) -> Any:
    """Convert a value of NumPy or a timestamp, or those in a list or a mapping, to one that YAML has."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, datetime.date):  # a timestamp of pandas is one
        return str(value)
    if isinstance(value, Mapping):
        return {key: _to_plain(each) for key, each in value.items()}
    return [_to_plain(each) for each in value] if isinstance(value, list | tuple) else value
