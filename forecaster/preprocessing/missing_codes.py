"""Values such as -999 that probably mean that there is none."""

from collections.abc import Iterator

import numpy as np

from forecaster.config.schema import Data
from forecaster.data import Panel
from forecaster.data.sources.files import name_source
from forecaster.problems import Problem

_CODES = [9.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0]  # with either sign


def find_missing_codes(values: np.ndarray) -> list[float]:
    """Find values such as -999 that mean a missing one: nines, at least twice, far outside of all others."""
    known = np.unique(values[np.isfinite(values)])
    found = []
    for code, rest in ((known[:1], known[1:]), (known[-1:], known[:-1])):
        if not len(rest) or abs(float(code[0])) not in _CODES or np.sum(values == code[0]) < 2:
            continue
        if np.abs(rest - code[0]).min() > max(np.ptp(rest), 1e-9) / 2:
            found.append(float(code[0]))
    return found


def report_missing_codes(panel: Panel, data: Data) -> Iterator[Problem]:
    """Report the codes for missing values that a panel holds as numbers, by series."""
    filled = np.flatnonzero(panel.lengths)  # series of no step have no extremes
    starts = (panel.ends - panel.lengths)[filled]
    extremes = [bound.reduceat(panel.values, starts) if len(starts) else starts for bound in (np.fmin, np.fmax)]
    suspects = np.isin(np.abs(extremes), _CODES).any(axis=0)  # (series that are filled,)
    for number in filled[suspects].tolist():
        series = panel[number]
        known = series.values if series.observed is None else series.values[series.observed]
        for code in find_missing_codes(known):
            detail = {"value": code, "count": int(np.sum(known == code))}
            repairs = ({"data.na_values": [*data.na_values, int(code)]},)
            problem = Problem("missing-code-as-number", name_source(data.path), detail=detail, repairs=repairs)
            yield problem.add_series(series.name) if len(panel) > 1 else problem
