"""Rows: the columns that a panel is made of, in the order of the source; what the first half of reading gives."""

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecaster.data.dialect import Dialect
from forecaster.data.series import Column
from forecaster.data.sources.issues import FILE, IssueLog, Places
from forecaster.problems import Problem
from forecaster.time.rules import AS_WRITTEN, TimeRules
from forecaster.wording import KEPT


@dataclass(frozen=True)
class Rows:
    """The rows of one or several series.

    Attributes:
        times: the columns of time, none where rows are steps.
        targets: the column of each series' values.
        names: of the series, in the order of their first rows.
        codes: the number of each row's series, (rows,) int32.
        lines: (rows,), counted on from file to file.
        timestamps: (rows,), dates in one zone, or integers.
        values: (rows,) float64, NaN where missing.
        categories: of each series, its values of the static covariates.
        columns: the covariates, a value for each row.
        issues: the problems of cells, and what was taken for missing.
        stacked: whether the columns of values are several, of which some may be empty.
        rules: of their timestamps, those that are stated and those found in the cells.
        ids: the columns of ids.
    """

    places: Places
    dialect: Dialect
    times: tuple[str, ...]
    targets: Sequence[str]
    names: Sequence[str]
    codes: np.ndarray
    lines: np.ndarray
    timestamps: pd.Index
    values: np.ndarray
    categories: Sequence[tuple[str, ...]] = ()
    columns: dict[str, Column] = field(default_factory=dict)
    issues: IssueLog = field(default_factory=IssueLog)
    notices: tuple[Problem, ...] = ()
    stacked: bool = False
    rules: TimeRules = AS_WRITTEN
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def time(self) -> str | None:
        """What the columns of time are called together, None where there is none."""
        return " ".join(self.times) or None

    @property
    def long(self) -> bool:
        """Whether there are several series, or may be."""
        return bool(self.ids) or self.stacked

    def select_rows(self, chosen: np.ndarray | slice) -> "Rows":
        """Select some of them, by number, by a mask or by a range."""
        names = ("codes", "lines", "timestamps", "values")
        parts: dict[str, Any] = {name: getattr(self, name)[chosen] for name in names}
        parts["columns"] = {name: column.select(chosen) for name, column in self.columns.items()}
        return dataclasses.replace(self, **parts)

    def select_series(self, chosen: np.ndarray) -> "Rows":
        """Select those of some series, (series,) bool, numbered anew, with their issues."""
        numbers = np.flatnonzero(chosen).tolist()
        renumbered = np.cumsum(chosen).astype(np.int32) - 1
        rows = self.select_rows(chosen[self.codes])
        return dataclasses.replace(
            rows,
            codes=renumbered[rows.codes],
            names=[self.names[number] for number in numbers],
            targets=[self.targets[number] for number in numbers],
            categories=[self.categories[number] for number in numbers] if self.categories else [],
            issues=self.issues.select(numbers),
        )

    def drop_empty(self) -> "Rows":
        """Drop the series without any number, with a notice, if columns are stacked."""
        if not self.stacked:
            return self
        good = np.bincount(self.codes[~np.isnan(self.values)], minlength=len(self.names)) > 0
        if good.all() or not good.any():
            return self
        empty = [name for name, kept in zip(self.names, good, strict=True) if not kept]
        detail = {"count": len(empty), "names": empty[:KEPT]}
        notice = Problem("empty-series-dropped", self.places.path, detail=detail)
        return dataclasses.replace(self.select_series(good), notices=(*self.notices, notice))

    def list_problems(self, problems: Mapping[int, Sequence[Problem]] | None = None) -> list[Problem]:
        """List problems by the number of their series, or all of their cells, each with the name of its series."""
        found = self.issues.problems if problems is None else problems
        return [
            each.add_series(self.names[number]) if self.long and number != FILE else each
            for number in sorted(found)
            for each in found[number]
        ]


def report_similar_names(path: str, names: Sequence[str]) -> list[Problem]:
    """Warn of series whose names are the same but for capitals, blanks, or how their letters are composed."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
    if len(alike) == len(names):
        return []
    pairs = [" and ".join(map(repr, several)) for several in alike.values() if len(several) > 1]
    return [Problem("similar-ids", path, detail={"names": pairs})]
