"""The `tune` section: which values each key may take in a search."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from forecaster.config.error_messages import find_problems
from forecaster.config.reader import KeyProblem, Path, assign, find_nearest_name, format_value
from forecaster.config.schema import Config
from forecaster.errors import ConfigError

SECTION = "tune"
# The other keys choose what is forecast and what it is compared with, which is the same for every trial.
TUNABLE = ("window.length", "scaling", "data.transform", "data.difference", "data.calendar", "forecast.rollout")
_WITHIN = {"model.": "model.units", "training.": "training.loss"}
_UNFIT = {
    "model.channels": "tuned-channels",
    "training.seed": "tuned-seed",
}
_UNKNOWN = {"unknown-key", "key-of-a-value"}
_MAX_CANDIDATES = 500  # keys and candidates, each of which is validated in milliseconds
_MAX_STEPS = 1_000_000  # of a range
_KEYS = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Choices:
    """Some values, each as JSON."""

    values: tuple[str, ...]

    def __contains__(self, value: Any) -> bool:
        return json.dumps(value) in self.values

    def __str__(self) -> str:
        return f"[{', '.join(self.values)}]"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        step: between neighbours; None for any number between.
        log: whether magnitudes are drawn alike.
        whole: whether they have no fraction.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    whole: bool = False

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or _is_multiple(value - self.low, self.step)

    def __str__(self) -> str:
        step = "" if self.step is None else f", step: {self.step:g}"
        return f"{{low: {self.low:g}, high: {self.high:g}{step}{', log: true' if self.log else ''}}}"


Space = Mapping[str, Choices | Range]  # by the key, dots between its parts


def build_space_schema() -> dict[str, Any]:
    """Build the JSON Schema of the section."""
    return {
        "type": "object",
        "description": "for forecast tune: model.units: [[32], [64]], window.length: {low: 48, high: 336, step: 24}",
        "additionalProperties": {"type": ["array", "object"]},
    }


def read_space(section: Any, values: dict[str, Any]) -> tuple[Space, list[KeyProblem]]:
    """Read the space that a section describes, as far as it is valid, and its problems.

    Args:
        section: the value of `tune`: keys with dots or below each other.
        values: the rest of the document, together with which each candidate has to be valid for its own key.
    """
    if not isinstance(section, dict):
        return {}, [KeyProblem((SECTION,), "no-search-space", {"received": format_value(section)})]
    space: dict[str, Choices | Range] = {}
    problems: list[KeyProblem] = []
    entries = list(_list_entries(section, (SECTION,)))
    count = sum(len(written) if isinstance(written, list) else 1 for _, _, written in entries)
    if count > _MAX_CANDIDATES:
        return {}, [KeyProblem((SECTION,), "too-many-candidates", {"count": count, "limit": _MAX_CANDIDATES})]
    for path, key, written in entries:
        found = [*_find_untunable(key, values), *_find_overlaps(key, space)]
        if not found:
            misshapen = list(_check_shape(written))
            known = {problem.path for problem in misshapen}
            found = [*misshapen, *(each for each in _find_refused(key, written, values) if each.path not in known)]
        problems += [each._replace(path=(*path, *each.path)) for each in found]
        if not found:
            space[key] = _read_entry(key, written, values)
    return space, problems


def _list_entries(section: Mapping[str, Any], path: Path, outer: str = "") -> Iterator[tuple[Path, str, Any]]:
    """Each entry as (where it stands, its key, what is written)."""
    for name, written in section.items():
        key = f"{outer}{name}"
        if isinstance(written, dict) and written and not {*_KEYS} & written.keys():
            yield from _list_entries(written, (*path, name), f"{key}.")
        else:
            yield (*path, name), key, written


def _find_untunable(key: str, values: dict[str, Any]) -> Iterator[KeyProblem]:
    """Find keys that do not exist, and those that are the same for every trial."""
    unknown = [problem for problem in _check_value(key, None, values) if problem.code in _UNKNOWN]
    if unknown:
        yield unknown[0]._replace(path=())
    elif key in _UNFIT:
        yield KeyProblem((), _UNFIT[key])
    elif f"{key}." in _WITHIN:
        yield KeyProblem((), "untunable-section", {"example": _WITHIN[f"{key}."]})
    elif key not in TUNABLE and not key.startswith(tuple(_WITHIN)):
        yield KeyProblem((), "untunable-key", {"tunable": list(TUNABLE)})


def _find_overlaps(key: str, space: Space) -> Iterator[KeyProblem]:
    for other in space:
        if key == other:
            yield KeyProblem((), "tuned-twice")
        elif f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
            yield KeyProblem((), "tuned-overlap", {"other": other})


def _check_shape(written: Any) -> Iterator[KeyProblem]:
    if isinstance(written, list):
        if not written:
            yield KeyProblem((), "no-candidates")
        texts: set[str] = set()
        for index, each in enumerate(written):
            if (text := json.dumps(each)) in texts:
                yield KeyProblem((index,), "repeated-candidate", {"received": format_value(each)})
            texts.add(text)
    elif isinstance(written, dict) and written:
        yield from _check_range_keys(written)
    else:
        yield KeyProblem((), "no-range", {"received": format_value(written)})


def _check_range_keys(written: Mapping[str, Any]) -> Iterator[KeyProblem]:
    unknown = [name for name in written if name not in _KEYS]
    for name in unknown:
        yield KeyProblem((name,), "unknown-key", {"nearest": find_nearest_name(name, _KEYS)})
    missing = [name for name in ("low", "high") if name not in written and not unknown]
    for name in missing:
        yield KeyProblem((), "open-range", {"name": name})
    wrong = [name for name in ("low", "high", "step") if name in written and not _is_number(written[name])]
    for name in wrong:
        yield _report_invalid(name, written[name], "a number")
    if "log" in written and not isinstance(written["log"], bool):
        yield _report_invalid("log", written["log"], "true or false")
    if not (unknown or missing or wrong):
        yield from _check_range(written["low"], written["high"], written.get("step"), written.get("log", False))


def _check_range(low: float, high: float, step: float | None, log: bool) -> Iterator[KeyProblem]:
    if low >= high:
        yield KeyProblem(("high",), "empty-range", {"low": low, "high": high})
    elif log and low <= 0:
        yield KeyProblem(("low",), "no-logarithm", {"low": low})
    elif log and step is not None:
        yield KeyProblem(("step",), "step-with-log")
    elif step is not None and step <= 0:
        yield _report_invalid("step", step, "more than 0")
    elif step is not None and (high - low) / _MAX_STEPS > step:
        yield _report_invalid("step", step, f"at least {(high - low) / _MAX_STEPS:g}")
    elif step is not None and not _is_multiple(high - low, step):
        fitting = low + (high - low) // step * step
        yield KeyProblem(("high",), "uneven-range", {"low": low, "high": high, "step": step, "fitting": fitting})


def _report_invalid(name: str, received: Any, expected: str) -> KeyProblem:
    return KeyProblem(
        (name,), "invalid-value", {"received": format_value(received), "expected": expected, "nearest": ""}
    )


def _find_refused(key: str, written: Any, values: dict[str, Any]) -> Iterator[KeyProblem]:
    """Find candidates that the key itself does not take; of a range its ends."""
    if isinstance(written, list):
        candidates: dict[str | int, Any] = dict(enumerate(written))
    elif isinstance(written, dict):
        candidates = {name: written[name] for name in ("low", "high", "step") if _is_number(written.get(name))}
        if "step" in candidates:
            candidates["step"] += candidates.get("low", 0)
    else:
        candidates = {}
    for name, candidate in candidates.items():
        yield from (problem._replace(path=(name,)) for problem in _check_value(key, candidate, values))


def _check_value(key: str, candidate: Any, values: dict[str, Any]) -> Sequence[KeyProblem]:
    """Find what is wrong with a value of a key, whatever the rest of the config is."""
    keys = key.split(".")
    try:
        changed = assign(values, keys, candidate, SECTION)
    except ConfigError as error:
        return [KeyProblem((), error.problems[0].code, error.problems[0].detail)]
    try:
        Config.model_validate(changed)
    except ValidationError as error:
        found = [problem for problem in find_problems(error, changed, Config) if problem.path]
        return [each for each in found if all(a == b for a, b in zip(each.path, keys, strict=False))][:1]
    return []


def _read_entry(key: str, written: Any, values: dict[str, Any]) -> Choices | Range:
    if isinstance(written, list):
        return Choices(tuple(dict.fromkeys(json.dumps(_normalize(key, each, values)) for each in written)))
    low, high, step = written["low"], written["high"], written.get("step")
    between = low + (high - low) * 0.618034
    whole = bool(_check_value(key, float(between), values))
    return Range(low, high, step, written.get("log", False), whole)


def _normalize(key: str, candidate: Any, values: dict[str, Any]) -> Any:
    """Convert a candidate to what the config keeps: 64 for units is [64]."""
    try:
        config = Config.model_validate(assign(values, key.split("."), candidate, SECTION))
    except (ValidationError, ConfigError):
        return candidate
    return get_value(config, key)


def get_value(config: Config, key: str) -> Any:
    """Read the value of a key, in JSON's types; None where a section around it is left out."""
    value: Any = config.model_dump(mode="json")
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _is_multiple(distance: float, step: float) -> bool:
    return abs(distance / step - round(distance / step)) < 1e-9


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
