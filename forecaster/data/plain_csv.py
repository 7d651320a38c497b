"""One series of a plain CSV, read without pandas, which takes half of the time of a forecast to import.

A CSV is plain where nothing in it needs a decision: a column of ISO timestamps and one of numbers, every step there
once and in order, each as long as the others or whole months long. The other paths give the same series for it.
"""

import re
from dataclasses import replace

import numpy as np

from forecaster.data.dialect import AUTO, USUAL, Dialect
from forecaster.data.options import Reading
from forecaster.data.panel import Panel
from forecaster.data.sources.source import Source
from forecaster.formats.grouped_digits import may_group_thousands
from forecaster.time.grid import Grid, find_alias, lists_steps

_FEWEST_ROWS = 3
_TIMESTAMP = r"(?:1[89]|20)\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"
_NUMBER = r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?"
_NAME = r"[^\W\d_][^\d,;|\t\"]*"  # of a column, which nobody takes for a value


def read_plain_csv(source: Source, reading: Reading, dialect: Dialect) -> Panel | None:
    """Read the series of a plain CSV; None where the source is none, so that the other paths have to read it.

    Args:
        source: of which only a single small file that is not packed can be plain.
        reading: what is asked of it.
        dialect: what is stated of how it is written.
    """
    content = source.content if _is_usual(reading, dialect) else None
    if content is None or not content.isascii():
        return None
    header, _, rows = content.decode().replace("\r\n", "\n").partition("\n")
    names = [name.strip() for name in header.split(",")]
    found = re.findall(f"({_TIMESTAMP}),({_NUMBER})\n", rows)
    if not _is_plain_header(names, reading, dialect) or len(found) < _FEWEST_ROWS:
        return None
    texts, numbers = zip(*found, strict=True)
    if len(rows) != sum(map(len, texts)) + sum(map(len, numbers)) + 2 * len(found) or len({*map(len, texts)}) > 1:
        return None  # some rows are no such pair, or timestamps are written in two ways
    try:
        stamps = np.array(texts, "datetime64[s]")
    except ValueError:  # a day that its month does not have
        return None
    frequency = find_alias(stamps) if reading.frequency == AUTO else reading.frequency
    values = np.fromiter(map(float, numbers), float, len(numbers))
    if AUTO in (dialect.decimal, dialect.thousands) and may_group_thousands(numbers):
        return None
    is_outside = any(domain.find_outside(values).any() for domain in reading.domains)
    if frequency is None or is_outside or not lists_steps(stamps, frequency):
        return None
    time, target = names
    grid, ends = Grid(stamps[0], len(stamps), frequency), np.array([len(stamps)])
    return Panel((target,), (target,), time, frequency, grid, ends, values, reading.rules)


def _is_usual(reading: Reading, dialect: Dialect) -> bool:
    """Whether nothing is asked for but roles, a frequency and policies, which change nothing in a plain CSV."""
    roles = isinstance(reading.time, str) and isinstance(reading.target, str) and reading.target != "*"
    rules = replace(reading.rules, max_gap=None, season=None, date_order=AUTO)
    rest = replace(reading, time=AUTO, target=AUTO, frequency=AUTO, rules=rules, domains=(), late=None)
    rest = replace(rest, gaps="error", duplicates="error", invalid_values="error", allows_longer_step=False)
    is_dialect_usual = all(value in (AUTO, vars(USUAL)[name]) for name, value in vars(dialect).items())
    return roles and rest == Reading() and is_dialect_usual


def _is_plain_header(names: list[str], reading: Reading, dialect: Dialect) -> bool:
    """Whether a header has the two names that are asked for; those that are found have to be names beyond doubt."""
    asked = [reading.time, reading.target]
    if len(names) != len(asked) or names[0] == names[1]:
        return False
    if AUTO not in asked and dialect.header is True:
        return names == asked
    if reading.time == AUTO and "ds" in map(str.lower, names):
        return False  # `ds`, `y` and `unique_id` have roles, which are reported
    pairs = zip(names, asked, strict=True)
    return all(wanted in {AUTO, name} and re.fullmatch(_NAME, name) is not None for name, wanted in pairs)
