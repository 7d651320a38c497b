"""What the values of a series can be: sizes that grow with the level, counts, numbers that are never negative."""

import numpy as np

_BLOCKS = 12  # parts of a series whose levels are compared, at most
_BLOCK = 8  # steps in one, at least
_RATIO = 2.0  # of the highest level to the lowest, below which a transform changes little
_SLOPE = 0.7  # of the size of changes over the level, both as logarithms: 0 where it is constant, 1 of a percentage
_CORRELATION = 0.8
_FEW = 20.0  # median of counts below which a normal distribution is a poor fit


def has_proportional_changes(values: np.ndarray) -> bool:
    """Whether changes from step to step are a share of the level, so that logarithms change evenly.

    The mean absolute change of each part of the series is compared with its mean (as in Guerrero 1993).

    Args:
        values: (steps,), NaN where missing.
    """
    blocks = np.array_split(values, min(_BLOCKS, len(values) // _BLOCK) or 1)
    if len(blocks) < 3 or not np.nanmin(values) > 0:
        return False
    known = [block for block in blocks if np.isfinite(np.diff(block)).any()]
    levels = np.array([np.nanmean(block) for block in known])
    changes = np.array([np.nanmean(np.abs(np.diff(block))) for block in known])
    if len(known) < 3 or levels.max() < _RATIO * levels.min() or not changes.min() > 0:
        return False
    level, change = np.log(levels), np.log(changes)
    slope = np.polyfit(level, change, 1)[0]
    return bool(slope >= _SLOPE and np.corrcoef(level, change)[0, 1] >= _CORRELATION)


def is_count(values: np.ndarray) -> bool:
    """Whether all values are whole numbers from 0 on, most of them small."""
    known = values[np.isfinite(values)]
    whole = len(known) and known.min() >= 0 and np.median(known) < _FEW and (known == np.round(known)).all()
    return bool(whole) and len(np.unique(known)) > 2


def stays_above_zero(values: np.ndarray) -> bool:
    """Whether no value is negative, though the spread of the values reaches below 0."""
    known = values[np.isfinite(values)]
    return bool(len(known) and 0 <= known.min() < known.std())
