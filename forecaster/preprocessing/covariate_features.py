"""Covariates as features: what a network reads beside the values, and what fills their missing cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecaster.data.series import Column, Series
from forecaster.data.sources.number_formats import to_numbers
from forecaster.errors import DataError
from forecaster.forecast import format_timestamps
from forecaster.preprocessing.calendar_features import build_calendar_features, list_feature_names
from forecaster.preprocessing.scaling import Scaler
from forecaster.problems import Problem
from forecaster.wording import KEPT

_MOST_LEVELS = 256
SERIES_SCALE = ("offset", "scale")  # the features of `model.series_scale`


@dataclass(frozen=True)
class Encoding:
    """How one covariate becomes features: a number less its mean, over its deviation; or a 1 among its categories.

    A recurrent layer's weights on the 1 of a category are a vector learnt for it.

    Attributes:
        levels: the categories that were trained on, in the order of their features; None for numbers.
    """

    name: str
    offset: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """Features that it becomes."""
        return 1 if self.levels is None else len(self.levels)

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """(rows,) -> (rows, 1)."""
        return ((values - self.offset) / self.scale).astype(np.float32)[:, None]

    def categories(self, values: Sequence[str]) -> np.ndarray:
        """(rows,) -> (rows, width); a category that was not trained on is none of them."""
        levels = self.levels or ()
        return (np.asarray(values, object)[:, None] == np.asarray(levels, object)).astype(np.float32)

    def column(self, column: Column) -> np.ndarray:
        """A column without missing cells, (rows, width)."""
        if self.levels is None:
            return self.numbers(column.values)
        rows = self.categories(column.levels or ())  # (levels of the column, width)
        return rows[column.values]

    @classmethod
    def of_numbers(cls, name: str, values: np.ndarray) -> "Encoding":
        """Fitted on some values, NaN left out."""
        known = values[~np.isnan(values)]
        if not len(known) or np.ptp(known) == 0:
            return cls(name, float(known[0]) if len(known) else 0.0)
        return cls(name, float(known.mean()), float(known.std()))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Encoding":
        """Read back what `asdict` gave."""
        levels = values["levels"]
        return cls(values["name"], values["offset"], values["scale"], None if levels is None else tuple(levels))


@dataclass(frozen=True)
class Features:
    """The features of each step: those of past covariates, then those that are known of the future, too.

    Known are future covariates, features of the calendar, static covariates and the scale of the series, both the
    same at every step, and whether a value was observed, as those to come will be.

    Attributes:
        past, future, static, scale: in the order of their features.
        calendar: names of features, for `build_calendar_features`.
        seasons: in steps, the main one first.
        mask: whether the network is told which values are filler.
        missing: the policy for missing cells of a column, `last | seasonal`; an error where there is none.
    """

    past: tuple[Encoding, ...] = ()
    future: tuple[Encoding, ...] = ()
    static: tuple[Encoding, ...] = ()
    scale: tuple[Encoding, ...] = ()
    calendar: tuple[str, ...] = ()
    seasons: tuple[int, ...] = ()
    mask: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def past_width(self) -> int:
        """Features known up to the end of a window."""
        return sum(encoding.width for encoding in self.past)

    @property
    def known_width(self) -> int:
        """Features known of the steps that follow, too."""
        known = sum(encoding.width for encoding in (*self.future, *self.static, *self.scale))
        return known + len(list_feature_names(self.calendar, self.seasons)) + self.mask

    def build(self, series: Series, scaler: Scaler, first: int, last: int) -> np.ndarray:
        """The features of steps `first` to `last`, which may lie behind the series' end: (steps, features) float32.

        Past ones are 0 behind the end.

        Raises:
            DataError: a cell is missing, and the column has no policy; all of them.
        """
        problems: list[Problem] = []
        steps = last - first
        inside = max(0, min(last, len(series)) - first)
        past = self._columns(self.past, series, first, first + inside, problems)
        known = self._columns(self.future, series, first, last, problems)
        constant = [*self._static(series, problems), *self._scale(scaler)]
        if problems:
            raise DataError(problems)
        parts = [np.pad(past, ((0, steps - inside), (0, 0))), known]
        if self.calendar:  # an index takes its time
            timestamps = _timestamps(series, first, last)
            parts.append(
                build_calendar_features(self.calendar, timestamps, self.seasons, series.frequency, series.rules)
            )
        parts += [np.repeat(row, steps, axis=0) for row in constant]
        if self.mask:
            observed = np.ones(len(series)) if series.observed is None else series.observed
            parts.append(np.pad(observed[first : first + inside], (0, steps - inside), constant_values=1)[:, None])
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def find_unseen(self, series: Series) -> Iterator[Problem]:
        """Give a notice of each column of a series that has categories which were not trained on."""
        for encoding in self.static:
            if encoding.levels is not None and (level := series.categories[encoding.name]) not in encoding.levels:
                yield _about_levels("new-category", series, encoding.name, [level])
        for encoding in (*self.past, *self.future):
            column = series.covariates[encoding.name]
            if encoding.levels is None or column.levels is None:
                continue
            here = [column.levels[number] for number in np.unique(column.values[column.values >= 0])]
            if new := [level for level in here if level not in encoding.levels]:
                yield _about_levels("new-category", series, encoding.name, new)

    def _columns(
        self, encodings: Sequence[Encoding], series: Series, first: int, last: int, problems: list[Problem]
    ) -> np.ndarray:
        """(steps, width)."""
        rows = [np.empty((last - first, 0), np.float32)]
        for encoding in encodings:
            policy = self.missing.get(encoding.name, "error")
            column = fill_column(series.covariates[encoding.name], last, policy, next(iter(self.seasons), 1))
            if encoding.levels is None and column.levels is not None:
                problems.append(_about_levels("text-instead-of-numbers", series, encoding.name, column.levels))
            elif found := _missing(column, series, encoding.name, first, last):
                problems.append(found)
            else:
                rows.append(encoding.column(Column(column.values[first:last], column.levels)))
        return np.concatenate(rows, axis=1) if not problems else rows[0]

    def _static(self, series: Series, problems: list[Problem]) -> list[np.ndarray]:
        """(1, width) each."""
        rows = []
        for encoding in self.static:
            cell = series.categories[encoding.name]
            rows.append(
                encoding.categories([cell]) if encoding.levels is not None else encoding.numbers(parse_numbers([cell]))
            )
            if np.isnan(rows[-1]).any():
                problems.append(_about_levels("text-instead-of-numbers", series, encoding.name, [cell]))
        return rows

    def _scale(self, scaler: Scaler) -> list[np.ndarray]:
        found = compute_scale_features(scaler)
        return [encoding.numbers(np.array([found[encoding.name]])) for encoding in self.scale]

    def to_json(self) -> dict[str, Any]:
        """Every number, exact."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Features":
        """Read back what `to_json` gave."""
        kinds = ("past", "future", "static", "scale")
        encodings = {kind: tuple(map(Encoding.from_json, values[kind])) for kind in kinds}
        return cls(
            **encodings,
            calendar=tuple(values["calendar"]),
            seasons=tuple(values["seasons"]),
            mask=values["mask"],
            missing=dict(values["missing"]),
        )


def fit_columns(names: Sequence[str], panel: Sequence[Series], ends: Sequence[int]) -> tuple[Encoding, ...]:
    """The encodings of some columns, fitted on the first `ends` steps of each series.

    Raises:
        DataError: a column has more categories than can be told apart by a feature each.
    """
    found, problems = [], []
    for name in names:
        columns = [series.covariates[name] for series in panel]
        parts = [column.values[:end] for column, end in zip(columns, ends, strict=True)]
        if columns[0].levels is None:
            found.append(Encoding.of_numbers(name, np.concatenate(parts)))
            continue
        levels = _levels(columns, parts)
        found.append(Encoding(name, levels=levels))
        if len(levels) > _MOST_LEVELS:
            detail = {"count": len(levels), "limit": _MOST_LEVELS}
            problems.append(Problem("too-many-categories", column=name, detail=detail))
    if problems:
        raise DataError(problems)
    return tuple(found)


def _levels(columns: Sequence[Column], parts: Sequence[np.ndarray]) -> tuple[str, ...]:
    """The categories that occur in some parts of columns, in the order of the file's."""
    levels: dict[str, None] = {}
    for column, values in zip(columns, parts, strict=True):
        levels |= {(column.levels or ())[number]: None for number in np.unique(values[values >= 0])}
    return tuple(levels)


def fit_static(names: Sequence[str], categorical: Sequence[str], panel: Sequence[Series]) -> tuple[Encoding, ...]:
    """The encodings of static covariates: numbers, where each series has one and they are not called categories."""
    found = []
    for name in names:
        cells = [series.categories[name] for series in panel]
        if is_categorical(cells, name, categorical):
            found.append(Encoding(name, levels=tuple(dict.fromkeys(cells))))
        else:
            found.append(Encoding.of_numbers(name, parse_numbers(cells)))
    return tuple(found)


def fit_scale(scalers: Sequence[Scaler]) -> tuple[Encoding, ...]:
    """The encodings of what tells large series from small ones."""
    rows = [compute_scale_features(scaler) for scaler in scalers]
    return tuple(Encoding.of_numbers(name, np.array([row[name] for row in rows])) for name in SERIES_SCALE)


def compute_scale_features(scaler: Scaler) -> dict[str, float]:
    """The logarithm of a series' scale (DeepAR, Salinas et al. 2020, section 3.3), and its offset in that scale."""
    unit = float(scaler.unit)
    return {"offset": float(np.arcsinh(scaler.offset / unit)), "scale": float(np.log(unit))}


def is_categorical(cells: Sequence[str], name: str, categorical: Sequence[str]) -> bool:
    """Whether a static covariate's cells are categories: they are called so, or not all of them are numbers."""
    return name in categorical or bool(np.isnan(parse_numbers(cells)).any())


def parse_numbers(cells: Sequence[str]) -> np.ndarray:
    """(cells,) float64, NaN for text."""
    return to_numbers(pd.Series(list(cells), dtype=str), ".", "none")


def fill_column(column: Column, rows: int, policy: str, season: int) -> Column:
    """The first `rows` rows of a column, which go on behind its end as missing, with missing cells filled.

    Args:
        policy: `last`, the value before; `seasonal`, the value one season before, which may be filled itself; either
            takes the first that is known where there is none before; `error` leaves them missing.
        season: steps.
    """
    kept = column.values[:rows]
    nothing = -1 if column.levels is not None else np.nan
    values = np.concatenate([kept, np.full(rows - len(kept), nothing, kept.dtype)])
    missing = _is_missing(values)
    if policy == "error" or not missing.any() or missing.all():
        return Column(values, column.levels)
    for phase in range(season if policy == "seasonal" else 0):
        values[phase::season] = _carried(values[phase::season])
    return Column(_carried(values), column.levels)


def _carried(values: np.ndarray) -> np.ndarray:
    """Each missing value as the last that is known, or the first."""
    known = ~_is_missing(values)
    if not known.any():
        return values
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(np.argmax(known)), last)]


def _is_missing(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else values < 0


def _missing(column: Column, series: Series, name: str, first: int, last: int) -> Problem | None:
    """Report missing cells among some steps, with the first timestamps."""
    where = first + np.flatnonzero(_is_missing(column.values[first:last]))
    if not len(where):
        return None
    shown = _timestamps(series, int(where[0]), int(where[-1]) + 1)[where[:KEPT] - where[0]]
    detail = {"count": len(where), "timestamps": format_timestamps(list(shown)), "series": series.name}
    detail |= {"ahead": bool((where >= len(series)).any())}
    repairs = tuple({"data.covariates.missing": {name: policy}} for policy in ("last", "seasonal"))
    return Problem("missing-covariate", column=name, detail=detail, repairs=repairs)


def _about_levels(code: str, series: Series, name: str, levels: Sequence[str]) -> Problem:
    """Report some categories of a covariate."""
    detail = {"levels": list(map(repr, levels[:KEPT])), "series": series.name}
    return Problem(code, column=name, detail=detail)


def _timestamps(series: Series, first: int, last: int) -> pd.Index:
    """Those of steps `first` to `last`, which may lie behind the end."""
    if last <= len(series):
        return series.timestamps[first:last]
    ahead = series.future(last - len(series))
    return series.timestamps.append(ahead)[first:last] if first < len(series) else ahead[first - len(series) :]
