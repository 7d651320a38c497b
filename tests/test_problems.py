"""The codes of all problems: each is rendered, raised somewhere, and listed in docs/problems.md."""

import ast
import functools
import importlib.util
import json
import pickle
import re

import pytest

from forecaster.config import load_values
from forecaster.errors import DataError
from forecaster.problems import Cells, Problem, format_yaml
from forecaster.problems.registry import MESSAGES, SECTIONS
from forecaster.wording import count_of, count_steps, list_some
from tests.helpers.command import ROOT
from tests.problem_examples import EXAMPLES

SOURCES = [
    path
    for path in sorted((ROOT / "forecaster").rglob("*.py"))
    if path.parent.name != "problems" or path.name == "summary.py"
]
IN_SERIES = "-in-series"  # of what `forecast check` finds in several series, built from the code for one


@functools.cache
def _list_texts(source: str) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return {node.value for node in nodes if isinstance(node.value, str)}


def test_every_code_has_an_example():
    assert EXAMPLES.keys() == MESSAGES.keys()


def test_a_problem_is_rendered_as_a_sentence_and_as_json():
    for code, message in MESSAGES.items():
        text = str(EXAMPLES[code])
        assert text, code
        assert "  " not in text
        found = json.loads(json.dumps(EXAMPLES[code].to_json()))
        assert list(found) == ["code", "where", "column", "cells", "detail", "repairs", "message"], code
        assert (found["code"], found["message"]) == (code, text)
        assert message.description.endswith("."), code


def test_a_problem_crosses_from_one_process_to_another():
    for problem in EXAMPLES.values():
        assert pickle.loads(pickle.dumps(problem)) == problem
        error = pickle.loads(pickle.dumps(DataError([problem, problem])))
        assert error.problems == (problem, problem)
        assert str(error) == f"{problem}\n{problem}"


def test_every_code_is_raised_and_every_code_that_is_raised_is_known():
    sources = [path.read_text() for path in SOURCES]
    raised = {code for source in sources for code in re.findall(r'\bProblem\(\s*"([^"]*)"', source)}
    assert len(raised) > 300
    assert raised <= MESSAGES.keys()
    others = {code.removesuffix(IN_SERIES) for code in MESSAGES} - raised
    named = {code for code in others for text in sources if f'"{code}"' in text and code in _list_texts(text)}
    assert sorted(others - named) == []
    assert sum(map(len, SECTIONS.values())) == len(MESSAGES)


def test_a_code_without_a_message_is_a_bug():
    with pytest.raises(ValueError, match="no message has this code"):
        Problem("no-such-code")


def test_a_repair_names_keys_and_values_that_a_config_takes():
    known = {"data": {"path": "x.csv"}, "window": {"length": 8, "horizon": 2}}
    repairs = [(code, repair) for code, problem in EXAMPLES.items() for repair in problem.repairs]
    assert repairs
    for code, repair in repairs:
        sets = [f"{key}={format_yaml(value)}" for key, value in repair.items()]
        found = {problem.code for problem in load_values(known, "x.yaml", sets).problems}
        assert not found & {"unknown-key", "invalid-value", "unknown-value", "invalid-yaml"}, code


def test_the_page_of_problems_is_up_to_date():
    spec = importlib.util.spec_from_file_location("generate_problems", ROOT / "docs/generate_problems.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.render_page(), "run `make docs`"


def test_problems_of_one_kind_share_their_cells():
    one = Problem("not-a-number", "x.csv:3", "load", Cells(6, tuple(("x", f"line {line}") for line in range(3, 7))))
    other = Problem("not-a-number", "x.csv:90", "load", Cells(2, (("y", "line 90"), ("z", "line 91"))))
    both = one.merge(other)
    assert (both.where, both.cells.count, len(both.cells.first)) == ("x.csv:3", 8, 5)
    assert "8 cells are not a number: 'x' (line 3)" in str(both)
    assert "'y' (line 90), ...;" in str(both)
    assert one.kind == other.kind
    assert one.kind != Problem("not-a-number", "x.csv:3", "price", Cells(1)).kind


def test_a_place_and_a_series_are_added_by_whoever_knows_them():
    problem = Problem("no-number-in-target")
    assert (
        str(problem.add_place("x.csv").add_series("north"))
        == "x.csv: no cell of the target holds a number [series north]"
    )
    assert problem.add_place("x.csv").add_place("y.csv").where == "x.csv"


@pytest.mark.parametrize(
    ("steps", "frequency", "expected"),
    [
        (30, "h", "30 hours"),
        (1, "D", "1 day"),
        (2047, "sessions", "2,047 trading days"),
        (12, "step", "12 steps"),
        (12, "", "12 steps"),
        (30, "15min", "30 steps of 15 minutes"),
        (1, "2h", "1 step of 2 hours"),
        (3, "MS", "3 months"),
        (3, "ms", "3 milliseconds"),
        (2, "QS-JAN", "2 quarters"),
        (2, "YE-DEC", "2 years"),
        (2, "W-MON", "2 weeks"),
        (5, "B", "5 weekdays"),
        (5, "C", "5 working days"),
        (4, "WOM-3FRI", "4 months"),
    ],
)
def test_steps_are_named_by_what_they_are(steps, frequency, expected):
    assert count_steps(steps, frequency) == expected


def test_counts_and_lists():
    assert (count_of(1, "row"), count_of(2047, "row"), count_of(2, "category", "categories")) == (
        "1 row",
        "2,047 rows",
        "2 categories",
    )
    assert list_some("abc") == "a, b, c"
    assert list_some("abcdef") == "a, b, c, d, e, ..."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5s", "5s"),
        ("1e5", '"1e5"'),
        ("null", '"null"'),
        ("a b", "a b"),
        (": ", '": "'),
        (None, "null"),
        (True, "true"),
        ([24, "a"], "[24, a]"),
        ({"heat": "last"}, "{heat: last}"),
    ],
)
def test_values_are_written_as_yaml(value, text):
    assert format_yaml(value) == text


def test_a_problem_of_many_series_takes_a_few_lines():
    def make(code, count):
        return [Problem(code, "x.csv", detail={"series": f"s{number}"}) for number in range(count)]

    every = [*make("no-number-in-target", 2000), *make("empty-file", 5), Problem("no-rows", "x.csv")]
    lines = str(DataError(every)).splitlines()
    assert lines == [
        *(f"x.csv: no cell of the target holds a number [series s{number}]" for number in range(3)),
        "... and 1,997 more series have such a problem (no-number-in-target): s3, s4, s5, s6, s7, ...",
        *(f"x.csv: the file is empty; expected a header and rows [series s{number}]" for number in range(5)),
        "x.csv: no rows; expected at least one",
    ]
