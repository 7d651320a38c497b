"""Covariates as features of each step: encoding, and filling of missing cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.data.series import Column, Series
from forecaster.errors import DataError
from forecaster.preprocessing.calendar_features import build_calendar_features, list_feature_names
from forecaster.preprocessing.scaling import Scaler
from forecaster.problems import Problem
from forecaster.wording import KEPT, format_timestamps

if TYPE_CHECKING:
    import pandas as pd

_MAX_LEVELS = 256
_BLANK = 0.5  # share of cells above which a column of events is blank where there is none
NO_EVENT = ""  # the category of blank cells
SERIES_SCALE = ("offset", "scale")  # the features of `model.series_scale`


@dataclass(frozen=True)
class Encoding:
    """The encoding of one covariate: (number - mean) / deviation, or one-hot categories.

    The first layer's weights of a one-hot category act as its learned vector.

    Attributes:
        levels: categories of the training part in the order of their features; None for numbers.
    """

    name: str
    offset: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """Number of features."""
        return 1 if self.levels is None else len(self.levels)

    def encode_numbers(self, values: np.ndarray) -> np.ndarray:
        """Standardize numbers: (rows,) -> (rows, 1)."""
        return ((values - self.offset) / self.scale).astype(np.float32)[:, None]

    def encode_categories(self, values: Sequence[str]) -> np.ndarray:
        """Encode categories one-hot: (rows,) -> (rows, width); a category that was not trained on is all 0."""
        levels = self.levels or ()
        return (np.asarray(values, object)[:, None] == np.asarray(levels, object)).astype(np.float32)

    def encode_column(self, column: Column) -> np.ndarray:
        """Encode a column without missing cells, (rows, width)."""
        if self.levels is None:
            return self.encode_numbers(column.values)
        rows = self.encode_categories(column.levels or ())  # (levels of the column, width)
        return rows[column.values]

    @classmethod
    def fit_numbers(cls, name: str, values: np.ndarray) -> "Encoding":
        """Fit mean and deviation on values, ignoring NaN; a constant column has deviation 1."""
        known = values[~np.isnan(values)]
        if not len(known) or np.ptp(known) == 0:
            return cls(name, float(known[0]) if len(known) else 0.0)
        return cls(name, float(known.mean()), float(known.std()))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Encoding":
        """Restore what `asdict` returned."""
        levels = values["levels"]
        return cls(values["name"], values["offset"], values["scale"], None if levels is None else tuple(levels))


@dataclass(frozen=True)
class Features:
    """The features of each step: those of past covariates, then those also known over the horizon.

    Known features are, in order, future covariates, calendar features, static covariates and the series' scale (both
    constant over steps), and a mask of observed values, which is 1 over the horizon.

    Attributes:
        past, future, static, scale: encodings in the order of their features.
        calendar: names for `build_calendar_features`.
        seasons: in steps, the main one first.
        mask: whether a feature marks observed values, in contrast to filled ones.
        missing: policy for missing cells by column, `last | seasonal | none`; without one, a missing cell is an error.
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
        """Number of features known up to the origin only."""
        return sum(encoding.width for encoding in self.past)

    @property
    def known_width(self) -> int:
        """Number of features also known over the horizon."""
        known = sum(encoding.width for encoding in (*self.future, *self.static, *self.scale))
        return known + len(list_feature_names(self.calendar, self.seasons)) + self.mask

    def build(self, series: Series, scaler: Scaler, first: int, last: int) -> np.ndarray:
        """Build the features of steps [first, last), which may lie after the series' end: (steps, features) float32.

        Past features are 0 after the end.

        Raises:
            DataError: cells are missing in columns without a policy; lists all.
        """
        problems: list[Problem] = []
        steps = last - first
        inside = max(0, min(last, len(series)) - first)  # steps before the end of the series
        past = self._encode_columns(self.past, series, first, first + inside, problems)  # (inside, past features)
        known = self._encode_columns(self.future, series, first, last, problems)  # (steps, known features)
        constant = [*self._encode_static(series, problems), *self._encode_scale(scaler)]  # (1, width) each
        if problems:
            raise DataError(problems)
        parts = [np.pad(past, ((0, steps - inside), (0, 0))), known]
        if self.calendar:  # only if needed: making the index takes time
            timestamps = _get_timestamps(series, first, last)
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
                yield _build_level_problem("new-category", series, encoding.name, [level])
        for encoding in (*self.past, *self.future):
            column = series.covariates[encoding.name]
            if encoding.levels is None or column.levels is None:
                continue
            here = [column.levels[number] for number in np.unique(column.values[column.values >= 0])]
            if new := [level for level in here if level not in encoding.levels]:
                yield _build_level_problem("new-category", series, encoding.name, new)

    def _encode_columns(
        self, encodings: Sequence[Encoding], series: Series, first: int, last: int, problems: list[Problem]
    ) -> np.ndarray:
        """Encode columns of steps [first, last), (steps, width); append what is wrong to `problems`."""
        rows = [np.empty((last - first, 0), np.float32)]
        for encoding in encodings:
            policy = self.missing.get(encoding.name, "error")
            column = fill_column(series.covariates[encoding.name], last, policy, next(iter(self.seasons), 1))
            if encoding.levels is None and column.levels is not None:
                problems.append(_build_level_problem("text-instead-of-numbers", series, encoding.name, column.levels))
            elif problem := _find_missing(column, series, encoding.name, first, last):
                problems.append(problem)
            else:
                rows.append(encoding.encode_column(Column(column.values[first:last], column.levels)))
        return np.concatenate(rows, axis=1) if not problems else rows[0]

    def _encode_static(self, series: Series, problems: list[Problem]) -> list[np.ndarray]:
        """Encode static covariates, (1, width) each."""
        rows = []
        for encoding in self.static:
            cell = series.categories[encoding.name]
            rows.append(
                encoding.encode_categories([cell])
                if encoding.levels is not None
                else encoding.encode_numbers(parse_numbers([cell]))
            )
            if np.isnan(rows[-1]).any():
                problems.append(_build_level_problem("text-instead-of-numbers", series, encoding.name, [cell]))
        return rows

    def _encode_scale(self, scaler: Scaler) -> list[np.ndarray]:
        """Encode the series' scale, (1, 1) each."""
        numbers = compute_scale_features(scaler)
        return [encoding.encode_numbers(np.array([numbers[encoding.name]])) for encoding in self.scale]

    def to_json(self) -> dict[str, Any]:
        """Return every number, exact, for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Features":
        """Restore what `to_json` returned."""
        kinds = ("past", "future", "static", "scale")
        encodings = {kind: tuple(map(Encoding.from_json, values[kind])) for kind in kinds}
        return cls(
            **encodings,
            calendar=tuple(values["calendar"]),
            seasons=tuple(values["seasons"]),
            mask=values["mask"],
            missing=dict(values["missing"]),
        )


def find_event_columns(names: Sequence[str], panel: Sequence[Series], ends: Sequence[int]) -> list[str]:
    """Find the columns that are blank but for events: of names, or of one number that is not 0."""
    found = []
    for name in names:
        columns = [series.covariates[name] for series in panel]
        values = np.concatenate([column.values[:end] for column, end in zip(columns, ends, strict=True)])
        given = values[~_is_missing(values)]
        are_events = columns[0].levels is not None or (len(given) and given[0] != 0 and np.all(given == given[0]))
        if len(given) and len(given) < (1 - _BLANK) * len(values) and are_events:
            found.append(name)
    return found


def fit_columns(
    names: Sequence[str], panel: Sequence[Series], ends: Sequence[int], missing: Mapping[str, str] | None = None
) -> tuple[Encoding, ...]:
    """Fit the encodings of columns on the first `ends` steps of each series, with the policies for missing cells.

    Raises:
        DataError: a column has too many categories for one-hot features.
    """
    encodings, problems = [], []
    for name in names:
        columns = [series.covariates[name] for series in panel]
        parts = [column.values[:end] for column, end in zip(columns, ends, strict=True)]
        if columns[0].levels is None:
            encodings.append(Encoding.fit_numbers(name, np.concatenate(parts)))
            continue
        levels = _collect_levels(columns, parts) + ((NO_EVENT,) if (missing or {}).get(name) == "none" else ())
        encodings.append(Encoding(name, levels=levels))
        if len(levels) > _MAX_LEVELS:
            detail = {"count": len(levels), "limit": _MAX_LEVELS}
            problems.append(Problem("too-many-categories", column=name, detail=detail))
    if problems:
        raise DataError(problems)
    return tuple(encodings)


def _collect_levels(columns: Sequence[Column], parts: Sequence[np.ndarray]) -> tuple[str, ...]:
    """Collect the categories in parts of columns, in the order in which the file has them."""
    levels: dict[str, None] = {}
    for column, values in zip(columns, parts, strict=True):
        levels |= {(column.levels or ())[number]: None for number in np.unique(values[values >= 0])}
    return tuple(levels)


def fit_static(names: Sequence[str], categorical: Sequence[str], panel: Sequence[Series]) -> tuple[Encoding, ...]:
    """Fit the encodings of static covariates: numeric if every cell is a number and none is declared categorical."""
    encodings = []
    for name in names:
        cells = [series.categories[name] for series in panel]
        if is_categorical(cells, name, categorical):
            encodings.append(Encoding(name, levels=tuple(dict.fromkeys(cells))))
        else:
            encodings.append(Encoding.fit_numbers(name, parse_numbers(cells)))
    return tuple(encodings)


def fit_scale(scalers: Sequence[Scaler]) -> tuple[Encoding, ...]:
    """Fit the encodings of the series' scales."""
    rows = [compute_scale_features(scaler) for scaler in scalers]
    return tuple(Encoding.fit_numbers(name, np.array([row[name] for row in rows])) for name in SERIES_SCALE)


def compute_scale_features(scaler: Scaler) -> dict[str, float]:
    """Compute the log of a series' scale (DeepAR, Salinas et al. 2020, section 3.3) and its offset in that scale."""
    unit = float(scaler.unit)
    return {"offset": float(np.arcsinh(scaler.offset / unit)), "scale": float(np.log(unit))}


def is_categorical(cells: Sequence[str], name: str, categorical: Sequence[str]) -> bool:
    """Return whether a static covariate is categorical: declared so, or not all cells are numbers."""
    return name in categorical or bool(np.isnan(parse_numbers(cells)).any())


def parse_numbers(cells: Sequence[str]) -> np.ndarray:
    """Parse cells as numbers, (cells,) float64, NaN for text."""
    import pandas as pd  # noqa: PLC0415  for covariates alone

    from forecaster.formats.number_formats import to_numbers  # noqa: PLC0415

    return to_numbers(pd.Series(list(cells), dtype=str), ".", "none")


def fill_column(column: Column, rows: int, policy: str, season: int) -> Column:
    """Fill the missing cells in the first `rows` rows of a column; rows after its end count as missing.

    Args:
        policy: `last`, the previous value; `seasonal`, the value one season earlier, which may be a filled one; either
            uses the first known value if there is none before; `none`, 0 or a category of no event, but for rows after
            its end; `error` leaves cells missing.
        season: steps.
    """
    kept = column.values[:rows]
    nothing = -1 if column.levels is not None else np.nan
    values = np.concatenate([kept, np.full(rows - len(kept), nothing, kept.dtype)])
    missing = _is_missing(values)
    if policy == "none":
        blank = missing & (np.arange(rows) < len(kept))
        if column.levels is None:
            return Column(np.where(blank, 0, values))
        return Column(np.where(blank, len(column.levels), values), (*column.levels, NO_EVENT))
    if policy == "error" or not missing.any() or missing.all():
        return Column(values, column.levels)
    for phase in range(season if policy == "seasonal" else 0):
        values[phase::season] = _carry_forward(values[phase::season])
    return Column(_carry_forward(values), column.levels)


def _carry_forward(values: np.ndarray) -> np.ndarray:
    """Replace each missing value by the last known one before it, or by the first known one."""
    known = ~_is_missing(values)
    if not known.any():
        return values
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(np.argmax(known)), last)]


def _is_missing(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else values < 0


def _find_missing(column: Column, series: Series, name: str, first: int, last: int) -> Problem | None:
    """Report missing cells among some steps, with the first timestamps."""
    where = first + np.flatnonzero(_is_missing(column.values[first:last]))
    if not len(where):
        return None
    shown = _get_timestamps(series, int(where[0]), int(where[-1]) + 1)[where[:KEPT] - where[0]]
    detail = {"count": len(where), "timestamps": format_timestamps(list(shown)), "series": series.name}
    detail |= {"ahead": bool((where >= len(series)).any())}
    policies = ("none", "last", "seasonal") if column.levels is not None else ("last", "seasonal")
    repairs = tuple({"data.covariates.missing": {name: policy}} for policy in policies)
    return Problem("missing-covariate", column=name, detail=detail, repairs=repairs)


def _build_level_problem(code: str, series: Series, name: str, levels: Sequence[str]) -> Problem:
    """Report some categories of a covariate."""
    detail = {"levels": list(map(repr, levels[:KEPT])), "series": series.name}
    return Problem(code, column=name, detail=detail)


def _get_timestamps(series: Series, first: int, last: int) -> "pd.Index":
    """Return the timestamps of steps [first, last), which may lie after the end."""
    if last <= len(series):
        return series.timestamps[first:last]
    ahead = series.list_future_timestamps(last - len(series))
    return series.timestamps.append(ahead)[first:last] if first < len(series) else ahead[first - len(series) :]
