"""Columns that have types: how each is converted, found in the first rows, and its conversion to numpy.

Rows are the same as those built from the text of the cells: whatever is not sure, or has to be quoted in a message, is
left to the text path.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecaster.data.assembly.build_rows import build_rows
from forecaster.data.assembly.column_roles import ColumnRoles
from forecaster.data.assembly.decoded_columns import DecodedColumns, Labels, is_point_usual
from forecaster.data.assembly.rows import Rows
from forecaster.data.dialect import AUTO, Dialect
from forecaster.data.options import DATES, Reading
from forecaster.data.sources.arrow_columns import to_datetimes
from forecaster.data.sources.arrow_csv import NotPlain, require_plain
from forecaster.data.sources.issues import Places
from forecaster.data.sources.text_table import Table
from forecaster.formats.grouped_digits import may_group_thousands
from forecaster.formats.number_formats import NONE, TEXT, is_missing
from forecaster.formats.timestamp_formats import ISO

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE = r"-?(?:0|[1-9][0-9]{0,17})"  # a number that loses no digit
_ISO = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"


@dataclass(frozen=True)
class TypedLayout:
    """How the columns of a source are converted, by its first rows as text, whose dialect has the marks of numbers.

    Attributes:
        groups: the columns of whole numbers in whose later rows a point may separate thousands.
    """

    head: Table
    roles: ColumnRoles
    reading: Reading
    types: dict[str, "pa.DataType"]
    groups: tuple[str, ...] = ()

    def keep_rows(self, table: "pa.Table") -> tuple["pa.Table", np.ndarray]:
        """Keep the rows that `where` asks for, and return the numbers of them, (rows,) from 0."""
        where, numbers = self.reading.where, np.arange(len(table))
        if not where:
            return table, numbers
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import compute  # noqa: PLC0415

        kept = np.ones(len(table), bool)
        for name, cells in where.items():
            texts = compute.utf8_trim_whitespace(table[name].cast(pa.string()))
            kept &= compute.is_in(texts, value_set=pa.array(cells, pa.string())).to_numpy()
        found = table.filter(pa.array(kept)).drop_columns([name for name in where if name not in self.read])
        # Texts are numbered again, by those that are left.
        kinds = {name: found[name].type for name in found.column_names}
        texts = {name: found[name].cast(pa.string()) for name, kind in kinds.items() if pa.types.is_dictionary(kind)}
        columns = {name: texts[name].dictionary_encode() if name in texts else found[name] for name in kinds}
        return pa.table(columns), numbers[kept]

    @property
    def read(self) -> set[str]:
        """The columns that rows are built from."""
        return {*chain(*self.roles[:3]), *self.reading.static, *self.reading.columns}

    def build_rows(self, table: "pa.Table", places: Places, lines: np.ndarray) -> Rows:
        """Build the rows of converted columns; raise `NotPlain` for a cell that is text or a problem."""
        with ThreadPoolExecutor() as pool:  # each releases the interpreter while it copies
            columns = dict(zip(table.column_names, pool.map(_to_numpy, table.columns), strict=True))
        for name in self.groups:
            numbers = np.asarray(columns[name], float)
            require_plain((np.isnan(numbers) | (numbers == np.floor(numbers))).all())
        may_be_blank, na_values = not (self.roles.times or self.roles.ids), self.reading.na_values
        decoded = DecodedColumns(columns, self.head, places, lines, na_values, may_be_blank)
        rows = build_rows(decoded, self.roles, self.reading)
        require_plain(not rows.issues.problems)
        return rows


def find_layout(head: Table, dialect: Dialect, roles: ColumnRoles, reading: Reading) -> TypedLayout:
    """Find how columns are converted in the first rows, or raise `NotPlain`; `dialect` is what is stated."""
    try:
        import pyarrow as pa  # noqa: PLC0415
    except ImportError:
        raise NotPlain from None
    require_plain(
        head.places.header_line <= 1
        and (dialect.comment, dialect.skip, head.dialect.encoding) == (None, 0, "utf-8")
        and dialect.header is not False
    )
    require_plain(roles.targets and len(roles.times) < 2 and reading.layout != DATES)
    if (dialect.decimal, dialect.thousands) not in {(".", NONE), (",", NONE)}:
        require_plain(dialect.decimal in {AUTO, "."} and dialect.thousands in {AUTO, NONE})
        head.require(roles.targets)
        require_plain(is_point_usual(head, (head.columns[name] for name in roles.targets)))
    read = {*roles.targets, *reading.columns} - {*reading.categorical}
    require_plain(all(dialect.get_unit(name) in {AUTO, ""} for name in read))
    unit = {} if dialect.unit == AUTO else dialect.unit
    marks = replace(head.dialect, decimal="," if dialect.decimal == "," else ".", thousands=NONE, unit=unit)
    groups = tuple(name for name in roles.targets if head.texts and may_group_thousands([*head.columns[name], "1.000"]))
    cells, texts = head.columns, pa.dictionary(pa.int32(), pa.string())
    types: dict[str, pa.DataType] = {}
    for name in dict.fromkeys(reading.columns):
        given = cells[name][~is_missing(cells[name], reading.na_values)]
        numeric = name not in reading.categorical and pd.to_numeric(given, errors="coerce").notna().all()
        types[name] = pa.float64() if numeric else texts
    types |= dict.fromkeys((*reading.static, *roles.ids), texts)
    for name in roles.times:
        iso = reading.known_way in {None, ISO} and cells[name].str.fullmatch(_ISO).all()
        whole = cells[name].str.fullmatch(_WHOLE).all()
        types[name] = pa.timestamp("us") if iso else pa.int64() if whole else texts
    types |= dict.fromkeys(roles.targets, pa.float64())
    require_plain(len(types) == sum(map(len, roles)) + len({*reading.columns, *reading.static}))
    types |= {name: texts for name in reading.where if name not in types}
    require_plain(all(types[name] == texts for name in reading.where))
    return TypedLayout(replace(head, dialect=marks), roles, reading, types, groups)


def _to_numpy(column: "pa.ChunkedArray") -> np.ndarray | pd.DatetimeIndex | Labels:
    """Copy a column: numbers, whole numbers and dates of time columns, or the labels of texts."""
    kind = str(column.type)
    if kind == "double":
        return column.to_numpy()
    if kind == "int64" or kind.startswith("timestamp"):
        require_plain(column.null_count == 0)
        return column.to_numpy() if kind == "int64" else to_datetimes(column)
    whole = column.unify_dictionaries()
    codes = np.concatenate([part.indices.to_numpy() for part in whole.chunks])
    texts = pd.Series(whole.chunk(0).dictionary.to_pylist(), dtype=TEXT)
    require_plain((texts == texts.str.strip()).all())
    changes = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
    require_plain(np.array_equal(pd.unique(codes[changes]), np.arange(len(texts))))  # in the order of their first rows
    return Labels(codes, texts)
