"""The inputs of an exported network in addition to the values: covariates, calendar features, masks and categories."""

import csv
import math
from calendar import isleap, monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_EPOCH = datetime(1970, 1, 1)


class Table(NamedTuple):
    """The rows of one series.

    Attributes:
        values: of the series, the oldest first, NaN where one is missing, (steps,).
        columns: the cells of the other columns by name; with rows after the newest value for the steps ahead.
    """

    values: np.ndarray
    columns: Mapping[str, Sequence[str]] = {}


def read_table(path: str | Path, model: Mapping[str, Any], series: str) -> Table:
    """Read a CSV with commas.

    Where a network reads covariates or a calendar, its header names the columns as those of the training data. Else the
    values are the column that its first line names as the training data do, or else its last one.

    Raises:
        ValueError: a cell is no finite number, a line has more or fewer cells, or a column is missing.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        lines = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    for number, row in lines:
        if len(row) != len(lines[0][1]):
            raise ValueError(f"{path}:{number}: not as many cells as in the first line: {','.join(row)}")
    header, target = lines[0][1] if lines else [], model["series"].get(series, {}).get("column", "")
    if not model["columns"]:
        place = header.index(target) if target in header else -1
        begins = 1 if header and math.isnan(_parse_number(header[place])) else 0
        return Table(_parse_values(path, lines[begins:], place, model["masks"]))
    if absent := [name for name in (target, *model["columns"]) if name not in header]:
        raise ValueError(f"{path}: no column {', '.join(absent)}")
    place = header.index(target)
    known = max((number for number, (_, row) in enumerate(lines[1:], 1) if row[place].strip()), default=0)
    columns = {name: [row[header.index(name)] for _, row in lines[1:]] for name in model["columns"]}
    return Table(_parse_values(path, lines[1 : known + 1], place, model["masks"]), columns)


def _parse_values(
    path: str | Path, lines: Sequence[tuple[int, Sequence[str]]], place: int, may_lack: bool
) -> np.ndarray:
    """Parse the cells of one column, which may be blank where the network reads a mask."""
    found = [_parse_number(row[place]) for _, row in lines]
    for value, (number, row) in zip(found, lines, strict=True):
        if not math.isfinite(value) and not (may_lack and not row[place].strip()):
            raise ValueError(f"{path}:{number}: not a number: {row[place]!r} in {','.join(row)}")
    return np.array(found)


def _parse_number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def build_features(
    table: Table, model: Mapping[str, Any], scaler: Mapping[str, Any], length: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Build the features of the last `length` steps and of the horizon, (1, steps, features) each; None without any.

    In order: past covariates, future covariates, calendar, static covariates, scale and mask. The horizon has no past.
    """
    features = model["features"]
    if features is None:
        return None, None
    steps, horizon = len(table.values), model["horizon"]
    rows = slice(steps - length, steps + horizon)
    parts = [_encode_column(table, each, features, steps, 0)[rows] for each in features["past"]]
    past = sum(part.shape[1] for part in parts)
    parts = [np.pad(part, ((0, horizon), (0, 0))) for part in parts]
    parts += [_encode_column(table, each, features, steps, horizon)[rows] for each in features["future"]]
    if features["calendar"]:
        parts.append(build_calendar(_read_times(table, model, rows), features))
    constant = [encode([table.columns[each["name"]][-1]], each) for each in features["static"]]
    unit = scaler["scale"] or 1.0
    numbers = {"offset": math.asinh(scaler["offset"] / unit), "scale": math.log(unit)}
    constant += [encode([str(numbers[each["name"]])], each) for each in features["scale"]]
    parts += [np.repeat(row, length + horizon, axis=0) for row in constant]
    if features["mask"]:
        observed = ~np.isnan(table.values[steps - length :])
        parts.append(np.pad(observed, (0, horizon), constant_values=True)[:, None])
    found = np.concatenate(parts, axis=1).astype(np.float32)[None]
    return found[:, :length], found[:, length:, past:] if found.shape[2] > past else None


def encode_categories(table: Table, model: Mapping[str, Any], series: str) -> np.ndarray | None:
    """Encode the categories of a series, (1, categories) int32: itself, and its static ones; None without any."""
    if model["categories"] is None:
        return None
    (_, names), *others = model["categories"].items()
    cells = [(names, series), *((values, table.columns[name][-1]) for name, values in others)]
    return np.array([[values.index(cell) for values, cell in cells]], np.int32)


def encode(cells: Sequence[str], encoding: Mapping[str, Any]) -> np.ndarray:
    """Encode cells: (number - offset) / scale, (rows, 1), or one-hot categories, (rows, categories)."""
    if encoding["levels"] is None:
        numbers = np.array([_parse_number(cell) for cell in cells])
        return np.asarray((numbers - encoding["offset"]) / encoding["scale"])[:, None]
    return np.asarray(np.array(cells, object)[:, None] == np.array(encoding["levels"], object), float)


def _encode_column(
    table: Table, encoding: Mapping[str, Any], features: Mapping[str, Any], steps: int, horizon: int
) -> np.ndarray:
    """Encode the cells of the known steps and of those ahead, with what replaces missing ones, (steps, width).

    Raises:
        ValueError: a cell is missing, and nothing replaces it.
    """
    name = encoding["name"]
    cells: list[str] = [cell.strip() for cell in table.columns[name][: steps + horizon]]
    given = len(cells)
    cells += [""] * (steps + horizon - given)
    season = next(iter(features["seasons"]), 1)
    match features["missing"].get(name, "error"):
        case "none":
            blank = "" if encoding["levels"] is not None else "0"
            cells = [cell or blank for cell in cells[:given]] + cells[given:]
        case "seasonal":
            for phase in range(season):
                cells[phase::season] = _carry_forward(cells[phase::season])
            cells = _carry_forward(cells)
        case "last":
            cells = _carry_forward(cells)
    is_blank_known = encoding["levels"] is not None and "" in encoding["levels"]
    if not all(cells if not is_blank_known else cells[:given]) or given < steps:
        raise ValueError(f"{name}: a cell is missing; rows after the newest value hold the {horizon} steps ahead")
    return encode(cells, encoding)


def _carry_forward(cells: list[str]) -> list[str]:
    """Replace each blank cell by the last one before it, or by the first one that is not blank."""
    last, found = next((cell for cell in cells if cell), ""), []
    for cell in cells:
        last = cell or last
        found.append(last)
    return found


def _read_times(table: Table, model: Mapping[str, Any], rows: slice) -> list[Any]:
    """Read the timestamps of some rows as dates, or as the numbers of steps.

    Raises:
        ValueError: one is missing, or no date as 2026-01-31 or 2026-01-31 12:00.
    """
    cells = table.columns[model["time"]][rows]
    if len(cells) < rows.stop - rows.start:
        ahead = f"{model['horizon']} rows with the timestamps of the steps ahead"
        raise ValueError(f"{model['time']}: after the newest value, {ahead} are needed")
    counts = model["features"]["steps"] or {}
    return [int(cell) if counts.get("integers") else datetime.fromisoformat(cell) for cell in cells]


def build_calendar(times: Sequence[Any], features: Mapping[str, Any]) -> np.ndarray:
    """Build calendar features, (steps, features)."""
    rows = []
    for time in times:
        row: list[float] = []
        for name in features["calendar"]:
            if name.startswith("fourier."):
                row += _compute_fourier(_number_step(time, features["steps"]), name, features["seasons"])
            elif name == "weekend":
                row.append(float(time.weekday() >= 5))
            else:
                angle = 2 * math.pi * _PHASES[name](time)
                row += [math.sin(angle), math.cos(angle)]
        rows.append(row)
    return np.array(rows)


def _compute_fourier(number: int, name: str, seasons: Sequence[int]) -> Iterator[float]:
    """Compute the terms of `fourier.168.3`, or of `fourier.3` of all seasons; the last sine of half a season is 0."""
    *season, highest = (int(part) for part in name.split(".")[1:])
    for each in season or seasons:
        for order in range(1, highest + 1):
            angle = 2 * math.pi * (number * order % each) / each
            if 2 * order != each:
                yield math.sin(angle)
            yield math.cos(angle)


def _number_step(time: Any, counts: Mapping[str, Any]) -> int:
    """Count the steps from 1970 to a timestamp, in the unit of the series."""
    if "integers" in counts:
        return int(time)
    if "microseconds" in counts:
        microseconds: int = (time - _EPOCH) // timedelta(microseconds=1)
        return microseconds // int(counts["microseconds"])
    if "weekmask" in counts:
        return int(np.busday_count(_EPOCH.date(), time.date(), weekmask=counts["weekmask"])) // int(counts["every"])
    anchor = datetime.fromisoformat(counts["anchor"])
    months: int = 12 * (time.year - anchor.year) + time.month - anchor.month
    return int(counts["number"]) + months // int(counts["months"])


def _compute_week(time: datetime) -> float:
    """Compute the ISO 8601 week as a share of its year of 52 or 53 weeks; December 28 is always in the last one."""
    year, week, _ = time.isocalendar()
    return (week - 1) / date(year, 12, 28).isocalendar().week


_PHASES: Mapping[str, Callable[[datetime], float]] = {
    "minute": lambda time: time.minute / 60,
    "hour": lambda time: time.hour / 24,
    "weekday": lambda time: time.weekday() / 7,
    "day": lambda time: (time.day - 1) / monthrange(time.year, time.month)[1],
    "week": _compute_week,
    "month": lambda time: (time.month - 1) / 12,
    "quarter": lambda time: (time.month - 1) // 3 / 4,
    "yearday": lambda time: (time.timetuple().tm_yday - 1) / (365 + isleap(time.year)),
}
