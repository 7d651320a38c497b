"""Numbers as timestamps: `202401`, `2024010106`, seconds since 1970, Excel's days, decimal years."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_NONE = np.datetime64("NaT")
_SECOND, _DAY = 10**6, 86_400 * 10**6  # microseconds
_EXCEL_ZERO = np.datetime64("1899-12-30", "D")  # day 0 of Excel, which takes 1900 for a leap year
_MONTHS_OF_FRACTION = 0.06  # months that a decimal year of two decimals may be off
_DAYS_OF_FRACTION = 0.1

Numbers = np.ndarray  # (rows,) int64, or float64 where the format takes fractions


class DigitFormat(NamedTuple):
    """A way to write timestamps in digits.

    Attributes:
        name: what `data.time_format` calls it.
        low, high: the numbers that are written so, the second one excluded.
        parse_number: from (rows,) numbers to (rows,) datetime64[us], NaT where one is no such timestamp; None where
            the digits are the fields of a date, which random numbers are not.
        years: the years that are plausible without another hint, the second one excluded.
        has_fractions: whether numbers may have a fraction.
    """

    name: str
    low: int
    high: int
    parse_number: Callable[[Numbers], np.ndarray] | None = None
    years: tuple[int, int] = (1800, 2100)
    has_fractions: bool = False

    @property
    def has_fields(self) -> bool:
        """Whether the digits are the fields of a date."""
        return self.parse_number is None


def _make_days(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Make dates, (rows,) datetime64[us], NaT for those that no calendar has."""
    known = (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + np.where(known, month, 1) - 1).astype("datetime64[M]")
    first, after = months.astype("datetime64[D]"), (months + 1).astype("datetime64[D]")
    known &= (day >= 1) & (day <= (after - first).astype(np.int64))
    days = first + np.where(known, day - 1, 0).astype("timedelta64[D]")
    return np.where(known, days.astype("datetime64[us]"), _NONE)


def _add_clock(days: np.ndarray, hour: np.ndarray, minute: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Add times of day to dates; 24:00:00 is the next midnight."""
    known = (minute < 60) & (second < 60) & ((hour < 24) | ((hour == 24) & (minute == 0) & (second == 0)))
    ticks = (hour * 3600 + minute * 60 + second) * _SECOND
    return np.where(known, days + ticks.astype("timedelta64[us]"), _NONE)


def make_quarters(year: np.ndarray, quarter: np.ndarray) -> np.ndarray:
    """Make the first days of quarters, NaT for those other than 1 to 4."""
    known = (quarter >= 1) & (quarter <= 4)
    return _make_days(year, np.where(known, 3 * quarter - 2, 0), np.ones_like(year))


def make_months(year: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Make the first days of months, NaT for those other than 1 to 12."""
    return _make_days(year, month, np.ones_like(year))


def make_weeks(year: np.ndarray, week: np.ndarray, weekday: np.ndarray | int = 1) -> np.ndarray:
    """Make the days of weeks as ISO 8601 counts them, Monday is 1; NaT for a week that a year does not have."""
    fourth = _make_days(year, np.ones_like(year), np.full_like(year, 4)).astype("datetime64[D]")  # is in week 1
    monday = fourth - ((fourth.astype(np.int64) + 3) % 7).astype("timedelta64[D]") + (7 * (week - 1))
    thursday_year = (monday + 3).astype("datetime64[Y]").astype(np.int64) + 1970
    days = monday + (np.asarray(weekday) - 1)
    known = (week >= 1) & (thursday_year == year) & (np.asarray(weekday) >= 1) & (np.asarray(weekday) <= 7)
    return np.where(known, days.astype("datetime64[us]"), _NONE)


def _make_days_of_year(year: np.ndarray, day: np.ndarray) -> np.ndarray:
    first, after = make_months(year, np.ones_like(year)), make_months(year + 1, np.ones_like(year))
    days = first + ((day - 1) * _DAY).astype("timedelta64[us]")
    return np.where((day >= 1) & (days < after), days, _NONE)


def _read_fields(name: str) -> Callable[[Numbers], np.ndarray]:
    """Make the function that reads the digits of year, month, day, hour, minute and second that a name has letters for.

    A year of two digits is of this century.
    """
    fields = [(letter, len(list(same))) for letter, same in itertools.groupby(name.replace("HHMM", "HHmm"))]

    def read(numbers: Numbers) -> np.ndarray:
        part: dict[str, np.ndarray] = {}
        for letter, width in reversed(fields):
            numbers, part[letter] = np.divmod(numbers, 10**width)
        year, one, zero = part["Y"] + (0 if "YYYY" in name else 2000), np.ones_like(numbers), np.zeros_like(numbers)
        if "Q" in part:
            return make_quarters(year, part["Q"])
        if "W" in part:
            return make_weeks(year, part["W"])
        if name.endswith("DDD"):
            return _make_days_of_year(year, part["D"])
        days = _make_days(year, part.get("M", one), part.get("D", one))
        return _add_clock(days, *(part.get(letter, zero) for letter in "HmS")) if "H" in part else days

    return read


def _count_from_1970(units: int, start: int = 0) -> Callable[[Numbers], np.ndarray]:
    """Make the function that reads numbers of which a second has `units`, and 1970 begins at `start`."""

    def read(numbers: Numbers) -> np.ndarray:
        numbers = numbers - start if start else numbers
        if numbers.dtype.kind == "f":
            ticks = np.round(numbers * (_SECOND / units)).astype(np.int64)
        elif units <= _SECOND:
            ticks = numbers * (_SECOND // units)
        else:
            ticks = numbers // (units // _SECOND)
        return ticks.astype("datetime64[us]")

    return read


def _read_excel_days(numbers: Numbers) -> np.ndarray:
    days = np.floor(numbers).astype(np.int64)
    rest = np.round((numbers - days) * 86_400).astype(np.int64)  # to the second, as Excel shows it
    return _EXCEL_ZERO.astype("datetime64[us]") + days * _DAY + rest * _SECOND


def _read_decimal_years(numbers: Numbers) -> np.ndarray:
    """Read 2024.25 as a month, from its start or its middle, where all numbers are near one; else as a day.

    R writes series so, 1949.083 for February; of numbers that are near no month or day all are NaT.
    """
    year = np.floor(numbers).astype(np.int64)
    fraction = numbers - year
    for middle in (0.0, 0.5):
        months = fraction * 12 - middle
        whole = np.round(months)
        if np.all(np.abs(months - whole) <= _MONTHS_OF_FRACTION):
            place = year * 12 + whole.astype(np.int64)
            return make_months(place // 12, place % 12 + 1)
    first, after = make_months(year, np.ones_like(year)), make_months(year + 1, np.ones_like(year))
    days = fraction * (after - first).astype("timedelta64[D]").astype(np.int64)
    whole = np.round(days)
    if not np.all(np.abs(days - whole) <= _DAYS_OF_FRACTION):
        return np.full(len(numbers), _NONE)
    return first + (whole.astype(np.int64) * _DAY).astype("timedelta64[us]")


_FROM_1970 = (1970, 2034)
_YEAR_OF_TICKS = 366 * 86_400 * 10**7  # of 100 nanoseconds, at most
# In the order in which they are named in messages.
DIGIT_FORMATS = {
    each.name: each
    for each in (
        DigitFormat("YYYY", 1000, 2200),
        DigitFormat("YYYYQ", 10001, 22005),
        DigitFormat("YYYYMM", 100001, 220013),
        DigitFormat("YYYYWW", 100001, 220054),
        DigitFormat("YYMMDD", 100101, 1_000_000),
        DigitFormat("YYYYDDD", 1000001, 2200367),
        DigitFormat("YYYYMMDD", 16000101, 22000101, years=(1600, 2200)),
        DigitFormat("DDMMYYYY", 1011000, 31122200),
        DigitFormat("MMDDYYYY", 1011000, 12312200),
        DigitFormat("YYYYMMDDHH", 1600010100, 2200010100, years=(1900, 2100)),
        DigitFormat("YYYYMMDDHHMM", 160001010000, 220001010000, years=(1900, 2100)),
        DigitFormat("YYYYMMDDHHMMSS", 16000101000000, 22000101000000, years=(1900, 2100)),
        DigitFormat("epoch_seconds", 10**8, 10**10, _count_from_1970(1), _FROM_1970, True),
        DigitFormat("epoch_milliseconds", 10**11, 10**13, _count_from_1970(10**3), _FROM_1970, True),
        DigitFormat("epoch_microseconds", 10**14, 10**16, _count_from_1970(10**6), _FROM_1970),
        DigitFormat("epoch_nanoseconds", 10**17, 9 * 10**18, _count_from_1970(10**9), _FROM_1970),
        *(
            DigitFormat(name, start, start + 65 * _YEAR_OF_TICKS, _count_from_1970(10**7, start), _FROM_1970)
            for name, start in (("dotnet_ticks", 621_355_968 * 10**9), ("windows_filetime", 116_444_736 * 10**9))
        ),
        DigitFormat("excel_days", 20000, 73051, _read_excel_days, (1954, 2100), True),
        DigitFormat("decimal_years", 1000, 2200, _read_decimal_years, has_fractions=True),
    )
}
EPOCHS = frozenset(name for name in DIGIT_FORMATS if name.startswith("epoch"))
STEPS = "steps"
_MOST_STEPS = 10**12


def parse_digits(numbers: Numbers, name: str) -> np.ndarray:
    """Parse (rows,) numbers in one format: datetime64[us], NaT where one has another; of steps float64, NaN."""
    if name == STEPS:
        return np.where((np.abs(numbers) < _MOST_STEPS) & (numbers == np.floor(numbers)), numbers, np.nan)
    form = DIGIT_FORMATS[name]
    inside = (numbers >= form.low) & (numbers < form.high)
    if not inside.any():
        return np.full(len(numbers), _NONE.astype("datetime64[us]"))
    parse = form.parse_number or _read_fields(name)
    if inside.all():
        return parse(numbers).astype("datetime64[us]")
    whole = np.full(len(numbers), _NONE.astype("datetime64[us]"))
    whole[inside] = parse(numbers[inside])
    return whole
