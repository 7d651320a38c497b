"""Which series are sums of which: the levels of a hierarchy, from the ids of the bottom series."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecaster.errors import DataError
from forecaster.problems import Problem

TOTAL = "total"
Columns = Sequence[str | Sequence[str]]  # of `data.hierarchy`


@dataclass(frozen=True)
class Hierarchy:
    """Bottom series, and sums of them by level; sums come first, the total before the others.

    Attributes:
        names: of all series.
        levels: the name of each series' level: `total`, the column that a level adds, or several joined by `/`.
        parents: for each level but the last, the number in `names` of the sum that each bottom series is part of,
            (levels - 1, bottom).
        is_nested: whether each sum is part of one of the level before.
    """

    names: tuple[str, ...]
    levels: tuple[str, ...]
    parents: np.ndarray
    is_nested: bool

    @property
    def bottom(self) -> int:
        """The number of bottom series."""
        return self.parents.shape[1]

    @property
    def bottom_names(self) -> tuple[str, ...]:
        """The names of the bottom series."""
        return self.names[len(self.names) - self.bottom :]

    @cached_property
    def level_by_name(self) -> dict[str, str]:
        """The level of each series."""
        return dict(zip(self.names, self.levels, strict=True))

    def add_up(self, values: np.ndarray) -> np.ndarray:
        """Add up values of the bottom series: (..., bottom, steps) -> (..., series, steps)."""
        first = len(self.names) - self.bottom
        found = np.zeros((*values.shape[:-2], len(self.names), values.shape[-1]))
        found[..., first:, :] = values
        for level in self.parents:
            for parent in np.unique(level).tolist():
                found[..., parent, :] = values[..., level == parent, :].sum(axis=-2)
        return found

    def build_summing_matrix(self) -> np.ndarray:
        """Build the matrix S, with which S times the bottom series is all series, (series, bottom)."""
        return self.add_up(np.eye(self.bottom))


def build_hierarchy(hierarchy: Columns, ids: Sequence[str], names: Sequence[str]) -> Hierarchy:
    """Build the hierarchy of bottom series.

    Args:
        hierarchy: columns from the top down, whose beginnings are the levels (`[region, shop]`); or a list of levels,
            each with the columns that identify its sums (`[[state], [purpose]]`).
        ids: the columns that identify a bottom series.
        names: of the bottom series: their ids, joined by `/`.

    Raises:
        DataError: an id has a `/`, or a sum has the name of another series.
    """
    cells = [name.split("/") for name in names]
    if wrong := [name for name, parts in zip(names, cells, strict=True) if len(parts) != len(ids)]:
        raise DataError(Problem("slash-in-hierarchy", detail={"names": wrong, "columns": list(ids)}))
    is_nested = all(isinstance(each, str) for each in hierarchy)
    levels = (
        [tuple(str(each) for each in hierarchy[:count]) for count in range(1, len(hierarchy))]
        if is_nested
        else [(each,) if isinstance(each, str) else tuple(each) for each in hierarchy]
    )
    levels = [level for level in levels if set(level) != set(ids)]
    found, level_names, parents = [TOTAL], [TOTAL], [[0] * len(names)]
    for level in levels:
        places = [list(ids).index(column) for column in level]
        labels = [_name_sum([parts[place] for place in places], "" if is_nested else level) for parts in cells]
        numbers = {label: len(found) + number for number, label in enumerate(dict.fromkeys(labels))}
        found += numbers
        level_names += [level[-1] if is_nested else "/".join(level)] * len(numbers)
        parents.append([numbers[label] for label in labels])
    every = (*found, *names)
    if len(set(every)) < len(every):
        twice = sorted({name for name in every if every.count(name) > 1})
        raise DataError(Problem("sum-named-as-series", detail={"names": twice}))
    bottom = str(ids[-1]) if is_nested else "/".join(ids)
    return Hierarchy(every, (*level_names, *[bottom] * len(names)), np.array(parents), is_nested)


def _name_sum(cells: Sequence[str], columns: Sequence[str]) -> str:
    """Name a sum by its ids: `north`, or `purpose=holiday` where levels are no beginnings of one another."""
    if not columns:
        return "/".join(cells)
    return "/".join(f"{column}={cell}" for column, cell in zip(columns, cells, strict=True))
