"""Dialect: how a CSV is written."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

AUTO = "auto"
DELIMITERS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written; `auto` where it is found in the file.

    Attributes:
        encoding: `utf-8 | utf-16-le | utf-16-be | utf-16 | latin-1 | cp1252`.
        delimiter: the character between cells.
        decimal: `.` or `,`.
        thousands: the mark between groups of three digits, `none` for none; a space means any kind of space.
        comment: what a line that does not count begins with.
        skip: rows below the header that do not count.
        header: whether the first row names the columns, or the number of the line that does; `auto` where it is found.
        unit: of the numbers in each column that has one; `auto` where it is found in the cells.
    """

    encoding: str = AUTO
    delimiter: str = AUTO
    decimal: str = AUTO
    thousands: str = AUTO
    comment: str | None = None
    skip: int = 0
    header: bool | int | str = AUTO
    unit: Mapping[str, str] | str = AUTO

    def get_unit(self, column: str) -> str:
        """Get the unit of a column's numbers, empty for none, `auto` where it is not known."""
        return self.unit if isinstance(self.unit, str) else self.unit.get(column, "")

    @classmethod
    def from_data(cls, stated: Mapping[str, Any]) -> "Dialect":
        """Take the keys of a `data` section that state it."""
        return cls(*(stated[field.name] for field in fields(cls)))


UNKNOWN = Dialect()
USUAL = Dialect("utf-8", ",", ".", "none", header=True, unit={})
