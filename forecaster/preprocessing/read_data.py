"""The series that a config names, read and checked."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from forecaster.config import Config
from forecaster.config.schema import Data
from forecaster.data import Panel, Series, read_series
from forecaster.data.dialect import Dialect
from forecaster.data.options import Reading
from forecaster.data.read import read_series_in_groups
from forecaster.data.sources.files import Paths, Query
from forecaster.hierarchy import add_sums
from forecaster.preprocessing.seasons import find_panel_seasons, find_series_seasons
from forecaster.preprocessing.value_ranges import find_domains
from forecaster.problems import Problem, condense_problems
from forecaster.threads import read_ahead
from forecaster.time.rules import CALENDAR, SESSIONS

log = logging.getLogger("forecaster")

_SEVERAL = 5  # series whose mean autocorrelation is more than chance
_SEARCHED, _SEARCHED_STEPS = 32, 300_000  # series, and steps of them, that seasons are searched in

WARNINGS = {"ids-not-read", "dates-not-read", "similar-ids"}  # among the notices of reading


class DataRequest(NamedTuple):
    """What a config asks of its data.

    Attributes:
        paths: what is read.
        reading: which columns, and by which policies.
        dialect: what is stated of how a CSV is written.
    """

    paths: Paths
    reading: Reading
    dialect: Dialect


def build_data_request(config: Config, path: Paths | None = None) -> DataRequest:
    """State what a config asks of its data, or of another file with the same columns."""
    data = config.data
    values = data.model_dump()
    domains = find_domains(config.model.head, data.transform, data.minimum, data.maximum)
    paths = path or (data.path if data.query is None else Query(str(data.path), data.query))
    reading = replace(Reading.from_data(values, domains), allows_longer_step=config.checks.step in {"warn", "ignore"})
    return DataRequest(paths, reading, Dialect.from_data(values))


def read_data(config: Config, path: Paths | None = None) -> Panel:
    """Read the series of a config, or the same columns of another file.

    Raises:
        DataError: it cannot be read, or holds what the head, the transform or the bounds do not take.
    """
    request = build_data_request(config, path)
    panel = read_series(request.paths, request.reading, request.dialect)
    _log_notices(panel.all_notices, config.data)
    return _prepare_panel(config, panel)


def read_data_in_groups(config: Config, path: Paths | None = None) -> Iterator[Panel]:
    """Read the series of a config as `read_data`, but those of a large plain file some at a time.

    Raises:
        DataError: as `read_data`; of gaps and steps after the last panel.
    """
    if config.data.hierarchy or config.channels > 1:  # sums are of all series; channels have to be in one panel
        yield read_data(config, path)
        return
    request = build_data_request(config, path)
    notices: list[Problem] = []
    for panel in read_ahead(read_series_in_groups(request.paths, request.reading, request.dialect)):
        notices += panel.all_notices
        yield _prepare_panel(config, panel)
    _log_notices(notices, config.data)


def _log_notices(notices: Iterable[Problem], data: Data) -> None:
    """Log what reading has found; an infinite cell is a warning where no value is chosen that replaces it."""
    for notice in condense_problems(notices):
        is_warning = notice.code in WARNINGS or (notice.code == "infinite-as-missing" and data.gaps == "mask")
        log.log(logging.WARNING if is_warning else logging.INFO, "%s", notice)


def _prepare_panel(config: Config, panel: Panel) -> Panel:
    """Fill the gaps that were left open, add the sums of a hierarchy, and align series that are read together."""
    data, panel = config.data, panel.carry_forward() if config.data.gaps == "mask" else panel
    if data.hierarchy:
        panel = add_sums(panel, data.hierarchy, data.ids)
    if config.model.channels == "independent":
        return panel
    return panel.align_targets(data.target if isinstance(data.target, tuple) else tuple(dict.fromkeys(panel.targets)))


def infer_data_keys(data: Data, series: Series, panel: Panel | None = None) -> dict[str, Any]:
    """Collect the keys of the data section that were left open, as the data decide them.

    Args:
        series: whose time, columns and dialect are those of all.
        panel: all series, which the season is searched in; None: that one alone.
    """
    season = data.season
    if season == "auto":
        seasons, notice = find_series_seasons(series) if panel is None else find_data_seasons(panel)
        season = seasons if len(seasons) > 1 else next(iter(seasons), 1)
        if notice:
            log.info("%s", notice)
    found: dict[str, Any] = {"frequency": series.frequency, "season": season}
    found |= {"time": series.time} if data.time == "auto" and data.layout != "dates" else {}
    found |= {"target": series.target} if data.target == "auto" and data.layout == "columns" else {}
    if panel is not None and panel.ids and data.series is None and data.layout == "columns":
        found["series"] = panel.ids[0]
    text = [name for name, column in series.covariates.items() if column.levels is not None]
    categorical = tuple(dict.fromkeys((*data.covariates.categorical, *text)))
    found["covariates"] = data.covariates.model_copy(update={"categorical": categorical})
    found |= {
        name: getattr(series.dialect, name)
        for name in ("encoding", "delimiter", "decimal", "thousands", "header", "unit")
    }
    found |= {name: getattr(series.rules, name) for name in ("timezone", "date_order", "time_format")}
    return found | ({"weekmask": series.rules.weekmask} if series.frequency in {SESSIONS, CALENDAR} else {})


def find_data_seasons(panel: Panel) -> tuple[tuple[int, ...], Problem | None]:
    """Find the steps in each season of a panel, the main one first, with a notice: those of its series together.

    Of a few series those of the longest count. Series without steps are left out.
    """
    numbers = np.flatnonzero(panel.lengths)
    if len(numbers) < _SEVERAL:
        return find_series_seasons(panel.longest)
    count = min(_SEARCHED, max(_SEVERAL, _SEARCHED_STEPS // int(np.median(panel.lengths[numbers]))))
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return find_panel_seasons([panel[number] for number in numbers[places].tolist()])


def hash_data(panel: Iterable[Series]) -> str:
    """SHA-256 over the names, timestamps, values and covariates of series."""
    digest = hashlib.sha256()
    known: dict[int, tuple[object, list[str]]] = {}  # with each calendar, so that no other one gets its identity
    for series in panel:
        calendar = series.calendar
        if id(calendar) not in known:
            ends = (series.find_timestamp(0), series.last_timestamp, len(series), series.frequency)
            known[id(calendar)] = calendar, [str(end) for end in ends]
        digest.update("\n".join([series.name, *series.categories.values(), *known[id(calendar)][1]]).encode())
        if series.frequency == SESSIONS:
            digest.update(np.asarray(series.timestamps).tobytes())
        digest.update(series.values.tobytes())
        for column in series.covariates.values():
            digest.update("\n".join(column.levels or ()).encode() + column.values[: len(series)].tobytes())
    return digest.hexdigest()
