"""The header of a CSV: which line names the columns, whether it does, and what they are called."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from forecaster.data.dialect import AUTO, DELIMITERS, Dialect
from forecaster.errors import DataError
from forecaster.formats.number_formats import MISSING, TEXT, looks_numeric
from forecaster.formats.timestamp_formats import are_dates, parse_timestamps
from forecaster.problems import Problem

_INDEX = "index"  # what an index is called that was written without a name
_HEAD = 20  # rows by which it is found to hold dates
_SAMPLE = 200  # lines that a header is looked for in
_MOST_ABOVE = 30  # lines above it
_MOST_LABELS = 3  # rows of labels below it
_WHOLE_DATE = 6  # digits, at least
_STATED = re.compile(r'"?sep=([^\r\n])"?[ \t]*(?:\r|\n|$)', re.IGNORECASE)  # what Excel reads the delimiter from


def find_stated_delimiter(text: str) -> str | None:
    """Find the delimiter in a first line for Excel, `sep=;`; None where there is none."""
    found = _STATED.match(text)
    return found[1] if found else None


def count_lines_above(text: Iterable[str], dialect: Dialect) -> int:
    """Count the lines above the header: those of a title, where a header and rows of as many cells follow it."""
    lines = list(itertools.islice(text, _SAMPLE))
    if not isinstance(dialect.header, bool | str):
        return dialect.header - 1
    if lines and find_stated_delimiter(lines[0]):
        return 1
    if dialect.header != AUTO:
        return 0
    marks = DELIMITERS if dialect.delimiter == AUTO else [dialect.delimiter]
    found = [_count_above(lines, mark, dialect.comment) for mark in marks]
    return 0 if 0 in found else min((count for count in found if count is not None), default=0)


def _count_above(lines: Sequence[str], mark: str, comment: str | None) -> int | None:
    """Count the lines above a header that is cut by a mark; None where the mark cuts nothing, or no rows follow."""
    reader = csv.reader((line for line in lines), delimiter=mark)
    try:
        rows = [(reader.line_num - 1, row) for row in reader]
    except csv.Error:
        return None
    rows = [(line, row) for line, row in rows if any(map(str.strip, row))]
    rows = [(line, row) for line, row in rows if comment is None or not row[0].lstrip().startswith(comment)]
    if len(rows) < 3 or rows[0][1][0].startswith("#"):  # a title, a header and a row; lines that may be comments
        return None
    width = Counter(len(row) for _, row in rows[1:]).most_common(1)[0][0]
    if width < 2:
        return None
    first, widths = rows[0][1], {len(row) for _, row in rows[1:-1]}
    if _count_given(first) >= max(width // 2 + 1, 2) and len(first) >= width:
        return 0 if widths <= {len(first)} else None
    for number, (line, row) in enumerate(rows[: _MOST_ABOVE + 1]):
        if len(row) == width and _count_given(row[1:]) == width - 1:
            follow = all(len(below) == width for _, below in rows[number + 1 : -1]) and number + 2 <= len(rows)
            is_header = not any(map(_is_value, row)) and not any(other in row[0] for other in DELIMITERS)
            return line if follow and is_header and number else None
    return None


def _is_value(cell: str) -> bool:
    """Whether a cell is a number or a date, and not a year, which may be a name."""
    return _is_datum(cell.strip()) and not re.fullmatch(r"(?:1[6-9]|2[01])\d\d", cell.strip())


def _count_given(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def count_label_rows(columns: Mapping[str, pd.Series]) -> int:
    """Count the rows of labels, such as units, that come first: text where the columns hold numbers and dates below."""
    heads = [cells.iloc[: _HEAD + _MOST_LABELS] for cells in columns.values()]
    count, most = 0, min(_MOST_LABELS, len(heads[0]) - 1) if heads else 0
    while count < most and not any(_is_datum(cells.iloc[count]) for cells in heads):
        labels = [cells.iloc[count] for cells in heads if cells.iloc[count] and _are_data(cells.iloc[count + 1 :])]
        if not labels or any(text.lower() in MISSING for text in labels):
            break
        count += 1
    return count


def is_title(names: Sequence[str]) -> bool:
    """Whether the first row is rather a property of the table, such as `Station:,12345`, than its header."""
    return bool(names[0]) and (names[0].endswith(":") or any(map(_is_value, names)))


def name_by_labels(rows: Sequence[Sequence[str]]) -> list[str]:
    """Name columns by two rows, `Close/AAPL`, where the first repeats a name and the second has labels; else none."""
    names = [cell.strip() for cell in rows[0]]
    repeated = {name for name, count in Counter(filter(None, names)).items() if count > 1}
    if not repeated or len(rows) < _MOST_LABELS or len(rows[1]) != len(names) or any(map(_is_value, rows[1])):
        return []
    labels = [cell.strip() for cell in rows[1]]
    joined = [f"{name}/{label}" if name in repeated else name for name, label in zip(names, labels, strict=True)]
    return joined if len(set(joined)) == len(joined) else []


def _are_data(cells: pd.Series) -> bool:
    given = cells[cells != ""]
    return bool(len(given) and (looks_numeric(given).mean() > 0.5 or are_dates(given)))


def check_header(names: Sequence[str], where: str) -> None:
    """Raise `DataError` where the cells of a header are no names: all are numbers or dates.

    Those that count up, 0, 1, 2 or 2024, 2025, are names, and so are those next to an index without a name. A date
    next to a number is no name, whatever the other cells are, nor is a number that is repeated.
    """
    given = [name for name in names if name]
    if not names[0]:
        return
    # Each look at a name takes a millisecond, so most headers have to end at the first.
    repeated = any(_is_datum(name) for name, count in Counter(given).items() if count > 1)
    is_first = repeated or _is_datum(names[0])
    is_date = is_first and len(re.findall(r"\d", names[0])) >= _WHOLE_DATE
    others = any if is_date and len(given) > 1 else all  # that have to be data
    if not (repeated or (is_first and others(map(_is_datum, given[1:])))):
        return
    if all(map(str.isdecimal, given)) and not repeated:
        numbers = list(map(int, given))
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and (len(numbers) > 1 or numbers[0] <= 1):
            return
    repairs = ({"data.header": False}, {"data.header": True})
    raise DataError(Problem("header-is-data", where, detail={"names": list(map(repr, names))}, repairs=repairs))


def name_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Name the columns; an index of dates, which pandas writes without a name, is `index`."""
    first, *others = names
    head = pd.Series([row[0].strip() for row in rows[:_HEAD]], dtype=TEXT)
    return [_INDEX if not first and _INDEX not in others and are_dates(head) else first, *others]


def _is_datum(name: str) -> bool:
    cell = pd.Series([name], dtype=TEXT)
    return any(map(str.isdigit, name)) and bool(looks_numeric(cell).all() or not parse_timestamps(cell).wrong.any())
