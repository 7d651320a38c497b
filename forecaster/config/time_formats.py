"""The names of the formats that `data.time_format` takes; `formats/timestamp_formats.py` reads them."""

import datetime
import re

from forecaster.config.invalid_value import InvalidValue
from forecaster.config.reader import find_nearest_name

TIME_FORMATS = (
    *("YYYY", "YYYYQ", "YYYYMM", "YYYYWW", "YYMMDD", "YYYYDDD", "YYYYMMDD", "DDMMYYYY", "MMDDYYYY"),
    *("YYYYMMDDHH", "YYYYMMDDHHMM", "YYYYMMDDHHMMSS"),
    *("epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "epoch_nanoseconds"),
    *("dotnet_ticks", "windows_filetime"),
    *("excel_days", "decimal_years", "steps"),
    *("ISO 8601", "months", "weeks", "quarters", "fiscal_years"),  # text
    *("clock", "hours_1_24", "periods_1_48", "periods_0_47", "periods_1_96", "periods_0_95"),  # behind a date
)
_EXPECTED = "auto, a format such as YYYYMM, epoch_seconds or steps, or one such as %d/%m/%y"


def check_time_format(value: object) -> InvalidValue | None:
    """Return the error of a value that is no format; None where it is one."""
    if value == "auto" or value in TIME_FORMATS:
        return None
    if not isinstance(value, str):
        return InvalidValue(_EXPECTED)
    if re.search("%[YyG]", value):
        example = datetime.datetime(2026, 1, 31, 13, 45, tzinfo=datetime.UTC)
        try:
            datetime.datetime.strptime(example.strftime(value), value)
        except ValueError:
            return InvalidValue(_EXPECTED)
        return None
    return InvalidValue(_EXPECTED, find_nearest_name(value, list(TIME_FORMATS)))
