"""Text as timestamps: ISO 8601, days and months in either order, names of months, quarters, weeks, fiscal years."""

import contextlib
import datetime
import functools
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from forecaster.formats.digit_dates import make_months, make_quarters, make_weeks

ISO = "ISO 8601"
_DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y-%m-%d", "%Y.%m.%d"),
    *("%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
    *("%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d.%b %Y", "%d. %b %Y", "%d%b%Y", "%b %d %Y", "%Y-%b-%d", "%Y %b %d"),
    *("%d %b %y", "%d-%b-%y", "%d/%b/%y", "%d%b%y"),
)
_MONTHS = (
    *("%b %Y", "%b-%Y", "%b/%Y", "%b%Y", "%Y %b", "%Y-%b", "%b %y", "%b-%y", "%b/%y", "%y-%b"),
    *("%m/%Y", "%m-%Y", "%m.%Y", "%Y/%m", "%Y.%m"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I %p", " %H")
FORMS = (*(date + time for date in _DATES for time in _TIMES), *_MONTHS)
# The forms that look alike.
_ORDERS = {"day_first": ("%d/%m", "%d-%m"), "month_first": ("%m/%d", "%m-%d"), "year_first": ("%y/%m/", "%y-%m-")}

# Zones and forecasts reach a little further than the cells, and Python's dates have the years 1 to 9999.
_FIRST, _LAST = (int(np.datetime64(date, "us").astype(np.int64)) for date in ("0100-01-01", "9000-01-01"))
_LAST_OF_TWO_DIGITS = 2039  # of a year of two digits; 69 to 99 are 1969 to 1999, and 40 to 68 either century
_WHOLE_DATE = 8  # characters, at least: 20260131
_PROBE = 20  # cells that are parsed in every form
_ORDERED = 10  # rows, at least, whose order shows where a year of two digits stands
_FISCAL_YEARS = 3  # rows by which 2000-01, 2001-02, ... are years

_NAMES = {
    1: "jan ene gen sty", 2: "feb fev fév", 3: "mar mär mrz maa", 4: "apr abr avr", 5: "may mai maj mag mei",
    6: "jun giu juin", 7: "jul lug juil", 8: "aug ago aoû aou", 9: "sep set", 10: "oct okt out ott",
    11: "nov", 12: "dec dez déc dic",
}  # fmt: skip
_ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_OF = {name: _ENGLISH[month - 1] for month, names in _NAMES.items() for name in names.split()}
_WEEKDAYS = r"(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? "
_INTERVAL = r"(?P<begin>\S.{3,}?)(?:\s+(?:-|–|—|to|bis)\s+|(?<=\d\d|\dZ)/(?=\d{4}-\d\d-\d\dT))(?P<end>\S.{3,})"
_MIDNIGHT = r"[ T]24[:.]00(?:[:.]00)?(?:\.0+)?"
_OFFSET = r"(?<=:\d\d)(?:\.\d+)? ?(?P<offset>[+-]\d\d:?\d\d)"

_WITH_OFFSET = r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"


class Reading(NamedTuple):
    """Cells parsed in one way: NaT where one has another format, (rows,); `others` read all of them differently."""

    way: str
    parsed: pd.Series
    others: tuple[str, ...] = ()


def read_written(cells: pd.Series, way: str) -> pd.Series:
    """Parse (rows,) cells in one way, NaT where one has another format or its year is out of range."""
    read = _READERS.get(way) or functools.partial(_read_form, way=way)
    # Nothing stands around timestamps: the usual case, and fast.
    if read(cells.iloc[:_PROBE]).notna().all() and "".join(cells.dropna().tolist()).isascii():
        parsed = read(cells)
        if parsed.notna().all():
            return _keep_years(parsed)
    texts = _Texts.strip(cells)
    return _keep_years(read(cells) if texts.is_plain else texts.finish(read(texts.begins), read))


def choose_written(cells: pd.Series, head: int, date_order: str) -> Reading:
    """Find the way in which all cells, or most, can be read, by the first `head` of them; the cells are distinct."""
    first = cells.iloc[:head]
    ways = [ISO, *_find_candidates(first, date_order)]
    readings = {way: read_written(first, way) for way in ways}
    most = max(int(each.notna().sum()) for each in readings.values())
    readings = {way: each for way, each in readings.items() if int(each.notna().sum()) == most}
    if len(first) < len(cells):
        readings = {way: read_written(cells, way) for way in readings}
    whole = {way: each for way, each in readings.items() if each.notna().all()}
    if not whole:
        chosen = max(readings, key=lambda way: readings[way].notna().sum())
        return Reading(chosen, readings[chosen])
    if {ISO, "fiscal_years"} <= whole.keys() and len(cells) >= _FISCAL_YEARS:
        del whole[ISO]  # months that are all a year and a month apart
    chosen, *others = _drop_disordered({way: each.iloc[:head] for way, each in whole.items()})
    return Reading(chosen, whole[chosen], tuple(way for way in others if not whole[way].equals(whole[chosen])))


def _drop_disordered(readings: Mapping[str, pd.Series]) -> list[str]:
    """Drop the ways with the year first, or those with it last, of which none puts the rows in order of time."""
    ways = list(readings)
    first = [way for way in ways if find_date_order(way) == "year_first"]
    last = [way for way in ways if way not in first]
    if not (first and last) or len(readings[ways[0]]) < _ORDERED:
        return ways
    ordered = [way for way, each in readings.items() if each.is_monotonic_increasing or each.is_monotonic_decreasing]
    kept = [group for group in (first, last) if set(group) & set(ordered)] or [first, last]
    return [way for way in ways if any(way in group for group in kept)]


def find_date_order(way: str) -> str | None:
    """Return `day_first`, `month_first` or `year_first` where a way to write dates is one of those that look alike."""
    return next((order for order, begins in _ORDERS.items() if way.startswith(begins)), None)


def are_within_years(timestamps: pd.Series | pd.DatetimeIndex) -> np.ndarray:
    """Find those of a year that calendars can compute with, (rows,) bool."""
    ticks = pd.DatetimeIndex(timestamps).as_unit("us").asi8
    return (ticks >= _FIRST) & (ticks < _LAST)


def _keep_years(parsed: pd.Series) -> pd.Series:
    return parsed.where(are_within_years(parsed))


def _find_candidates(head: pd.Series, date_order: str) -> list[str]:
    """Find the ways whose parts are those of most of some cells, in the order in which they are preferred."""
    probe = _Texts.strip(head.iloc[:: -(-len(head) // _PROBE)]).begins.dropna()
    cells = [cell for cell in probe if any(map(str.isdigit, cell))]
    if 2 * len(cells) < len(probe) or not cells:
        return []
    series = pd.Series(cells, dtype=head.dtype)
    written = "\n".join(cells)
    counts = {
        way: int(read(series).notna().sum()) if re.search(_MARKS[way], written, re.MULTILINE) else 0
        for way, read in _PATTERNS.items()
    }
    marks = {_find_marks(cell) for cell in cells}
    for way in FORMS:
        if _MARKS_OF_FORMS[way] in marks and (date_order == "auto" or find_date_order(way) in {None, date_order}):
            counts[way] = sum(map(bool, map(_compile(way).fullmatch, cells)))
    most = max(counts.values())
    return [way for way, count in counts.items() if 2 * count >= most > 0]


def _find_marks(text: str) -> frozenset[str]:
    """Find what is neither a letter nor a digit in a text; a form reads only cells with the marks that it has."""
    return frozenset(each for each in text if not each.isalnum())


# To compile all forms takes longer than to read a small file.
_MARKS_OF_FORMS = {way: _find_marks(way.replace("%", "")) for way in FORMS}


@functools.cache
def _compile(way: str) -> re.Pattern[str]:
    """Compile the pattern of the cells that a form of `strptime` may read."""
    return re.compile(re.sub("%([a-zA-Z])", lambda found: _CODES[found[1]], re.escape(way).replace(r"\ ", " ")))


_CODES = {
    **dict.fromkeys("dmHI", "[0-9]{1,2}"),
    **{"Y": "[0-9]{4}", "y": "[0-9]{2}", "b": "[A-Z][a-z]{2}", "M": "[0-9]{2}", "S": "[0-9]{2}", "f": "[0-9]{1,9}"},
    "p": "[AP]M",
}


def _read_iso(cells: pd.Series) -> pd.Series:
    """Read ISO 8601, in the offset from UTC that the cells carry, or in UTC where they carry several.

    A time without an offset among times that have one is none: nobody knows its zone.
    """
    lengths, months = cells.str.len(), cells.str.fullmatch(r"\d{4}-\d\d?")
    parsed = None
    with contextlib.suppress(ValueError):  # offsets that differ, as over a change to summer time
        parsed = pd.to_datetime(cells, format="ISO8601", errors="coerce")
    if parsed is None or parsed.dtype.kind != "M":
        parsed = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
        parsed = parsed.where(cells.str.contains(_WITH_OFFSET, na=False))
    # A year or a month alone is a timestamp among others of its kind.
    alone = months if months.mean() > 0.5 else lengths == lengths.median()
    return parsed.where((lengths >= _WHOLE_DATE) | alone)


def _read_form(cells: pd.Series, way: str) -> pd.Series:
    """Read a form of `strptime`; a year of two digits that may be of either century is none."""
    parsed = pd.to_datetime(cells, format=way, errors="coerce")
    if "%y" not in way or parsed.isna().all():
        return parsed
    digits = r"(?:^|[^0-9])[0-9]{2}" if way.startswith("%y") else r"[0-9]{2}"
    return parsed.where((parsed.dt.year <= _LAST_OF_TWO_DIGITS) & cells.str.contains(digits))


class _Texts(NamedTuple):
    """Cells without what may stand around a timestamp, and what it means.

    Attributes:
        begins: (rows,) what is left to parse, NaN where a cell lacks what the first one has.
        ends: the ends of intervals; None where the cells are none.
        shifts: (rows,) what to add, for midnights that are written as 24:00 and for offsets from UTC.
        zone: of the sum; None where the cells name none.
        is_plain: whether nothing was removed.
    """

    begins: pd.Series
    ends: pd.Series | None
    shifts: pd.Series | None
    zone: datetime.tzinfo | None
    is_plain: bool

    @classmethod
    def strip(cls, cells: pd.Series) -> "_Texts":
        """Remove intervals, zones and 24:00, and write months and times of day in one way."""
        written = "\n".join(cells.dropna().tolist())
        begins, ends, shifts, zone = cells, None, None, None
        if re.search(rf"^{_INTERVAL}$", written, re.MULTILINE):
            parts = cells.str.extract(rf"^{_INTERVAL}$")
            begins, ends = parts["begin"].astype(cells.dtype), _tidy(parts["end"].astype(cells.dtype))
        if re.search(r"(?:UTC|GMT)\)?$", written, re.MULTILINE):
            begins = begins.str.extract(r"^(.*\d) ?\(?(?:UTC|GMT)\)?$", expand=False).astype(cells.dtype)
            zone = datetime.UTC
        elif re.search(rf"^[^T\n]*{_OFFSET}$", written, re.MULTILINE):
            found = begins.str.extract(rf"^(.*?){_OFFSET}$")
            begins, offsets = found[0].astype(cells.dtype), found["offset"].str.replace(":", "")
            minutes = pd.to_numeric(offsets.str[1:3]) * 60 + pd.to_numeric(offsets.str[3:])
            shifts = pd.to_timedelta(minutes.where(offsets.str[0] == "-", -minutes), unit="min")
            zone = datetime.UTC if len(shifts.unique()) > 1 else datetime.timezone(-shifts.iloc[0].to_pytimedelta())
        if re.search(rf"{_MIDNIGHT}$", written, re.MULTILINE):
            late = begins.str.contains(rf"{_MIDNIGHT}$", na=False)
            begins = begins.str.replace(rf"{_MIDNIGHT}$", " 00:00", regex=True)
            if begins[~late].str.fullmatch(r".*\d:\d\d:\d\d").any():
                begins = begins.where(~late, begins + ":00")
            days = pd.to_timedelta(late.astype(int), unit="D")
            shifts = days if shifts is None else shifts + days
        tidied = _tidy(begins)
        return cls(tidied, ends, shifts, zone, tidied is cells)

    def finish(self, parsed: pd.Series, read: Callable[[pd.Series], pd.Series]) -> pd.Series:
        """Add the shifts and the zone; an interval that does not end after it begins is no timestamp."""
        if self.ends is not None:
            clocks = self.ends.str.fullmatch(r"\d{1,2}:\d\d(?::\d\d)?(?: [AP]M)?", na=False)
            ends = read(self.ends.where(~clocks))
            parsed = parsed.where(clocks | (ends > parsed)) if ends.dtype == parsed.dtype else parsed.where(clocks)
        if self.shifts is not None and parsed.dtype.kind == "M":
            parsed = parsed + self.shifts
        if self.zone is not None and isinstance(parsed.dtype, np.dtype):
            parsed = parsed.dt.tz_localize(datetime.UTC).dt.tz_convert(self.zone)
        return parsed


def _tidy(cells: pd.Series) -> pd.Series:
    """Write the names of months as `Jan`, times of day as `13:45 PM`, and one blank between parts."""
    written = "\n".join(cells.dropna().tolist())
    if not written.isascii():  # digits of other scripts are not read
        cells = cells.where(~cells.str.contains(r"(?![0-9])\d", na=False))
    for found, pattern, replacement in _TIDY:
        if re.search(found, written, re.MULTILINE):
            cells = cells.str.replace(pattern, replacement, regex=True)
    return cells


def _write_half_day(found: re.Match[str]) -> str:
    return f"{found[1]} {found[2].upper()}M"


def _write_month(found: re.Match[str]) -> str:
    """Write the name of a month in English; other words stay as they are."""
    word = found[1].lower()
    plain = unicodedata.normalize("NFC", word)
    return _MONTH_OF.get(plain[:4]) or _MONTH_OF.get(plain[:3]) or found[0]


def _write_clock(found: re.Match[str]) -> str:
    return f" {found[1]}:{found[2]}" + (f":{found[3]}" if found[3] else "")


_TIDY: tuple[tuple[str, str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^[^\W\d_]{2}", rf"^{_WEEKDAYS}", ""),
    (r"[0-9](?:st|nd|rd|th)\b", r"(?<=[0-9])(?:st|nd|rd|th)\b", ""),
    (r"[0-9] ?[AaPp]\.?\s?[Mm]\.?$", r"([0-9])\s*([AaPp])\.?\s?[Mm]\.?$", _write_half_day),
    (r"[^\W\d_]{3}", r"([^\W\d_]{3,})\.?", _write_month),
    (r"[0-9]T[0-9]", r"(?<=[0-9])T(?=[0-9])", " "),
    (r",|[^\S\n]{2}|[^\S \n]", r",?\s+|,", " "),
    (r"[0-9]{4}:[0-9]{2}:", r"(?<=[0-9]{4}):(?=[0-9]{2}:)", " "),
    (r" [0-9]{1,2}[.h][0-9]{2}(?:\.|$)", r" ([0-9]{1,2})[.h]([0-9]{2})(?:\.([0-9]{2}))?$", _write_clock),
)


def _extract(cells: pd.Series, *patterns: str) -> pd.DataFrame:
    """Extract the named numbers of the first pattern that matches each cell: (rows, names) float64, NaN without any."""
    found = pd.DataFrame(index=cells.index)
    for pattern in patterns:
        parts = cells.str.extract(f"^(?:{pattern})$").apply(pd.to_numeric).astype(float)
        found = found.combine_first(parts)
    return found


def _read_parts(cells: pd.Series, make: Callable[..., np.ndarray], names: tuple[str, ...], *patterns: str) -> pd.Series:
    """Read numbers in cells, the first of them a year, which may have two digits."""
    parts = _extract(cells, *patterns)
    known = parts[list(names)].notna().all(axis=1).to_numpy()
    parsed = np.full(len(cells), np.datetime64("NaT", "us"))
    if known.any():
        year, *others = (parts.loc[known, name].to_numpy().astype(np.int64) for name in names)
        short = year < 100
        year = np.where(short, year + np.where(year <= _LAST_OF_TWO_DIGITS % 100, 2000, 1900), year)
        sure = ~short | (year <= _LAST_OF_TWO_DIGITS) & ((year < 1940) | (year >= 1969))
        parsed[known] = np.where(sure, make(year, *others), np.datetime64("NaT"))
    return pd.Series(parsed, cells.index)


def _read_named_months(cells: pd.Series) -> pd.Series:
    return _read_parts(cells, make_months, ("y", "m"), r"(?P<y>[0-9]{4})[-: ]?M(?P<m>[0-9]{1,2})")


def _read_weeks(cells: pd.Series) -> pd.Series:
    week = r"(?:W|KW|CW|Wk|Week) ?(?P<w>[0-9]{1,2})"
    forms = (rf"(?P<y>[0-9]{{4}})[-: ]?{week}(?:-?(?P<d>[1-7]))?", rf"{week}[-/ ]?(?P<y>[0-9]{{4}})")
    parts = _extract(cells, *forms)
    parts["d"] = parts["d"].fillna(1)
    texts = pd.Series(np.where(parts["y"].notna(), cells, ""), cells.index, cells.dtype)
    days = parts["d"].to_numpy().astype(np.int64) - 1
    mondays = _read_parts(texts, make_weeks, ("y", "w"), *forms)
    return mondays + pd.Series(days.astype("timedelta64[D]"), cells.index)


def _read_quarters(cells: pd.Series) -> pd.Series:
    year, quarter = r"(?P<y>[0-9]{4})", r"(?:Q|T|QTR) ?(?P<q>[1-4])"
    either = r"'?(?P<y>[0-9]{4}|[0-9]{2})"
    forms = (rf"{year}[-:/ .]?{quarter}", rf"{quarter}[-:/ .]?{either}", rf"(?P<q>[1-4])[QT][-/ ]?{either}")
    return _read_parts(cells, make_quarters, ("y", "q"), *forms)


def _read_fiscal_years(cells: pd.Series) -> pd.Series:
    """Read 2000-01, 2000/01, FY2000 or 2000-2001 as the year that begins."""
    pattern = r"^(?P<fy>FY ?)?(?P<first>[0-9]{4})(?:[-/–](?P<last>[0-9]{4}|[0-9]{2}))?$"
    parts = cells.str.extract(pattern)
    first, last = pd.to_numeric(parts["first"]), pd.to_numeric(parts["last"])
    follows = (last == first + 1) | (last == (first + 1) % 100) & (parts["last"].str.len() == 2)
    known = (follows | parts["fy"].notna() & last.isna()).to_numpy(bool, na_value=False)
    parsed = np.full(len(cells), np.datetime64("NaT", "us"))
    years = first.to_numpy(float)[known].astype(np.int64)
    parsed[known] = (years - 1970).astype("datetime64[Y]").astype("datetime64[us]")
    return pd.Series(parsed, cells.index)


_PATTERNS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "months": _read_named_months,
    "weeks": _read_weeks,
    "quarters": _read_quarters,
    "fiscal_years": _read_fiscal_years,
}
_READERS = {ISO: _read_iso, **_PATTERNS}
# What every cell of a pattern has: to search for it costs a thousandth of reading twenty cells.
_MARKS = {
    "months": "M[0-9]",
    "weeks": "W(?:k|eek)? ?[0-9]",
    "quarters": "(?:[QT]|QTR) ?[1-4]|[1-4][QT]",
    "fiscal_years": "^(?:FY|[0-9]{4}[-/–][0-9]{2,4}$)",
}
