"""Plain English: words that README, docs, configs, the package and its tests do not use; functions are named by verbs."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.command import ROOT

# Each pattern with plainer words to use instead.
WORDS = {
    r"told|tells?|telling": "report, show, distinguish",
    r"says?|said|saying|unsaid": "print, report, state",
    r"mend(s|ed|ing)?": "repair, fix",
    r"ailments?|ill|doctors?": "problem, missing, invalid",
    r"odd": "unusual, invalid",
    r"lean(s|ed|ing)?": "blend, rely",
    r"(go|goes|going|went|gone) by": "use",
    r"(go|goes|going|went|gone) on": "resume, continue",
    r"what (came|comes)": "actuals",
    r"(stand|stands|standing|stood) (in|for)": "replace, mean, be",
    r"by (itself|themselves)": "alone, separately",
    r"so many": "that many, a number",
    r"who has what": "which series have which finding",
    r"matters? to": "affect, need",
    r"of (its|their) own": "separate, own",
    r"for (itself|themselves)": "separately",
    r"upside down": "sign-flipped",
    r"beside": "next to, in addition to",
    r"twins?": "duplicate",
    r"livel(y|ier|iest)": "volatile",
    r"a (series|step|row|column) a (series|step|row|column)": "one row per series",
}
PATTERN = re.compile(r"\b(?:" + "|".join(f"(?:{word})" for word in WORDS) + r")\b", re.IGNORECASE)
# Finds at least as much in code whose names are taken apart, whatever stands between two words.
ANYWHERE = re.compile(r"(?<![a-z])(?:" + "|".join(WORDS).replace(" ", "[^a-z]+") + r")(?![a-z])")
# A function that may be no verb; whether it is a property, or answers a question, is seen in its syntax tree.
NO_VERB = re.compile(
    r"^ *(?:async )?def _*(?:[a-z0-9]+(?:ed|s)|as|at|by|for|in|of|on|with|without)(?:_|\b)", re.MULTILINE
)

PACKAGE = sorted((ROOT / "forecaster").rglob("*.py"))
TESTS = sorted(set((ROOT / "tests").rglob("*.py")) - {Path(__file__)})
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = [*sorted((ROOT / "configs").glob("*.yaml")), *sorted((ROOT / "benchmarks").rglob("*.yaml"))]

# First words of a function that make it no verb: `with_repairs`, `of_series`.
PREPOSITIONS = {"as", "at", "by", "for", "in", "of", "on", "with", "without"}

# Names of other libraries, and odd numbers.
ALLOWED = {
    "tests/explain/test_diagnose.py": {"odd"},
    "forecaster/data/sources/decoding.py": {"odd: odd"},
    "forecaster/tuning/search.py": {"tell: tell"},
}


def _find(text: str, line: int) -> Iterator[tuple[int, str]]:
    """Each word to lose in a text that begins at `line`, with its line."""
    for match in PATTERN.finditer(re.sub(r"\s", " ", text)):
        yield line + text.count("\n", 0, match.start()), match[0]


@functools.cache  # most names occur in many files
def _find_in_name(name: str) -> list[str]:
    return [word for _, word in _find(_split_names(name), 1)]


def _split_names(text: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)


def _find_in_code(path: Path, strings: bool) -> Iterator[tuple[int, str]]:
    """In docstrings, names and comments, and in other string constants where they are asked for."""
    source = path.read_text()
    if not ANYWHERE.search(_split_names(re.sub(r"\\[a-z]", " ", source)).lower()):
        return  # to parse all files takes eight seconds
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and strings:
            yield from _find(node.value, node.lineno)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield from _find(text, node.body[0].lineno)
        for name in (getattr(node, field, None) for field in ("id", "attr", "name", "arg")):
            if isinstance(name, str):
                yield from ((node.lineno, f"{name}: {word}") for word in _find_in_name(name))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from _find(token.string, token.start[0])


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _describe(path: Path, found: Iterator[tuple[int, str]]) -> list[str]:
    allowed = ALLOWED.get(_name(path), set())
    return [f"{_name(path)}:{line}: {word}" for line, word in sorted(set(found)) if word not in allowed]


def test_the_package_uses_plain_words():
    assert [line for path in PACKAGE for line in _describe(path, _find_in_code(path, strings=True))] == []


def test_tests_use_plain_words_in_names_and_comments():
    assert [line for path in TESTS for line in _describe(path, _find_in_code(path, strings=False))] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("class IsOdd: ...", ["1: IsOdd: Odd"]),
        ("x.odd_row = say()", ["1: odd_row: odd", "1: say: say"]),
        ("def read(*, beside): ...", ["1: beside: beside"]),
        ("# goes  on", []),
        ("# what\tcame", ["1: what came"]),
        ("def f():\n    '''One\n\n    goes\n    by it.'''", ["4: goes by"]),
        ('f("a series "\n"a row\\ntold")', ["1: a series a row", "2: told"]),
        ("bodd, Lend, oddly, mender, told1 = ill_used", ["1: ill_used: ill"]),
    ],
)
def test_a_word_is_found_wherever_code_can_hold_it(tmp_path, code, expected):
    (tmp_path / "x.py").write_text(code)
    assert sorted({f"{line}: {word}" for line, word in _find_in_code(tmp_path / "x.py", strings=True)}) == expected


def _is_no_verb(function: ast.FunctionDef) -> bool:
    """Whether a name is a participle, begins with a preposition, or with a plural; `has_` and `x_to_y` are verbs."""
    first = function.name.strip("_").partition("_")[0]
    is_boolean = function.returns is not None and ast.unparse(function.returns) == "bool"
    is_plural = first.endswith("s") and not first.endswith("ss") and first not in {"is", "has", "looks"}
    is_plural = is_plural and not is_boolean and "_to_" not in function.name
    return first in PREPOSITIONS or first.endswith("ed") or is_plural


def _list_no_verbs(source: str) -> list[str]:
    if not NO_VERB.search(source):
        return []
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    verbs = [each for each in functions if not any("property" in ast.unparse(d) for d in each.decorator_list)]
    return [f"{each.lineno}: {each.name}" for each in verbs if _is_no_verb(each)]


def test_functions_of_the_package_are_named_by_verbs():
    assert [f"{_name(path)}:{line}" for path in PACKAGE for line in _list_no_verbs(path.read_text())] == []


def test_names_that_are_no_verbs_are_found():
    source = """
def with_repairs(): ...
def _shifted(x): ...
class A:
    def series_of(self): ...
    def looks_on(self): ...
    def rows(self) -> bool: ...
    def series_to_rows(self): ...
    @property
    def names(self): ...
"""
    assert _list_no_verbs(source) == ["2: with_repairs", "3: _shifted", "5: series_of"]


@pytest.mark.parametrize("path", [*PAGES, *CONFIGS], ids=_name)
def test_pages_and_configs_use_plain_words(path: Path):
    assert _describe(path, _find(path.read_text(), 1)) == []
