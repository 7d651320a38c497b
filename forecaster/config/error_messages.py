"""pydantic's errors -> sentences that say what was received, what was expected and the nearest right name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from forecaster.config.migration import RENAMED_KEYS, RENAMED_VALUES
from forecaster.config.reader import Path, as_yaml, shown, suggestion
from forecaster.config.schema import Config

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a section with keys of its own",
    "model_attributes_type": "a section with keys of its own",
    "dict_type": "a section with keys of its own",
    "union_tag_not_found": "a name",
    "string_too_short": "text that is not empty",
    "too_short": "at least one",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def described(error: ValidationError, values: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Each problem as (path of the value, sentence), in the order of the sections."""
    return [(_path(item["loc"], values), _sentence(item, values)) for item in error.errors(include_url=False)]


def without(values: dict[str, Any], paths: Sequence[Path]) -> tuple[dict[str, Any], bool]:
    """The values less those at `paths`; false where one of them was missing to begin with."""
    whole = True
    for path in paths:
        values, removed = _pruned(values, path)
        whole = whole and removed
    return values, whole


def _pruned(values: dict[str, Any], path: Path) -> tuple[dict[str, Any], bool]:
    head, rest = str(path[0]), path[1:]
    if head not in values:
        return values, False
    inner = values[head]
    if rest and isinstance(inner, dict):
        kept, removed = _pruned(inner, rest)
        return values | {head: kept}, removed
    return {key: value for key, value in values.items() if key != head}, True


def _path(location: Path, values: Any) -> Path:
    """Pydantic's location without the names that it adds for the members of a union."""
    path: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(values, Mapping) and (part in values or last):
            path.append(part)
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int):
            path.append(part)
            values = values[part] if part < len(values) else None
    return tuple(path)


def _sentence(item: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    kind, received, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden" and (renamed := RENAMED_KEYS.get(item["loc"])):
        return f"this key is now called {renamed}{_renamed_value(item['loc'][0], renamed, received)}"
    if kind == "extra_forbidden":
        return f"unknown key{suggestion(str(item['loc'][-1]), _siblings(item['loc']))}"
    if kind == "missing":
        return "missing: this key is required"
    if kind == "union_tag_not_found":
        return "missing: name is required"
    if kind == "literal_error" and (renamed := RENAMED_VALUES.get(item["loc"], {}).get(received)):
        return f"{received} is now called {renamed}; write {renamed}"
    if kind == "literal_error":
        return _choice(received, context["expected"])
    if kind == "union_tag_invalid":
        return "name: " + _choice(context["tag"], context["expected_tags"])
    if kind == "value_error":
        return f"received {shown(received)}, {context['error']}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"received {shown(received)}, expected {words} {context[bound]}"
    expected = _EXPECTED.get(kind)
    return (
        f"received {shown(received)}, expected {expected}" if expected else f"received {shown(received)}: {item['msg']}"
    )


def _renamed_value(section: str, key: str, received: object) -> str:
    """`; write balance_series: true`, the line to paste."""
    value = RENAMED_VALUES.get((section, key), {}).get(received, received) if isinstance(received, str) else received
    return f"; write {key}: {shown(value) if not isinstance(value, str) else as_yaml(value)}"


def _choice(received: object, expected: str) -> str:
    names = [name.strip(" '") for name in expected.replace(" or ", ",").split(",")]
    return f"received {shown(received)}, expected {' | '.join(names)}{suggestion(str(received), names)}"


def _siblings(location: Path) -> Iterable[str]:
    """The keys that are known where an unknown one stands."""
    model: Any = Config
    for part in location[:-1]:
        model = _member(model, part)
        if model is None:
            return []
    return list(model.model_fields)


def _member(model: Any, part: str | int) -> type[BaseModel] | None:
    """The section below `part` of a section, or the member of a union that `part` names."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(str(part))
        members = [] if field is None else _sections(field.annotation)
        return members[0] if len(members) == 1 else _Union(members) if members else None  # type: ignore[return-value]
    return model.pick(part) if isinstance(model, _Union) else None


class _Union:
    """The members of a discriminated union, told apart by the default of `name`."""

    def __init__(self, members: list[type[BaseModel]]) -> None:
        self.members = {member.model_fields["name"].default: member for member in members}

    def pick(self, name: str | int) -> type[BaseModel] | None:
        return self.members.get(name)


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for argument in get_args(annotation) for found in _sections(argument)]
