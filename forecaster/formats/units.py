"""What cells carry around their numbers: a currency, a unit, a multiplier, a minus in another form, a footnote mark.

Marks are read where all cells of a column agree; a cell that differs is left as it is, with the reason.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.formats.number_formats import APOSTROPHES, AUTO, INFINITE, SPACES, NaValues, is_missing

# Why a cell is no number; 0 where nothing speaks against it.
OTHER_UNIT, OTHER_MINUS, BOUND, UNCLEAR_SCALE = range(1, 5)

_MINUS = "\\-\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d"  # ASCII; minus sign, hyphens, dashes, small and wide hyphen
_CODES = (
    "USD|EUR|GBP|JPY|CHF|CNY|RMB|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|RUB|UAH|TRY|ILS|ZAR|BRL|MXN|ARS|CLP|COP|"
    "PEN|KRW|TWD|HKD|SGD|THB|IDR|MYR|PHP|VND|AED|SAR|EGP|NGN|KES|PKR|BTC|ETH"
)
_SIGNS = "$\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20ba\u20aa\u20ab\u20b4\u20a6\u20b1\u0e3f\u20bf\u20b5\u20b8"
_CURRENCY = rf"(?:(?:US|CA|AU|NZ|HK|NT|MX|[ACRS])?[{_SIGNS}]|Rs\.?|(?:{_CODES})(?![A-Za-z]))"
_DIGITS = rf"(?:[0-9][0-9.,{SPACES}{APOSTROPHES}]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_PLAIN = re.compile(rf"[+-]?{_DIGITS}")
_SCALES = {
    **dict.fromkeys(("K", "k", "thousand", "tsd", "Tsd", "Tsd."), "e3"),
    **dict.fromkeys(("M", "mn", "Mn", "MN", "mln", "Mln", "mio", "Mio", "Mio.", "million", "millions"), "e6"),
    **dict.fromkeys(("B", "bn", "Bn", "BN", "mrd", "Mrd", "Mrd.", "billion", "billions"), "e9"),
    **{"lakh": "e5", "lakhs": "e5", "crore": "e7", "crores": "e7"},
}
_LETTERS = {"K", "k", "M", "B"}  # behind a blank they may be units, such as kelvin
_SCALE = "|".join(re.escape(word) for word in sorted(_SCALES, key=len, reverse=True))
_LETTER = r"(?:[^\W\d_]|[23\u00b2\u00b3/\u00b7.^%\u00b0])"  # of a unit, such as m3/s
_UNIT = rf"(?:[^\W\d_]|[%\u2030\u00b0{_SIGNS}]){_LETTER}*(?:[ -]{_LETTER}+)*"
_NOTE = r"[*\u2020\u2021\u00a7]{1,3}|\[\w{1,3}\]"
_CELL = re.compile(
    rf"(?P<open>\()?\s*(?P<front>[+{_MINUS}])?\s*(?P<prefix>{_CURRENCY})?\s*(?P<second>[{_MINUS}])?\s*(?P<inner>\()?"
    rf"(?P<number>{_DIGITS})(?:(?P<scale>{_SCALE})(?!\w))?\s*(?P<unit>{_UNIT})??"
    rf"\s*(?P<behind>[{_MINUS}])?\s*(?P<close>\))?\s*(?P<last>{_UNIT})??\s*(?P<note>{_NOTE})?"
)
_BOUND = re.compile(r"(?:[<>\u2264\u2265\u2248~\u00b1]|ca\.?\s).*[0-9].*")
# Letters behind numbers that are times, dates, ordinals or kinds of things, and not units.
_NO_UNIT = re.compile(
    r"[ap]\.?m\.?|st|nd|rd|th|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)\b.*|"
    r"(?:of|to|x)\b.*",
    re.IGNORECASE,
)
_KIND = re.compile(r"[A-FIXa-fix]")  # a letter right behind the number: 5A
_USUAL = re.compile(rf"{_CURRENCY}.*|%|\u2030")


class _Parts(NamedTuple):
    """A cell taken apart.

    Attributes:
        number: as a plain cell has it, with its minus in front and an exponent for its multiplier.
        unit: what is before and behind it, none for a plain number.
        minus: how a negative number is written: `front`, `behind`, `brackets`; none where it is positive.
        scale: the multiplier; note: the footnote mark.
        unclear: whether the multiplier may be a unit.
    """

    number: str
    unit: str = ""
    minus: str = ""
    scale: str = ""
    note: str = ""
    unclear: bool = False


class Unmarked(NamedTuple):
    """A column of cells without their marks.

    Attributes:
        cells: numbers as plain cells have them; other cells as they are, (rows,).
        faults: why a cell is not read, (rows,) int8.
        unit: of all cells that are read.
        examples: a cell of each kind of mark, with its number as a plain cell has it.
    """

    cells: pd.Series
    faults: np.ndarray
    unit: str = ""
    examples: tuple[tuple[str, str], ...] = ()


def is_currency(unit: str) -> bool:
    """Whether a unit begins with a currency, whose amounts rarely have three decimals."""
    return re.match(_CURRENCY, unit) is not None


def has_plain_numbers(cells: pd.Series, na_values: NaValues = ()) -> bool:
    """Whether all cells that are given are numbers without marks, whatever their decimal mark."""
    if pd.to_numeric(cells, errors="coerce").notna().all():
        return True
    given = cells[~is_missing(cells, na_values)]
    return bool((pd.to_numeric(given, errors="coerce").notna() | given.str.fullmatch(_PLAIN)).all())


def has_numbers(cells: pd.Series) -> bool:
    """Whether most of some given cells are numbers with usual marks, or numbers with the same unit."""
    parts = [found for cell in cells if (found := _take_apart(cell))]
    usual = sum(not each.unit or _USUAL.fullmatch(each.unit) is not None for each in parts)
    same = max(Counter(each.unit for each in parts).values(), default=0)
    return 2 * max(usual, same) > len(cells)


def remove_marks(cells: pd.Series, na_values: NaValues = (), unit: str = AUTO) -> Unmarked:
    """Remove the marks of the numbers in a column, (rows,), where its cells agree in them.

    Args:
        unit: that all cells must have, none for plain numbers; `auto` takes what all have.
    """
    codes, texts = pd.factorize(cells)
    distinct = pd.Series(texts, dtype=cells.dtype)
    given = ~is_missing(distinct, na_values) & ~distinct.str.fullmatch(INFINITE).to_numpy(bool)
    if unit in {AUTO, ""} and distinct[given].str.fullmatch(_PLAIN).all():
        return Unmarked(cells, np.zeros(len(cells), np.int8))
    counts = np.bincount(codes, minlength=len(distinct))
    parts = {row: found for row in np.flatnonzero(given).tolist() if (found := _take_apart(distinct.iloc[row], unit))}
    faults = np.zeros(len(distinct), np.int8)
    bounds = [row for row in np.flatnonzero(given) if row not in parts and _BOUND.fullmatch(distinct.iloc[row])]
    faults[bounds] = BOUND
    expected = _find_unit(parts, counts * given) if unit == AUTO else unit
    minus = _find_minus(parts, counts)
    several = len({each.scale for each in parts.values() if each.scale}) > 1
    for row, each in parts.items():
        if each.unit != expected:
            faults[row] = OTHER_UNIT
        elif each.minus not in {"", minus}:
            faults[row] = OTHER_MINUS
        elif each.unclear and not several:
            faults[row] = UNCLEAR_SCALE
    read = {row: each for row, each in parts.items() if not faults[row]}
    bare = distinct.to_numpy(object, copy=True)
    for row, each in read.items():
        bare[row] = each.number
    unmarked = pd.Series(bare, dtype=cells.dtype).iloc[codes].set_axis(cells.index)
    marked = tuple(_find_examples(distinct, read))
    return Unmarked(unmarked, faults[codes], expected if read else "", marked)


def copy_marks(cells: pd.Series, unit: str) -> Callable[[str], str]:
    """Give what writes a plain number as the cells of a column are written: with their unit and their minus."""
    distinct = cells.drop_duplicates().reset_index(drop=True)
    parts = {row: found for row, cell in enumerate(distinct) if (found := _take_apart(cell, unit))}
    plain = (row for row, each in parts.items() if each.unit == unit and not (each.minus or each.scale or each.note))
    first = next(plain, None)
    example = f"0{unit}" if first is None else distinct.iloc[first]
    before, digits, after = re.split(f"({_DIGITS})", example, maxsplit=1)
    after = digits[len(digits.rstrip(SPACES)) :] + after
    minus = _find_minus(parts, np.ones(len(distinct)))

    def write(number: str) -> str:
        text = before + number.removeprefix("-") + after
        if not number.startswith("-"):
            return text
        return {"brackets": f"({text})", "behind": f"{text}-"}.get(minus, f"-{text}")

    return write


def _take_apart(cell: str, unit: str = AUTO) -> _Parts | None:
    """Take a cell apart; None where it is no number with marks. A stated `unit` is none of the multipliers."""
    if _PLAIN.fullmatch(cell):
        return _Parts(cell, minus="front" if cell.startswith("-") else "")
    if not (found := _CELL.fullmatch(cell)):
        return None
    part = {name: text or "" for name, text in found.groupdict().items()}
    brackets = part["open"] or part["inner"]
    signs = [name for name in ("front", "second", "behind") if part[name] and part[name] != "+"]
    if bool(brackets) != bool(part["close"]) or (part["open"] and part["inner"]) or (part["unit"] and part["last"]):
        return None
    if len(signs) + bool(brackets) + (part["front"] == "+") > 1:
        return None
    behind, scale = (part["unit"] or part["last"]).strip(), part["scale"]
    if scale and unit not in {AUTO, ""} and f"{part['prefix']}{scale}{behind}" == unit:
        behind, scale = unit, ""
    if "e" in part["number"].lower() and scale:
        return None
    blank = part["number"].endswith(tuple(SPACES))
    if behind and unit in {AUTO, ""} and (_NO_UNIT.fullmatch(behind) or (not blank and _KIND.fullmatch(behind))):
        return None
    if behind and not (behind[0].isalpha() or behind[0] in f"%\u2030\u00b0{_SIGNS}"):  # a raised digit
        return None
    minus = "brackets" if brackets else "behind" if part["behind"] else "front" if signs else ""
    number = ("-" if minus else "") + part["number"].rstrip(SPACES) + _SCALES.get(scale, "")
    alone = scale in _LETTERS and blank and not part["prefix"] and not behind
    return _Parts(number, part["prefix"] + behind, minus, scale, part["note"], alone)


def _find_unit(parts: dict[int, _Parts], counts: np.ndarray) -> str:
    """Find the unit that most cells have; one that is no currency has to be that of more than half."""
    most: Counter[str] = Counter()
    for row, each in parts.items():
        most[each.unit] += int(counts[row])
    usual = (
        unit for unit, count in most.most_common() if not unit or _USUAL.fullmatch(unit) or 2 * count > counts.sum()
    )
    return next(usual, "")


def _find_minus(parts: dict[int, _Parts], counts: np.ndarray) -> str:
    """Find how most negative numbers are written."""
    most: Counter[str] = Counter()
    for row, each in parts.items():
        most[each.minus] += int(counts[row])
    del most[""]
    return most.most_common(1)[0][0] if most else ""


def _find_examples(distinct: pd.Series, read: dict[int, _Parts]) -> Iterator[tuple[str, str]]:
    """Find the first cell of each kind of mark, with its number."""
    seen: set[tuple[str, str]] = set()
    for row, each in read.items():
        cell = str(distinct.iloc[row])
        minus = each.minus if each.minus and not cell.startswith("-") else ""
        kinds = {("unit", each.unit), ("minus", minus), ("scale", each.scale), ("note", each.note[:1])}
        if new := {(kind, text) for kind, text in kinds if text} - seen:
            seen |= new
            yield cell, each.number
