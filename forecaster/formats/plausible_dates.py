"""Which readings of digits are plausible: by their range, their step, and what the column is called."""

import re
from collections.abc import Mapping

import numpy as np

from forecaster.formats.digit_dates import DIGIT_FORMATS, STEPS, Numbers, parse_digits

_WHOLE = 0.9  # share of the cells that a format reads, at least: others are typing errors
_CLEAR = 0.75  # of the best share of full steps, which another reading has to reach to be an alternative
_LONG = 10**7  # numbers from which a valid date in every cell is no chance
_HALF = 0.5
_FEW = 3  # distinct numbers that show no step

# Words in the names of columns, in the languages of most exports.
_UNITS = {
    "YYYY": r"years?|yr|jahr|ann[eé]e?|a[nñ]o|anno|ano|jaar",
    "YYYYQ": r"quarters?|qtr|quartal|trimest\w*|yyyyq",
    "YYYYMM": r"months?|monat|mois|mes|m[eê]s|mese|maand|yyyymm|yearmonth|ym",
    "YYYYWW": r"weeks?|wk|woche|kw|semaine|semana|settimana|yyyyww|yearweek|yw",
}
_DATES = (
    r"dates?|datetime|dt|dte?day|times?|timestamps?|ts|ds|periods?|days?|datum|zeit|zeitpunkt|zeitstempel|tag|stichtag|"
    r"fecha|jour|giorno|dia|heure|hora|epoch|unix\w*|utc|hours?"
)
_COUNTERS = (
    r"ids?|no|nr|num|numbers?|nummer|numero|steps?|rows?|n|i|obs|observation|count(?:er)?|seq\w*|keys?|codes?|"
    r"receipts?|invoices?|orders?|tickets?|belege?|bon|zip|plz|phone|instant|account|customer|store|shop|item|sku"
)


def split_name(name: str) -> list[str]:
    """Split the name of a column into words: `orderDate`, `order_date` and `Order Date` alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.split(r"[\W_]+", spaced) if word]


def _has_word(words: str, name: str) -> bool:
    return any(re.fullmatch(words, word) for word in split_name(name))


def is_date_name(name: str) -> bool:
    """Whether a column is called date, time, or a unit of time."""
    return _has_word(_DATES, name) or bool(name_units(name)) or name.lower().endswith(("date", "time", "datum"))


def is_counter_name(name: str) -> bool:
    """Whether a column is called a number of something: `id`, `receipt`, `step`."""
    return not is_date_name(name) and (_has_word(_COUNTERS, name) or name.lower().endswith("id"))


def name_units(name: str) -> list[str]:
    """List the formats of the unit of time that a column is called by."""
    return [form for form, words in _UNITS.items() if _has_word(words, name)]


def find_plausible_formats(numbers: Numbers, name: str) -> list[str]:
    """Find how the first numbers of a column, (rows,) distinct in the order of the file, can be read.

    A reading is plausible where it makes dates of all numbers, within its range of years, and their step is as even
    as that of other readings. A column that is called a date or a unit of time is none of steps; one that is called
    a number of something is one of steps.

    Returns:
        The names of the formats; one where it is clear, `steps` where there is no other.
    """
    counted = parse_digits(numbers, STEPS)
    counts = not np.isnan(counted).any()
    if counts and is_counter_name(name) and _count_fullness(counted) >= _HALF:
        return [STEPS]
    dated = _find_dates(numbers, is_date_name(name))
    dated = {form: found for form, found in dated.items() if form in name_units(name)} or dated
    if not dated:
        return [STEPS]
    fullness = {form: _measure_fullness(found) for form, found in dated.items()}
    clear = is_date_name(name) or any(DIGIT_FORMATS[form].has_fields and numbers.min() >= _LONG for form in dated)
    if counts and not clear:
        fullness[STEPS] = _count_fullness(counted)
    best = max(fullness.values())
    return [form for form, full in fullness.items() if full >= _CLEAR * best]


def find_regular_dates(numbers: Numbers) -> list[str]:
    """Find the readings of a column's first numbers, distinct in the order of the file, as dates one step apart."""
    dated = _find_dates(numbers, named=False)
    return [
        form
        for form, found in dated.items()
        if len(found) >= _FEW and are_ordered(found.astype(np.int64)) and _measure_fullness(found) == 1.0
    ]


def are_ordered(numbers: Numbers) -> bool:
    """Whether numbers rise, or fall, throughout."""
    changes = np.diff(numbers)
    return bool((changes > 0).all() or (changes < 0).all())


def _find_dates(numbers: Numbers, named: bool) -> Mapping[str, np.ndarray]:
    """Parse numbers in each format that reads all of them, or almost all where none does, within its years."""
    found: dict[str, np.ndarray] = {}
    for name, form in DIGIT_FORMATS.items():
        if numbers.dtype.kind == "f" and not form.has_fractions:
            continue
        parsed = parse_digits(numbers, name)
        years = parsed[~np.isnat(parsed)].astype("datetime64[Y]").astype(np.int64) + 1970
        low, high = form.years
        inside = len(years) and ((name == "YYYY" and named) or (years.min() >= low and years.max() < high))
        if inside and len(years) >= _WHOLE * len(numbers):
            found[name] = parsed
    # A format whose digits are parts of a date may miss some cells, which are typing errors.
    return {
        name: parsed for name, parsed in found.items() if DIGIT_FORMATS[name].has_fields or not np.isnat(parsed).any()
    }


def _count_fullness(numbers: np.ndarray) -> float:
    """Measure the share of the numbers from the lowest to the highest that occur."""
    return len(numbers) / (float(numbers.max() - numbers.min()) + 1)


def _measure_fullness(timestamps: np.ndarray) -> float:
    """Measure the share of the steps from the first to the last timestamp that occur, of the most common step.

    It falls with the share of the numbers that are no timestamps, which are NaT.
    """
    read = timestamps.size
    timestamps = timestamps[~np.isnat(timestamps)]
    months = timestamps.astype("datetime64[M]")
    monthly = (timestamps == months.astype(timestamps.dtype)).all()
    places = np.unique(months.astype(np.int64) if monthly else timestamps.astype(np.int64))
    if len(places) < 2:
        return 1.0
    steps, counts = np.unique(np.diff(places), return_counts=True)
    occurring = len(places) / (float(places[-1] - places[0]) / float(steps[np.argmax(counts)]) + 1)
    # Of 29, 3, 1 and 29 days the most common step is longer than the mean, and more timestamps occur than fit.
    return len(timestamps) / read * min(1.0, occurring)
