"""What reading a CSV refuses, and the lines of YAML that make it readable, tried out one after the other."""

import dataclasses
import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from forecaster.check.id_columns import columns_apart
from forecaster.check.statistics import season_strengths
from forecaster.config import LoadedConfig, overridden
from forecaster.config.reader import as_yaml
from forecaster.config.schema import Data
from forecaster.data import Panel
from forecaster.data.assembly.column_roles import find_time
from forecaster.data.dialect import Dialect
from forecaster.data.gaps import longest_gap
from forecaster.data.options import Reading
from forecaster.data.read import series_of, table_of
from forecaster.data.seasonality import seasons_of
from forecaster.data.sources.files import source_of
from forecaster.data.sources.number_formats import is_missing, looks_numeric
from forecaster.data.sources.text_table import Table
from forecaster.data.time.timezones import ZONES
from forecaster.data.value_ranges import domains_of
from forecaster.errors import DataError

_ROUNDS = 8  # a mended file may show what its first ailment hid
_CLOCK_CHANGE = "name its zone: data.timezone"
_SEASONAL = 0.3  # strength of a season from which it fills long gaps better than a straight line
# Sentences that name the one line that mends them.
_OFFERED = (
    ("timezone", r"data\.timezone: (\S+/\S+)"),
    ("tolerance", r"data\.tolerance: (\S+)"),
    ("comment", r'data\.comment: ("#")'),
    ("time", r"set data\.time: (null)"),
    ("frequency", r"set data\.frequency \((\w+):"),
    ("max_gap", r"(\d+) steps of \S+ are missing in a row"),
    ("transform", r"correct the cells, or use (?:transform: )?(log1p|none)"),
    ("encoding", r"data\.encoding: (cp1252)"),
)


@dataclass(frozen=True)
class RejectedInput:
    """Something that stops a training, with the lines `data.gaps: interpolate` that mend it, where any do.

    Of kind `columns` it is that rows were not taken for what they are; what else was said of them is void then.
    """

    kind: str
    text: str
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RepairResult:
    """A CSV with its config, mended as far as lines of YAML can.

    Attributes:
        loaded: the config with every repair laid over it.
        refusals: what had to be mended, in the order in which it came to light.
        panel: the series as a training reads them then; None where something is refused still.
    """

    table: Table
    loaded: LoadedConfig
    refusals: list[RejectedInput]
    panel: Panel | None


def mend(loaded: LoadedConfig) -> RepairResult:
    """Read the CSV of a config; where it is refused, lay over the config what mends it, and read again.

    Raises:
        DataError: it is not even a table.
    """
    refusals: dict[str, RejectedInput] = {}
    table: Table | None = None
    for _ in range(_ROUNDS):
        data = loaded.config.data
        try:
            if table is None:
                table = table_of(source_of(data.path, data.query), Dialect.of(data.model_dump()))
            return RepairResult(table, loaded, list(refusals.values()), read(table, loaded))
        except DataError as error:
            remedy = _offered if table is None else _Remedies(table, loaded).refusal
            new = {problem: remedy(problem) for problem in error.problems if problem not in refusals}
        new = {problem: each for problem, each in new.items() if each.kind == "columns"} or new
        refusals |= new
        repairs = dict.fromkeys(line for refusal in new.values() for line in refusal.repairs)
        again = with_lines(loaded, list(repairs))
        if not repairs or again.problems:
            break
        loaded = again
    if table is None:
        raise DataError(list(refusals))
    return RepairResult(table, loaded, list(refusals.values()), None)


def with_lines(loaded: LoadedConfig, lines: Sequence[str]) -> LoadedConfig:
    """The config with lines such as `data.gaps: interpolate` laid over it."""
    return overridden(loaded, [line.replace(": ", "=", 1) for line in lines])


def read(table: Table, loaded: LoadedConfig) -> Panel:
    """The series of a table as a training reads them.

    Raises:
        DataError: it is refused.
    """
    data = loaded.config.data
    domains = domains_of(loaded.config.model.head, data.transform, data.minimum, data.maximum)
    return series_of(table, Reading.of(data.model_dump(), domains))


def _problems(table: Table, loaded: LoadedConfig) -> Sequence[str]:
    """Why the series are refused, if they are."""
    try:
        read(table, loaded)
    except DataError as error:
        return error.problems
    return ()


def read_leniently(table: Table, loaded: LoadedConfig, strict: Panel | None = None) -> Panel:
    """The series with their gaps left open, and whatever else can be passed over passed over.

    Args:
        strict: the same as a training reads them, whose step and calendar are kept; None where they are not known.

    Raises:
        DataError: they cannot be read even so.
    """
    reading = Reading.of(loaded.config.data.model_dump())
    if strict is not None:
        reading = dataclasses.replace(reading, frequency=strict.frequency, rules=strict.rules)
    passed_over = dataclasses.replace(
        reading,
        gaps="mask",
        invalid_values="missing",
        duplicates="mean" if reading.duplicates == "error" else reading.duplicates,
        rules=dataclasses.replace(reading.rules, max_gap=None),
        static=(),
        columns=(),
    )
    return series_of(table, passed_over)


def gap_line(table: Table, loaded: LoadedConfig) -> str:
    """The line that fills gaps: a straight line, or the season where gaps of half a season stand in a clear one."""
    try:
        series = max(read_leniently(table, loaded), key=len)
    except DataError:
        return "data.gaps: interpolate"
    seasons = loaded.config.data.seasons or seasons_of(series)[0]
    strength = max(season_strengths(series.values, seasons).values(), default=0.0)
    long = bool(seasons) and longest_gap(series.values).length > seasons[0] // 2
    return f"data.gaps: {'seasonal' if long and strength >= _SEASONAL else 'interpolate'}"


class _Remedies:
    """What mends the refusals of one reading, each looked for once however many series it is needed for."""

    def __init__(self, table: Table, loaded: LoadedConfig) -> None:
        self.format_table, self._loaded, self._data = table, loaded, loaded.config.data

    def refusal(self, problem: str) -> RejectedInput:
        """A problem with its repair, by what its sentence offers."""
        text = re.split("; (?:or )?say |; where a clock", problem, maxsplit=1)[0]
        if _CLOCK_CHANGE in problem:
            if self._zone:
                found = f"the clock was changed then: data.timezone: {self._zone}, or another zone of such changes"
                return RejectedInput("timezone", f"{text}; {found}", (f"data.timezone: {self._zone}",))
            text += f"; perhaps a change of the clock: {_CLOCK_CHANGE}"
        if "data.duplicates: " in problem:
            said, line = self._apart
            return RejectedInput("duplicates" if "duplicates" in line else "columns", text + said, (line,))
        if "data.gaps: " in problem:
            return RejectedInput("gaps", text, (self._gap_line,))
        if "data.invalid_values: missing" in problem:
            return RejectedInput("text", problem, (_text_line(problem, self.format_table, self._data),))
        return _offered(problem)

    @functools.cached_property
    def _gap_line(self) -> str:
        return gap_line(self.format_table, self._loaded)

    @functools.cached_property
    def _zone(self) -> str | None:
        """The first of some zones whose changes of the clock explain hours that are missing or stand twice."""
        before = len(_problems(self.format_table, self._loaded))
        zoned = ((zone, with_lines(self._loaded, [f"data.timezone: {zone}"])) for zone in ZONES)
        return next((zone for zone, loaded in zoned if len(_problems(self.format_table, loaded)) < before), None)

    @functools.cached_property
    def _apart(self) -> tuple[str, str]:
        """What tells rows of one timestamp apart, as is said, with its line; their mean where nothing does."""
        time, ids = find_time(self.format_table) if self._data.time == "auto" else self._data.time, self._data.ids
        times = (time,) if isinstance(time, str) else tuple(time or ())
        found = columns_apart(self.format_table, (*times, *ids), self._data.target)
        if found is None:
            return "", "data.duplicates: mean"
        if not found.columns:
            return "; where they are several series, data.series names their ids", "data.duplicates: mean"
        tell = "the column {} tells" if len(found.columns) == 1 else "the columns {} tell"
        said = f"; {tell.format(' and '.join(map(repr, found.columns)))} them apart: "
        if found.is_clock:
            return f"{said}a part of the time", f"data.time: {_listed((*times, *found.columns))}"
        return f"{said}several series", f"data.series: {_listed((*ids, *found.columns))}"


def _offered(problem: str) -> RejectedInput:
    """A problem with the line that its sentence names, if any."""
    for key, pattern in _OFFERED:
        if offered := re.search(pattern, problem):
            return RejectedInput(key, problem, (f"data.{key}: {offered[1]}",))
    return RejectedInput("cells", problem)


def _text_line(problem: str, table: Table, data: Data) -> str:
    """Marks that come again are named, so that new kinds of text stay errors; others are taken for missing."""
    column = re.search(r"(?::|: row )\d+: (.+?): \d+ cells? (?:is|are) not a number", problem)
    if column is None or column[1] not in table.columns:
        return "data.invalid_values: missing"
    cells = table.columns[column[1]]
    texts = cells[~is_missing(cells, data.na_values) & ~looks_numeric(cells)].str.strip().value_counts()
    if not 0 < len(texts) <= 3 or texts.min() < 2:
        return "data.invalid_values: missing"
    return f"data.na_values: {json.dumps([*data.na_values, *texts.index], ensure_ascii=False)}"


def _listed(names: Sequence[str]) -> str:
    """`shop`, or `[state, shop]`."""
    named = ", ".join(map(as_yaml, names))
    return named if len(names) == 1 else f"[{named}]"
