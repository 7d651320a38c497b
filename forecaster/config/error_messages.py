"""pydantic's errors as problems of keys: what was received, what was expected, and the nearest known name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from forecaster.config.invalid_value import InvalidValue
from forecaster.config.migration import RENAMED_KEYS, RENAMED_VALUES
from forecaster.config.reader import Document, KeyProblem, Path, Repairs, find_nearest_name, format_value, quote_yaml
from forecaster.errors import ConfigError

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
_Model = TypeVar("_Model", bound=BaseModel)


def validate_values(
    model: type[_Model], values: dict[str, Any], document: Document
) -> tuple[_Model, dict[str, Any], list[KeyProblem]]:
    """Validate, replace what is invalid by its default, and validate again, collecting all problems.

    Args:
        model: whose keys these are.
        values: to validate.
        document: which has the positions.

    Returns:
        The model, the valid ones of the values, and the problems of the others.

    Raises:
        ConfigError: a key that has no default is missing or invalid.
    """
    problems: list[KeyProblem] = []
    while True:
        try:
            return model.model_validate(values), values, problems
        except ValidationError as error:
            found = find_problems(error, values, model)
            removed = {problem.path[:length] for problem in problems for length in range(1, len(problem.path) + 1)}
            problems += [problem for problem in found if problem.path not in removed]
            values, whole = _remove_values(values, [problem.path for problem in found])
            if not whole:
                raise ConfigError(list(map(document.place, problems))) from None


def find_problems(error: ValidationError, values: Mapping[str, Any], model: type[BaseModel]) -> list[KeyProblem]:
    """Convert pydantic's errors to problems of keys of a model, in the order of the sections."""
    return [
        KeyProblem(_find_path(item["loc"], values), *_convert_error(item, model if number < _SUGGESTIONS else None))
        for number, item in enumerate(error.errors(include_url=False))
    ]


def _remove_values(values: dict[str, Any], paths: Sequence[Path]) -> tuple[dict[str, Any], bool]:
    """Remove the values at `paths`; false where one of them was missing to begin with."""
    kept = _copy_sections(values)
    removed = [_remove_value(kept, path) for path in paths]
    return kept, all(removed)


def _copy_sections(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _copy_sections(value) for key, value in values.items()}
    return list(map(_copy_sections, values)) if isinstance(values, list) else values


def _remove_value(values: Any, path: Path) -> bool:
    """Remove the value at a path, or the list of single values that it is in; return whether it was there."""
    head, rest = path[0], path[1:]
    if isinstance(values, dict) and head not in values:
        return False
    inner = values[head]
    if rest and (isinstance(inner, dict) or (isinstance(inner, list) and _is_section(inner, rest))):
        return _remove_value(inner, rest)
    del values[head]
    return True


def _is_section(several: list[Any], path: Path) -> bool:
    """Whether a path leads into a section of a list."""
    return len(path) > 1 and isinstance(path[0], int) and isinstance(several[path[0]], dict)


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


def _convert_error(item: Mapping[str, Any], model: type[BaseModel] | None) -> tuple[str, Mapping[str, Any], Repairs]:
    """Choose the code, the detail and the repairs of one of pydantic's errors.

    Args:
        item: the error.
        model: in which the nearest name is looked for; None: none is suggested.
    """
    kind, received, context = item["type"], item["input"], item.get("ctx", {})
    detail: dict[str, Any] = {"received": format_value(received), "nearest": ""}
    if kind == "extra_forbidden":
        return _report_unknown_key(item["loc"], received, model)
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
            "nearest": find_nearest_name(str(received), names) if model else "",
        }
        return "unknown-value" if kind == "literal_error" else "unknown-name", detail, ()
    if kind == "value_error" and isinstance(error := context["error"], InvalidValue):
        return error.code, {"received": format_value(received), **error.detail}, ()
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return "invalid-value", {**detail, "expected": f"{words} {context[bound]}"}, ()
    return "invalid-value", {**detail, "expected": _EXPECTED.get(kind) or item["msg"]}, ()


def _report_unknown_key(
    location: Path, received: object, model: type[BaseModel] | None
) -> tuple[str, Mapping[str, Any], Repairs]:
    if not (renamed := RENAMED_KEYS.get(tuple(map(str, location)))):
        return "unknown-key", {"nearest": _find_nearest_key(location, model) if model else ""}, ()
    section = str(location[0])
    known = RENAMED_VALUES.get((section, renamed), {})
    value = known.get(received, received) if isinstance(received, str) else received
    detail = {"name": renamed, "value": quote_yaml(value) if isinstance(value, str) else format_value(value)}
    return "renamed-key", detail, ({f"{section}.{renamed}": value},)


def _split_names(expected: str) -> list[str]:
    """Split pydantic's list of names, `'a', 'b' or 'c'`."""
    return [name.strip(" '") for name in expected.replace(" or ", ",").split(",")]


def _find_nearest_key(location: Path, model: type[BaseModel]) -> str:
    """Find the key that an unknown one means: a similar one in its section, or of the same name elsewhere.

    Of those elsewhere the ones below its section come first.
    """
    name, around = str(location[-1]), location[:-1]
    section = _find_section(model, around)
    siblings = [] if section is None else list(section.model_fields)
    inside = [] if section is None else [".".join(map(str, (*around, key))) for key in _list_keys(section, "")]
    elsewhere = [key for key in (*inside, *_list_keys(model, "")) if key.rpartition(".")[2] == name]
    return find_nearest_name(name, siblings) or (elsewhere[0] if elsewhere else "")


def _list_keys(section: type[BaseModel], prefix: str) -> Iterator[str]:
    """List the dotted keys of a section, those of a level before those inside them."""
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        inner += [(f"{prefix}{name}.", each) for each in _list_sections(field.annotation)]
    for deeper, each in inner:
        yield from _list_keys(each, deeper)


def _find_section(model: Any, path: Path) -> type[BaseModel] | None:
    """Find the section at a path below a model; of several forms the one that the path names."""
    for part in path:
        if isinstance(model, _Union):
            model = model.members.get(part)
        elif isinstance(part, str) and model is not None:  # a number is the place in a list of sections
            field = model.model_fields.get(part)
            members = [] if field is None else _list_sections(field.annotation)
            model = _Union(members) if len(members) > 1 else next(iter(members), None)
    return None if isinstance(model, _Union) else model


class _Union:
    """The members of a discriminated union, by the default of `name`."""

    def __init__(self, members: list[type[BaseModel]]) -> None:
        self.members = {member.model_fields["name"].default: member for member in members}


def _list_sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for argument in get_args(annotation) for found in _list_sections(argument)]
