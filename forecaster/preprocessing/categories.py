"""The categories that tell series apart, as numbers: the series itself, then its static covariates."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from forecaster.data.series import Series
from forecaster.errors import DataError
from forecaster.problems import Problem


@dataclass(frozen=True)
class Vocabulary:
    """Every value of each category that was trained on.

    Attributes:
        names: what each category is called.
        values: of each category, in the order of their numbers.
    """

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @classmethod
    def from_panel(cls, panel: Sequence[Series], series: str, static: Sequence[str]) -> "Vocabulary":
        """The categories of a panel, whose ids stand in the column `series`."""
        columns = zip(*(_row(member, static) for member in panel), strict=True)
        return cls((series, *static), tuple(tuple(dict.fromkeys(column)) for column in columns))

    @property
    def sizes(self) -> list[int]:
        """How many values each category has."""
        return [len(values) for values in self.values]

    @cached_property
    def _numbers(self) -> list[dict[str, int]]:
        """The number of each value, by category."""
        return [{value: number for number, value in enumerate(values)} for values in self.values]

    def encode(self, panel: Sequence[Series]) -> np.ndarray:
        """The numbers of each series' categories, (series, categories) int32.

        Raises:
            DataError: a value that was not trained on; all of them.
        """
        rows = [_row(member, self.names[1:]) for member in panel]
        unseen = [
            Problem("unknown-category", column=name, detail={"value": value, "series": row[0]})
            for row in rows
            for name, value, known in zip(self.names, row, self._numbers, strict=True)
            if value not in known
        ]
        if unseen:
            raise DataError(unseen)
        coded = [[known[value] for value, known in zip(row, self._numbers, strict=True)] for row in rows]
        return np.array(coded, np.int32)

    def to_json(self) -> dict[str, list[str]]:
        """The values by name."""
        return {name: list(values) for name, values in zip(self.names, self.values, strict=True)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Vocabulary":
        """Read back what `to_json` gave."""
        return cls(tuple(values), tuple(tuple(map(str, column)) for column in values.values()))


def _row(series: Series, static: Sequence[str]) -> tuple[str, ...]:
    """What tells a series apart: its name, then its static covariates."""
    return (series.name, *(series.categories[name] for name in static))
