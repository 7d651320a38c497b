"""Leakage: columns that are the target under another name, its future, or together its parts."""

from collections.abc import Iterable, Mapping

import numpy as np

_COPY = 0.999  # correlation of changes from which a column is the target
_WHOLE = 0.9999  # share of the target's variance that its parts make up
_PARTS = 5
_FEWEST = 30  # rows


def find_copied_shift(target: np.ndarray, column: np.ndarray, shifts: Iterable[int]) -> int | None:
    """By how many rows the target has to be moved to be the column, None where it is not.

    At a shift of 1 the column holds the next row's target, at -1 the last one's. The changes from row to row are
    compared, not the values: two trends resemble each other for no reason.

    Args:
        target, column: (rows,), in order of time; NaN where missing.
        shifts: those to try; of equally good ones the first counts.
    """
    found = {shift: _correlate_changes(*_shift(target, column, shift)) for shift in shifts}
    best = max(found, key=lambda shift: found[shift])
    return best if found[best] > _COPY else None


def find_parts(target: np.ndarray, columns: Mapping[str, np.ndarray]) -> list[str]:
    """Two to five columns of which a weighted sum is the target, by orthogonal matching pursuit; none where none is.

    Args:
        target: (rows,), NaN where missing.
        columns: (rows,) each.
    """
    varied = {name: values for name, values in columns.items() if np.isfinite(values).mean() > 0.5}
    if not varied:
        return []
    rows = np.isfinite(np.column_stack([target, *varied.values()])).all(axis=1)
    if rows.sum() < _FEWEST:
        return []
    centred = {name: values[rows] - values[rows].mean() for name, values in varied.items()}
    candidates = {name: values / scale for name, values in centred.items() if (scale := values.std()) > 0}
    wanted = target[rows] - target[rows].mean()
    chosen: list[str] = []
    rest = wanted
    for _ in range(min(_PARTS, len(candidates))):
        left = [name for name in candidates if name not in chosen]
        chosen.append(max(left, key=lambda name: abs(candidates[name] @ rest)))
        basis = np.column_stack([candidates[name] for name in chosen])
        rest = wanted - basis @ np.linalg.lstsq(basis, wanted, rcond=None)[0]
        if rest.var() <= (1 - _WHOLE) * wanted.var():
            return chosen if len(chosen) > 1 else []
    return []


def _shift(target: np.ndarray, column: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    rows = max(len(target) - abs(shift), 0)
    return target[max(shift, 0) :][:rows], column[max(-shift, 0) :][:rows]


def _correlate_changes(one: np.ndarray, other: np.ndarray) -> float:
    """Of the changes from row to row, 0 where there are too few that differ."""
    changes = np.stack([np.diff(one), np.diff(other)])
    changes = changes[:, np.isfinite(changes).all(axis=0)]
    if changes.shape[1] < _FEWEST or any(len(np.unique(each)) < 5 for each in changes):
        return 0.0
    return float(np.corrcoef(changes)[0, 1])
