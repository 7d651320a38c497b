"""The type that carries one problem, or one notice, through the program."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from forecaster.problems.message import fill_template, format_repairs, names_field
from forecaster.problems.registry import MESSAGES
from forecaster.wording import SHOWN


@dataclass(frozen=True)
class Cells:
    """Offending cells of a column.

    Attributes:
        count: how many there are.
        first: the text and the place of the first few: `("n.a.", "line 7")`.
    """

    count: int
    first: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and what repairs it; or what was found while reading, as a notice.

    Attributes:
        code: one of `MESSAGES`.
        where: `file:line`, `file.yaml:12:5` or `--option`; empty where a caller knows it.
        column: the column, or the dotted key of the config.
        cells: the cells that it concerns.
        detail: plain values that the sentence needs; `series` names the series that it concerns.
        repairs: alternatives, each a mapping of dotted YAML keys to values.
    """

    code: str
    where: str = ""
    column: str = ""
    cells: Cells | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    repairs: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.code not in MESSAGES:
            raise ValueError(f"{self.code}: no message has this code")

    def __hash__(self) -> int:
        return hash((self.code, self.where, self.column))

    def __str__(self) -> str:
        template = MESSAGES[self.code].template
        values = {**self.detail, "column": self.column, "where": self.where, "repairs": format_repairs(self.repairs)}
        if self.cells is not None:
            values |= {"cells": f"{self.cells.count:,} {'cell is' if self.cells.count == 1 else 'cells are'}"}
            values |= {"places": _format_places(self.cells), "count": self.cells.count}
        parts = [part for part in (self.where, "" if names_field(template, "column") else self.column) if part]
        text = ": ".join([*parts, fill_template(template, values)])
        series = self.detail.get("series")
        return text if series is None or names_field(template, "series") else f"{text} [series {series}]"

    def add_place(self, where: str) -> "Problem":
        """Add the place, where it has none yet."""
        return self if self.where else replace(self, where=where)

    def add_series(self, name: str) -> "Problem":
        """Add the series that it concerns."""
        return replace(self, detail={**self.detail, "series": name})

    @property
    def kind(self) -> tuple[Any, ...]:
        """What two problems share that differ in their cells alone."""
        return self.code, self.column, repr(self.detail), repr(self.repairs)

    def merge(self, later: "Problem") -> "Problem":
        """Add the cells of a later problem of its kind."""
        one, other = self.cells or Cells(0), later.cells or Cells(0)
        return replace(self, cells=Cells(one.count + other.count, (*one.first, *other.first)[:SHOWN]))

    def to_json(self) -> dict[str, Any]:
        """Every field, and the sentence as `message`."""
        cells = self.cells and {"count": self.cells.count, "first": [list(each) for each in self.cells.first]}
        return {
            "code": self.code,
            "where": self.where,
            "column": self.column,
            "cells": cells,
            "detail": dict(self.detail),
            "repairs": [dict(repair) for repair in self.repairs],
            "message": str(self),
        }


def _format_places(cells: Cells) -> str:
    shown = ", ".join(f"{text!r} ({place})" if place else repr(text) for text, place in cells.first)
    return shown + (", ..." if cells.count > len(cells.first) else "")
