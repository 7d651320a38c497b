"""The records of one CSV."""

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from forecaster.data.dialect import AUTO, Dialect
from forecaster.data.sources.decoding import Decoded
from forecaster.data.sources.header import check_header, name_by_labels
from forecaster.errors import DataError
from forecaster.problems import Problem

_CUT = 3  # different cells behind whole numbers, at least, that are no flag
_ENOUGH = 10  # rows before the last one that show how wide its last cell should be


@dataclass(frozen=True)
class CsvFile:
    """The records of one file that are not blank, the header first, which is made up where it has none.

    Attributes:
        lines: the last line of each record.
        rows, texts: the cells of each, and how they are written, line ends included.
        length: lines, blank ones and comments included.
    """

    name: str
    lines: list[int]
    rows: list[list[str]]
    texts: list[str]
    length: int
    notices: tuple[Problem, ...] = ()

    @property
    def names(self) -> list[str]:
        """The cells of the header."""
        return [cell.strip() for cell in self.rows[0]]


def parse_file(part: Decoded, name: str, dialect: Dialect, above: int, before: int) -> CsvFile:
    """Read the records of one file; raise `DataError` where it has none or is not rectangular.

    Args:
        above: lines above the header.
        before: lines between the header and the rows of a block of a file.
    """
    lines = list(io.StringIO(part.text, newline=""))[above:]
    try:
        numbers, rows, texts = _split_records(lines, dialect, '"' in part.text)
    except csv.Error as error:
        raise DataError(Problem("not-a-csv", name, detail={"reason": str(error)})) from None
    kept = [bool(row and row[0].strip()) or any(map(str.strip, row)) for row in rows]
    if not all(kept):
        numbers, rows = list(itertools.compress(numbers, kept)), list(itertools.compress(rows, kept))
        texts = list(itertools.compress(texts, kept))
    if not rows:
        raise DataError(Problem("empty-file", name))
    numbers = [number + above for number in numbers] if above else numbers
    if dialect.header is False:
        names = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
        numbers, rows, texts = [0, *numbers], [names, *rows], [f"{dialect.delimiter.join(names)}\n", *texts]
    elif names := name_by_labels(rows):
        rows, texts = [names, *rows[1:]], [write_record(names, dialect.delimiter), *texts[1:]]
    first = 1 + dialect.skip
    numbers = [numbers[0], *(number + before for number in numbers[first:])]
    rows, texts = [rows[0], *rows[first:]], [texts[0], *texts[first:]]
    file = _drop_half_written(CsvFile(name, numbers, rows, texts, above + len(lines)), part, dialect)
    if '"' in file.texts[-1] and _is_open(file.texts[-1], dialect):
        first = file.lines[-1] - file.texts[-1].count("\n") + file.texts[-1].endswith("\n")
        raise DataError(Problem("unclosed-quote", f"{name}:{first}"))
    if dialect.header == AUTO:
        check_header(file.names, f"{name}:{file.lines[0]}")
    _check_rectangular(file, dialect)
    return file


def write_record(cells: Iterable[str], delimiter: str = ",") -> str:
    """Write cells as a line of a CSV."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _split_records(lines: list[str], dialect: Dialect, quoted: bool) -> tuple[list[int], list[list[str]], list[str]]:
    """Split lines into records: of each the last of its lines, its cells and its text."""
    if dialect.comment is None and not quoted:
        return list(range(1, len(lines) + 1)), list(csv.reader(lines, delimiter=dialect.delimiter)), lines
    records = list(_split_quoted_records(lines, dialect))
    return [line for line, _, _ in records], [row for _, row, _ in records], [text for *_, text in records]


def _split_quoted_records(lines: list[str], dialect: Dialect) -> Iterator[tuple[int, list[str], str]]:
    """Read records that may have several lines, between lines that may be comments."""
    read: list[str] = []
    number = 0

    def skip_comments() -> Iterator[str]:
        nonlocal number
        for line in lines:
            number += 1
            if read or dialect.comment is None or not line.lstrip().startswith(dialect.comment):
                read.append(line)
                yield line

    for row in csv.reader(skip_comments(), delimiter=dialect.delimiter):
        yield number, row, "".join(read)
        read.clear()


def read_whole_lines(lines: Iterable[str], comment: str | None) -> Iterator[str]:
    """Read the lines from the header on, without a last one that has no end, unless that is the header."""
    first = True
    for line in lines:
        if not line.strip() or (comment is not None and line.lstrip().startswith(comment)):
            continue
        if first or line.endswith(("\n", "\r")):
            yield line
        first = False


def _drop_half_written(file: CsvFile, part: Decoded, dialect: Dialect) -> CsvFile:
    """Drop a last row that is half-written, with a notice."""
    text = file.texts[-1]
    if len(file.rows) < 2 or part.text.endswith(("\n", "\r")):
        return file
    if not (part.cut or ("\n" not in text and _is_open(text, dialect)) or _is_half_written(file)):
        return file
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    notice = Problem("incomplete-line", f"{file.name}:{file.lines[-1]}", detail={"text": shown})
    return CsvFile(file.name, file.lines[:-1], file.rows[:-1], file.texts[:-1], file.length, (notice,))


def _is_open(text: str, dialect: Dialect) -> bool:
    """Whether a record has a quote that is never closed."""
    try:
        list(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _is_half_written(file: CsvFile) -> bool:
    """Whether the last record is too short: in cells, or its last cell in characters or decimals."""
    width, cells, others = len(file.rows[0]), file.rows[-1], file.rows[1:-1]
    if len(cells) < width:
        return True
    if len(others) < _ENOUGH or len(cells) > width or any(len(row) < width for row in others):
        return False
    cell, lasts = cells[-1].rstrip(), [row[width - 1].rstrip() for row in others]
    return len(cell) < min(map(len, lasts)) or _count_decimals(cell) < min(map(_count_decimals, lasts))


def _count_decimals(cell: str) -> int:
    """Count the characters after the last point or comma."""
    return len(cell) - 1 - max(cell.rfind("."), cell.rfind(",")) if "." in cell or "," in cell else 0


def _check_rectangular(file: CsvFile, dialect: Dialect) -> None:
    names, rows = file.names, file.rows[1:]
    header, twice = f"{file.name}:{file.lines[0]}", sorted({name for name in names if name and names.count(name) > 1})
    problems = [Problem("duplicate-column", header, detail={"name": name}) for name in twice]
    if not rows:
        problems.append(Problem("only-header", file.name))
    if set(map(len, rows)) - {len(names)}:
        problems += _report_ragged(file, dialect)
    if not problems and dialect.delimiter == "," and "" in names[2:]:
        problems += _report_cut_numbers(file)
    if problems:
        raise DataError(problems)


def _report_ragged(file: CsvFile, dialect: Dialect) -> Iterator[Problem]:
    """Report rows that are too short or too long; cells behind the last named column may be empty."""
    names = file.names
    wrong = [at for at, row in enumerate(file.rows) if len(row) < len(names) or any(row[len(names) :])]
    if not wrong:
        return
    mark = {",": "comma", "\t": "tab"}.get(dialect.delimiter, f"'{dialect.delimiter}'")
    code, repairs = "ragged-row", tuple[Mapping[str, Any], ...]()
    if dialect.comment is None and names[0].startswith("#"):
        code, repairs = "commented-header", ({"data.comment": "#"},)
    elif len(names) == 1:
        code = "wrong-delimiter"
    where, found = f"{file.name}:{file.lines[wrong[0]]}", len(file.rows[wrong[0]])
    detail = {"found": found, "expected": len(names), "others": len(wrong) - 1, "mark": mark}
    yield Problem(code, where, detail=detail, repairs=repairs)


def _report_cut_numbers(file: CsvFile) -> Iterator[Problem]:
    """Report columns without a name that hold digits alone, behind one of whole numbers: `12,5` without quotes."""
    for place in range(2, len(file.names)):
        name = file.names[place - 1]
        cells = [(row[place - 1].strip(), row[place].strip()) for row in file.rows[1:]]
        given = [number for number, (_, digits) in enumerate(cells) if digits]
        if file.names[place] or not name or len({cells[number][1] for number in given}) < _CUT:
            continue
        if all(re.fullmatch(r"[+-]?\d+,\d+", ",".join(cells[number])) for number in given):
            where, cell = f"{file.name}:{file.lines[1 + given[0]]}", ",".join(cells[given[0]])
            yield Problem("cut-number", where, name, detail={"cell": cell})
