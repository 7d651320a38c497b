"""YAML text -> plain values, and where in the file each of them stands."""

import contextlib
import difflib
import errno
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from forecaster.errors import ConfigError
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file

MAX_BYTES = 1 << 20
MAX_VALUES = 10_000  # keys, values and sections of a config, which are checked in about a second
_LARGEST_INTEGER, _LONGEST_INTEGER = 2**63 - 1, 1000  # the length of its text, with zeros before it
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
_PLAIN = re.compile("[\n ->@-~]*")  # ASCII without a question mark, which both parsers read alike
_COMMENT = re.compile("(?<=[\n ])#.*")  # in which a question mark is text, as in the comments of a run's config
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str")}

Path = tuple[str | int, ...]  # ("training", "optimizer", "name"); numbers index a list
Repairs = tuple[Mapping[str, Any], ...]
_NOTHING: Mapping[str, Any] = {}

_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class KeyProblem(NamedTuple):
    """A problem of a key, wherever the file has it.

    Attributes:
        path: of the key.
        code, detail, repairs: of the problem.
    """

    path: Path
    code: str
    detail: Mapping[str, Any] = _NOTHING
    repairs: Repairs = ()


@dataclass(frozen=True)
class Document:
    """The values of a YAML file with the position of each, as `file:line:column`."""

    values: dict[str, Any]
    positions: dict[Path, str] = field(default_factory=dict)
    name: str = "config"

    def find_position(self, path: Path) -> str:
        """Return the position of `path`, or of the nearest section around it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, self.name)

    def place(self, problem: KeyProblem) -> Problem:
        """Give a problem of a key the position of its value."""
        path, code, detail, repairs = problem
        return Problem(code, self.find_position(path), ".".join(map(str, path)), detail=detail, repairs=repairs)


class _Core(Composer, SafeConstructor, Resolver):
    """What reads YAML 1.2's core scalars from the events of a parser, and nothing that could run or grow.

    PyYAML follows YAML 1.1, where `12:30` is 750, `no` is false and `1e-3` is text.
    """

    check_event: Any  # of the parser
    peek_event: Any
    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES:,} keys and values", problem_mark=mark)
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not allowed: write the value out", problem_mark=mark)
        return super().compose_node(parent, index)


class _Loader(_Core, yaml.SafeLoader):
    """With the parser of PyYAML."""


if yaml.__with_libyaml__:

    class _FastLoader(_Core, yaml.CSafeLoader):
        """With the parser of libyaml, which takes a tenth of the time."""

        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            Composer.__init__(self)


_Core.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", ["t", "f"]),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan)$",
        list("-+.0123456789"),
    ),
):
    _Core.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
# PyYAML takes 010 for octal; in YAML 1.2 it is ten.
_Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _read_integer(node.value))


def _read_integer(text: str) -> int:
    """Read a whole number of at most 64 bits; raise `OverflowError` for others, which arrays and dates cannot hold."""
    if len(text) > _LONGEST_INTEGER or abs(number := int(text)) > _LARGEST_INTEGER:
        raise OverflowError
    return number


def find_unreadable(text: str) -> str:
    """Find a character that no file name and no UTF-8 can hold: zero, or half of a pair; empty where there is none."""
    found = _UNREADABLE.search(text)
    return "" if found is None else f"U+{ord(found[0]):04X}"


def read_document(path: FilePath) -> Document:
    """Read a YAML file of at most 1 MiB.

    Raises:
        ConfigError: it is missing, too large, not YAML, or repeats a key.
    """
    try:
        text = read_regular_file(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(report_missing_file(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("config-not-utf-8", str(path), detail={"byte": error.start})) from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError(Problem("config-too-large", str(path), detail={"limit": MAX_BYTES})) from None
        raise ConfigError(Problem("cannot-read", str(path), detail={"reason": str(error.strerror)})) from None
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Parse YAML whose top level is a mapping; positions begin with `name`."""
    if yaml.__with_libyaml__ and _PLAIN.fullmatch(_COMMENT.sub(lambda comment: comment[0].replace("?", ""), text)):
        with contextlib.suppress(ConfigError):  # the errors are those of the other parser
            return _parse(_FastLoader, text, name)
    return _parse(_Loader, text, name)


def _parse(kind: type, text: str, name: str) -> Document:
    positions: dict[Path, str] = {}
    try:
        loader = kind(text)
        node = loader.get_single_node()
        values = {} if node is None else _construct(loader, node, (), positions, name)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(
            _report_invalid_yaml(_format_position(name, error.problem_mark), str(error.problem))
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(_report_invalid_yaml(name, f"not YAML: {error}")) from None
    except RecursionError:
        raise ConfigError(Problem("nested-too-deeply", name)) from None
    if not isinstance(values, dict):
        raise ConfigError(Problem("no-sections", f"{name}:1:1", detail={"received": format_value(values)}))
    return Document(values, positions, name)


def _report_invalid_yaml(where: str, reason: str) -> Problem:
    return Problem("invalid-yaml", where, detail={"reason": reason, "quoted": ""})


def _construct(loader: _Core, node: yaml.Node, path: Path, positions: dict[Path, str], name: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if not isinstance(key_node, yaml.ScalarNode) or key in result or find_unreadable(key):
                problem = f"the key {key!r} is given twice" if key in result else "a key must be plain text"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            positions[(*path, key)] = _format_position(name, key_node.start_mark)
            result[key] = _construct(loader, value_node, (*path, key), positions, name)
        return result
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            positions[(*path, index)] = _format_position(name, item.start_mark)
        return [_construct(loader, item, (*path, index), positions, name) for index, item in enumerate(node.value)]
    if node.tag not in _TAGS:
        raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} is not allowed", problem_mark=node.start_mark)
    if unreadable := find_unreadable(node.value):
        problem = f"the character {unreadable}, which no name and no text may hold"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    try:
        return loader.construct_object(node)
    except (ValueError, KeyError, OverflowError) as error:
        large = isinstance(error, OverflowError)
        problem = f"{format_value(node.value)} is {'too large' if large else 'no ' + node.tag.rsplit(':', 1)[-1]}"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


def _format_position(name: str, mark: Any) -> str:
    return name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"


def override_value(document: Document, assignment: str) -> Document:
    """Apply one `section.key=value` from the command line to a document."""
    origin = f"--set {assignment}"
    dotted, equals, text = assignment.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(Problem("invalid-assignment", origin))
    written = '"*"' if text.strip() == "*" else text  # alone it would be an alias of YAML's
    quoted = format_option(dotted.strip(), text.strip(), quoted=True)
    try:
        values = parse_document(f"value: {written}", origin).values
    except ConfigError as error:
        raise ConfigError([replace(p, detail={**p.detail, "quoted": quoted}) for p in error.problems]) from None
    value = values["value"]
    if len(values) > 1 or (value is None and text.strip() not in {"null", "~"}):
        detail = {"received": format_value(value), "quoted": quoted}
        raise ConfigError(Problem("ambiguous-assignment", origin, detail=detail))
    path: Path = tuple(keys)
    positions = {known: where for known, where in document.positions.items() if known[: len(path)] != path}
    return Document(assign(document.values, keys, value, origin), positions | {path: origin}, document.name)


def format_option(dotted: str, text: str, quoted: bool = False) -> str:
    """`--set data.target=load` as a shell takes it, in quotes of YAML where the text would not be read as itself."""
    return f"--set {shlex.quote(f'{dotted}={json.dumps(text, ensure_ascii=False) if quoted else quote_yaml(text)}')}"


def quote_yaml(text: str) -> str:
    """Write a text for any place in a YAML, in double quotes where it would not be read as itself."""
    try:
        read = parse_document(f"alone: {text}  # a comment\nlisted: [{text}]\n", "").values
        if read == {"alone": text, "listed": [text]}:
            return text
    except ConfigError:
        pass
    return escape_line_ends(json.dumps(text, ensure_ascii=False))


def escape_line_ends(text: str) -> str:
    """Write what YAML takes for the end of a line, or for no text, as escapes, such as in the name of a file."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def assign(values: dict[str, Any], keys: list[str], value: Any, origin: str) -> dict[str, Any]:
    """Add a value at the end of nested keys.

    Raises:
        ConfigError: a section on the way is a single value; its place is `origin`.
    """
    head, *rest = keys
    if not rest:
        return values | {head: value}
    inner = values.get(head)
    if inner is not None and not isinstance(inner, dict):
        raise ConfigError(Problem("key-of-a-value", origin, detail={"name": head}))
    return values | {head: assign(inner or {}, rest, value, origin)}


def report_missing_file(path: FilePath) -> Problem:
    """Report a file that does not exist, with the nearest name in its folder."""
    try:
        names = [other.name for other in path.parent.iterdir() if other.is_file()]
    except OSError:
        detail = {"nearest": "", "missing_folder": str(path.parent)}
    else:
        detail = {"nearest": find_nearest_name(path.name, names), "missing_folder": ""}
    return Problem("no-such-file", str(path), detail=detail)


def find_nearest_name(word: str, known: Iterable[str]) -> str:
    """Find the nearest of some names; empty where none is near."""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)), "")


def format_value(value: Any) -> str:
    """Write a value as YAML, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str | float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
