"""Codes of series and of their categorical static covariates, for embeddings."""

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
    """The values of each embedded category in the training data, and their codes.

    Attributes:
        names: of the categories; the first is the series itself.
        values: of each category, in the order of their codes.
    """

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @classmethod
    def from_panel(cls, panel: Sequence[Series], series: str, static: Sequence[str]) -> "Vocabulary":
        """Collect the categories of a panel; `series` is the name of its id column."""
        columns = zip(*(_list_categories(member, static) for member in panel), strict=True)
        return cls((series, *static), tuple(tuple(dict.fromkeys(column)) for column in columns))

    @property
    def sizes(self) -> list[int]:
        """Number of values of each category."""
        return [len(values) for values in self.values]

    @cached_property
    def _codes(self) -> list[dict[str, int]]:
        """Code of each value, by category."""
        return [{value: number for number, value in enumerate(values)} for values in self.values]

    def encode(self, panel: Sequence[Series]) -> np.ndarray:
        """Encode each series' categories, (series, categories) int32.

        Raises:
            DataError: values are not in the training data; lists all.
        """
        rows = [_list_categories(member, self.names[1:]) for member in panel]
        unseen = [
            Problem("unknown-category", column=name, detail={"value": value, "series": row[0]})
            for row in rows
            for name, value, known in zip(self.names, row, self._codes, strict=True)
            if value not in known
        ]
        if unseen:
            raise DataError(unseen)
        coded = [[known[value] for value, known in zip(row, self._codes, strict=True)] for row in rows]
        return np.array(coded, np.int32)

    def to_json(self) -> dict[str, list[str]]:
        """Return the values by category, for JSON."""
        return {name: list(values) for name, values in zip(self.names, self.values, strict=True)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Vocabulary":
        """Restore what `to_json` returned."""
        return cls(tuple(values), tuple(tuple(map(str, column)) for column in values.values()))


def _list_categories(series: Series, static: Sequence[str]) -> tuple[str, ...]:
    """List a series' categories: its name, then its static covariates."""
    return (series.name, *(series.categories[name] for name in static))
