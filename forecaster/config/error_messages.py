"""pydantic's errors as problems of keys: what was received, what was expected, and the nearest known name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from forecaster.config.invalid_value import InvalidValue
from forecaster.config.migration import RENAMED_KEYS, RENAMED_VALUES
from forecaster.config.reader import KeyProblem, Path, Repairs, find_nearest_name, format_value, quote_yaml
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
    "model_type": "a section with keys",
    "model_attributes_type": "a section with keys",
    "dict_type": "a section with keys",
    "union_tag_not_found": "a name",
    "string_too_short": "text that is not empty",
    "too_short": "at least one",
}
_SUGGESTIONS = 100  # problems with the nearest known name, each of which costs a millisecond
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def find_problems(error: ValidationError, values: Mapping[str, Any]) -> list[KeyProblem]:
    """Convert pydantic's errors to problems of keys, in the order of the sections."""
    return [
        KeyProblem(_find_path(item["loc"], values), *_convert_error(item, number < _SUGGESTIONS))
        for number, item in enumerate(error.errors(include_url=False))
    ]


def remove_values(values: dict[str, Any], paths: Sequence[Path]) -> tuple[dict[str, Any], bool]:
    """Remove the values at `paths`; false where one of them was missing to begin with."""
    kept = _copy_sections(values)
    removed = [_remove_value(kept, path) for path in paths]
    return kept, all(removed)


def _copy_sections(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy_sections(value) if isinstance(value, dict) else value for key, value in values.items()}


def _remove_value(values: dict[str, Any], path: Path) -> bool:
    """Remove the value at a path, or the list that it is in; return whether it was there."""
    head, rest = str(path[0]), path[1:]
    if head not in values:
        return False
    if rest and isinstance(values[head], dict):
        return _remove_value(values[head], rest)
    del values[head]
    return True


def _find_path(location: Path, values: Any) -> Path:
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


def _convert_error(item: Mapping[str, Any], suggests: bool) -> tuple[str, Mapping[str, Any], Repairs]:
    """Choose the code, the detail and the repairs of one of pydantic's errors, with the nearest name where asked."""
    kind, received, context = item["type"], item["input"], item.get("ctx", {})
    detail: dict[str, Any] = {"received": format_value(received), "nearest": ""}
    if kind == "extra_forbidden":
        return _report_unknown_key(item["loc"], received, suggests)
    if kind in {"missing", "union_tag_not_found"}:
        return "missing-key" if kind == "missing" else "missing-name", {}, ()
    renamed = RENAMED_VALUES.get(item["loc"], {}).get(received) if isinstance(received, str) else None
    if kind == "literal_error" and renamed:
        return "renamed-value", {"received": received, "name": renamed}, ()
    if kind in {"literal_error", "union_tag_invalid"}:
        received = context.get("tag", received)
        names = _split_names(context.get("expected_tags") or context["expected"])
        detail = {
            "received": format_value(received),
            "expected": names,
            "nearest": find_nearest_name(str(received), names) if suggests else "",
        }
        return "unknown-value" if kind == "literal_error" else "unknown-name", detail, ()
    if kind == "value_error" and isinstance(error := context["error"], InvalidValue):
        return error.code, {"received": format_value(received), **error.detail}, ()
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return "invalid-value", {**detail, "expected": f"{words} {context[bound]}"}, ()
    return "invalid-value", {**detail, "expected": _EXPECTED.get(kind) or item["msg"]}, ()


def _report_unknown_key(location: Path, received: object, suggests: bool) -> tuple[str, Mapping[str, Any], Repairs]:
    if not (renamed := RENAMED_KEYS.get(tuple(map(str, location)))):
        return "unknown-key", {"nearest": _find_nearest_key(location) if suggests else ""}, ()
    section = str(location[0])
    known = RENAMED_VALUES.get((section, renamed), {})
    value = known.get(received, received) if isinstance(received, str) else received
    detail = {"name": renamed, "value": quote_yaml(value) if isinstance(value, str) else format_value(value)}
    return "renamed-key", detail, ({f"{section}.{renamed}": value},)


def _split_names(expected: str) -> list[str]:
    """Split pydantic's list of names, `'a', 'b' or 'c'`."""
    return [name.strip(" '") for name in expected.replace(" or ", ",").split(",")]


def _find_nearest_key(location: Path) -> str:
    """Find the key that an unknown one means: of the same name in another section, or a similar one in its own."""
    name = str(location[-1])
    elsewhere = [key for key in _list_keys(Config, "") if key.rpartition(".")[2] == name]
    siblings = list(_list_siblings(location))
    return find_nearest_name(name, siblings) or (elsewhere[0] if elsewhere else "")


def _list_keys(section: type[BaseModel], prefix: str) -> Iterator[str]:
    """List the dotted keys of a section, those of a level before those inside them."""
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        inner += [(f"{prefix}{name}.", each) for each in _list_sections(field.annotation)]
    for deeper, each in inner:
        yield from _list_keys(each, deeper)


def _list_siblings(location: Path) -> Iterable[str]:
    """List the keys that are known in the section of an unknown one."""
    model: Any = Config
    for part in location[:-1]:
        model = _find_section(model, part)
        if model is None:
            return []
    return list(model.model_fields)


def _find_section(model: Any, part: str | int) -> type[BaseModel] | None:
    """Find the section below `part` of a section, or the member of a union that `part` names."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        field = model.model_fields.get(str(part))
        members = [] if field is None else _list_sections(field.annotation)
        return members[0] if len(members) == 1 else _Union(members) if members else None  # type: ignore[return-value]
    return model.pick(part) if isinstance(model, _Union) else None


class _Union:
    """The members of a discriminated union, by the default of `name`."""

    def __init__(self, members: list[type[BaseModel]]) -> None:
        self.members = {member.model_fields["name"].default: member for member in members}

    def pick(self, name: str | int) -> type[BaseModel] | None:
        return self.members.get(name)


def _list_sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for argument in get_args(annotation) for found in _list_sections(argument)]
