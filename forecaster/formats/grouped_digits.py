"""Whether the points in a column of numbers may separate thousands, as in `1.234`, rather than be decimal points."""

import re
from collections.abc import Iterable

_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_HUNDREDS = 3  # digits


def may_group_thousands(cells: Iterable[str]) -> bool:
    """Whether all points have groups of three digits behind them, and whole numbers without one stop below 1000.

    A program that writes `986` next to `1.300` either leaves out zeros, and then of `1.300` too, or groups digits. A
    whole number of three digits has to be there: small ones next to `1.125` are measured.
    """
    are_grouped = have_hundreds = False
    for cell in cells:
        if "." in cell:
            if not _GROUPED.fullmatch(cell):
                return False
            are_grouped = True
        elif cell.lstrip("+-").isdecimal():
            digits = len(cell.lstrip("+-0"))
            if digits > _HUNDREDS:
                return False
            have_hundreds |= digits == _HUNDREDS
    return are_grouped and have_hundreds
