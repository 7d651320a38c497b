"""The `tune` section: which values each key may take in a search."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from forecaster.config.error_messages import described
from forecaster.config.reader import Path, assigned, shown, suggestion
from forecaster.config.schema import Config
from forecaster.errors import ConfigError

SECTION = "tune"
# The rest says what is forecast and what it is compared with, which is the same for every trial.
TUNABLE = ("window.length", "scaling", "data.transform", "data.difference", "data.calendar", "forecast.rollout")
_WITHIN = {"model.": "model.units", "training.": "training.loss"}
_UNFIT = {
    "model.channels": "changes which steps are compared; tune each in a file of its own",
    "training.seed": "is luck, and what luck chose does not last; take it out",
}
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
        return self.step is None or _divides(value - self.low, self.step)

    def __str__(self) -> str:
        step = "" if self.step is None else f", step: {self.step:g}"
        return f"{{low: {self.low:g}, high: {self.high:g}{step}{', log: true' if self.log else ''}}}"


Space = Mapping[str, Choices | Range]  # by the key, dots between its parts


def space_schema() -> dict[str, Any]:
    """The JSON Schema of the section."""
    return {
        "type": "object",
        "description": "for forecast tune: model.units: [[32], [64]], window.length: {low: 48, high: 336, step: 24}",
        "additionalProperties": {"type": ["array", "object"]},
    }


def read_space(section: Any, values: dict[str, Any]) -> tuple[Space, list[tuple[Path, str]]]:
    """The space that a section describes, as far as it is valid, and its problems.

    Args:
        section: what stands under `tune`, keys with dots or below each other.
        values: the rest of the document, beside which each candidate has to be valid for its own key.
    """
    if not isinstance(section, dict):
        return {}, [((SECTION,), f"received {shown(section)}, expected keys such as model.units: [[32], [64]]")]
    space: dict[str, Choices | Range] = {}
    problems: list[tuple[Path, str]] = []
    for path, key, written in _entries(section, (SECTION,)):
        found: list[tuple[Path, str]] = [((), message) for message in (*_unfit(key, values), *_overlaps(key, space))]
        if not found:
            misshapen = dict(_misshapen(written))
            refused = ((below, message) for below, message in _refused(key, written, values) if below not in misshapen)
            found = [*misshapen.items(), *refused]
        problems += [((*path, *below), message) for below, message in found]
        if not found:
            space[key] = _read(key, written, values)
    return space, problems


def _entries(section: Mapping[str, Any], path: Path, outer: str = "") -> Iterator[tuple[Path, str, Any]]:
    """Each entry as (where it stands, its key, what is written)."""
    for name, written in section.items():
        key = f"{outer}{name}"
        if isinstance(written, dict) and written and not {*_KEYS} & written.keys():
            yield from _entries(written, (*path, name), f"{key}.")
        else:
            yield (*path, name), key, written


def _unfit(key: str, values: dict[str, Any]) -> Iterator[str]:
    """Why a key may not be tuned."""
    unknown = [message for message in _checked(key, None, values) if "unknown key" in message]
    if unknown:
        yield unknown[0]
    elif key in _UNFIT:
        yield _UNFIT[key]
    elif f"{key}." in _WITHIN:
        yield f"is a whole section; name a key of it, such as {_WITHIN[f'{key}.']}"
    elif key not in TUNABLE and not key.startswith(tuple(_WITHIN)):
        yield f"is the same for every trial; what may be tuned: model.*, training.*, {', '.join(TUNABLE)}"


def _overlaps(key: str, space: Space) -> Iterator[str]:
    for other in space:
        if key == other:
            yield "is given twice"
        elif f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
            yield f"overlaps with {other}; tune the inner key alone, or the outer"


def _misshapen(written: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(written, list):
        texts = [json.dumps(each) for each in written]
        if not written:
            yield (), "is empty; list the values to choose from"
        for index, text in enumerate(texts):
            if text in texts[:index]:
                yield (index,), f"{shown(written[index])} is given twice"
    elif isinstance(written, dict) and written:
        yield from _misshapen_range(written)
    else:
        yield (), f"received {shown(written)}, expected a list of values, or {{low: ..., high: ...}}"


def _misshapen_range(written: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    unknown = [name for name in written if name not in _KEYS]
    for name in unknown:
        yield (name,), f"unknown key{suggestion(name, _KEYS)}"
    missing = [name for name in ("low", "high") if name not in written and not unknown]
    for name in missing:
        yield (), f"{name} is missing: a range is {{low: ..., high: ...}}, with step: ... or log: true where wanted"
    wrong = [name for name in ("low", "high", "step") if name in written and not _is_number(written[name])]
    for name in wrong:
        yield (name,), f"received {shown(written[name])}, expected a number"
    if "log" in written and not isinstance(written["log"], bool):
        yield ("log",), f"received {shown(written['log'])}, expected true or false"
    if not (unknown or missing or wrong):
        yield from _impossible_range(written["low"], written["high"], written.get("step"), written.get("log", False))


def _impossible_range(low: float, high: float, step: float | None, log: bool) -> Iterator[tuple[Path, str]]:
    if low >= high:
        yield ("high",), f"{high:g} is not above low, {low:g}"
    elif log and low <= 0:
        yield ("low",), f"{low:g} has no logarithm; use a low above 0, or take log out"
    elif log and step is not None:
        yield ("step",), "cannot go with log: true, whose steps are ratios; take one of them out"
    elif step is not None and step <= 0:
        yield ("step",), f"received {step:g}, expected more than 0"
    elif step is not None and not _divides(high - low, step):
        fitting = low + (high - low) // step * step
        yield ("high",), f"{high:g} is no whole number of steps of {step:g} above {low:g}; use {fitting:g}"


def _refused(key: str, written: Any, values: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Candidates that the key itself does not take; of a range its ends."""
    if isinstance(written, list):
        for index, candidate in enumerate(written):
            yield from (((index,), message) for message in _checked(key, candidate, values))
    elif isinstance(written, dict):
        numbers = {name: written[name] for name in ("low", "high", "step") if _is_number(written.get(name))}
        if "step" in numbers:
            numbers["step"] += numbers.get("low", 0)
        for name, candidate in numbers.items():
            yield from (((name,), message) for message in _checked(key, candidate, values))


def _checked(key: str, candidate: Any, values: dict[str, Any]) -> Sequence[str]:
    """What is wrong with a value of a key, whatever the rest of the config says."""
    keys = key.split(".")
    try:
        changed = assigned(values, keys, candidate, SECTION)
    except ConfigError:
        return ["unknown key: the section that it names is a single value"]
    try:
        Config.model_validate(changed)
    except ValidationError as error:
        paths = [(path, message) for path, message in described(error, changed) if path]
        return [m for path, m in paths if all(a == b for a, b in zip(path, keys, strict=False))][:1]
    return []


def _read(key: str, written: Any, values: dict[str, Any]) -> Choices | Range:
    if isinstance(written, list):
        return Choices(tuple(dict.fromkeys(json.dumps(_normalised(key, each, values)) for each in written)))
    low, high, step = written["low"], written["high"], written.get("step")
    between = low + (high - low) * 0.618034
    whole = bool(_checked(key, float(between), values))
    return Range(low, high, step, written.get("log", False), whole)


def _normalised(key: str, candidate: Any, values: dict[str, Any]) -> Any:
    """A candidate as the config keeps it: 64 for units is [64]."""
    try:
        config = Config.model_validate(assigned(values, key.split("."), candidate, SECTION))
    except (ValidationError, ConfigError):
        return candidate
    return value_of(config, key)


def value_of(config: Config, key: str) -> Any:
    """What a config says of a key, in JSON's types; None where a section around it is left out."""
    value: Any = config.model_dump(mode="json")
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _divides(distance: float, step: float) -> bool:
    return abs(distance / step - round(distance / step)) < 1e-9


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) != float("inf")
