"""Configs of up to 1 MiB with any values: each is read or refused in a second or two, and never with a bug."""

import json
import random
import time

import pytest

from forecaster.config.load import load_config, load_values
from forecaster.config.reader import MAX_BYTES
from forecaster.config.schema import Config
from forecaster.default_config import write_proposal
from forecaster.errors import ConfigError, ForecasterError, UsageError
from tests.helpers.command import write_hourly_csv

BASE = "data: {path: a.csv}\nwindow: {length: 24, horizon: 6}\n"


def repeat(text, count):
    """`text` many times with its number in place of #."""
    return "".join(text.replace("#", str(number)) for number in range(count))


LARGE = {
    "80,000 unknown keys": BASE + repeat("k#: 1\n", 80_000),
    "9,000 keys with a near name": f"data:\n  path: a.csv\n{repeat('  target#: 1' + chr(10), 4_900)}window: {{length: 24, horizon: 6}}\n",
    "9,000 wrong features": f"data: {{path: a.csv, calendar: [{repeat('hourr#, ', 9_900)}]}}\nwindow: {{length: 24, horizon: 6}}\n",
    "the same covariate": f"data: {{path: a.csv, covariates: {{past: [{repeat('c, ', 9_900)}]}}}}\nwindow: {{length: 24, horizon: 6}}\n",
    "9,000 candidates": BASE + f"tune: {{window.length: [{repeat('#, ', 9_900)}]}}\n",
    "400 candidates": BASE + f"tune: {{window.length: [{repeat('2#, ', 400)}]}}\n",
    "200 unknown keys to tune": BASE + f"tune: {{{repeat('k#: [1], ', 200)}}}\n",
    "a deep list": "data: " + "[" * 500_000,
    "a deep section": BASE + "tune: " + "{a: " * 900 + "1" + "}" * 900,
    "a long number": BASE + f"training: {{seed: {'9' * 900_000}}}\n",
    "a long path": f"data: {{path: {'a/' * 400_000}}}\nwindow: {{length: 24, horizon: 6}}\n",
    "a long key": BASE + "k" * 900_000 + ": 1\n",
    "comments": "#\n" * 500_000 + BASE,
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_config_is_read_or_refused_soon(tmp_path, kind):
    path = tmp_path / "config.yaml"
    path.write_text(LARGE[kind])
    assert path.stat().st_size <= MAX_BYTES
    started = time.process_time()
    try:
        load_config(path)
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017  some of them are valid
    assert time.process_time() - started < 5  # a second on an idle machine; what was quadratic took minutes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("split.validation", "99999999999999999999"),
        ("split.validation", "9223372036854775807"),
        ("split.test", "5e-324"),
        ("split.test", "1e-9"),
        ("training.epochs", "1000000001"),
        ("data.skip", "1000000001"),
        ("training.seed", "9" * 5000),
    ],
)
def test_a_number_beyond_any_use_is_refused(tmp_path, key, value):
    section, name = key.split(".")
    path = tmp_path / "config.yaml"
    text = (
        BASE.replace("data: {", f"data: {{{name}: {value}, ")
        if section == "data"
        else BASE + f"{section}: {{{name}: {value}}}\n"
    )
    path.write_text(text)
    try:
        problems = load_config(path).problems
    except ConfigError as error:
        problems = error.problems
    assert len(problems) == 1
    assert problems[0].where.startswith(f"{path}:{1 if section == 'data' else 3}:")


@pytest.mark.parametrize(
    "written",
    [
        "{low: .nan, high: 1}",
        "{low: 0.001, high: .nan}",
        "{low: 0.001, high: .inf}",
        "{low: 0.1, high: 1, step: 1e-320}",
        "{low: 0.1, high: 1, step: .nan}",
        "{low: 0.1, high: 1, step: 1e-9}",
        "{low: -1.7e308, high: 1.7e308}",
        "[.nan]",
    ],
)
def test_a_range_that_cannot_be_searched_is_reported(tmp_path, written):
    path = tmp_path / "config.yaml"
    path.write_text(BASE + f"tune: {{training.optimizer.learning_rate: {written}}}\n")
    loaded = load_config(path)
    assert loaded.problems
    assert not loaded.space


@pytest.mark.parametrize(
    "text",
    [
        r'data: {path: "a\0b.csv"}',
        r'data: {path: "a\ud800b.csv"}',
        r'data: {path: "sqlite:///a\0.db", query: SELECT 1}',
        r'data: {path: a.csv, target: "\udfff"}',
        r'data: {path: a.csv, "\0": 1}',
    ],
)
def test_a_character_that_no_name_can_hold_is_refused_with_its_place(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(f"window: {{length: 24, horizon: 6}}\n{text}\n")
    with pytest.raises(ConfigError, match=r"config.yaml:2:\d+: "):
        load_config(path)


def test_a_file_whose_name_is_not_utf_8_gets_no_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = write_hourly_csv(tmp_path / "caf\udce9.csv")
    with pytest.raises(UsageError, match=r"caf\\udce9.csv': its name is not UTF-8"):
        write_proposal(data, tmp_path / "load.yaml")
    assert not (tmp_path / "load.yaml").exists()


VALUES = [
    *(None, True, -1, 0, 1, 2, 0.5, -0.5, 1e308, 5e-324, float("nan"), float("inf"), 2**63 - 1, 10**9),
    *(
        "",
        "x",
        "*",
        "auto",
        "1",
        "\u2028",
        "3000000h",
        "1s",
        "-",
        "sqlite:///x.db",
        "postgresql://a:b@c",
        "Mon",
        "hour",
    ),
    *([], [[]], [None], [1, "a"], ["a", "a"], [0.1, 0.9], [-1], ["x"] * 50),
    *({}, {"name": "x"}, {"a": {"b": [1]}}, {"low": 1, "high": 2}),
]


def list_keys(schema, node, path=()):
    """Every key of the schema, with those around it."""
    node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    if path:
        yield path
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from list_keys(schema, each, path)
    for name, each in node.get("properties", {}).items():
        yield from list_keys(schema, each, (*path, name))


def put(values, path, value):
    inner = values.get(path[0])
    rest = put(inner if isinstance(inner, dict) else {}, path[1:], value) if path[1:] else value
    return values | {path[0]: rest}


def test_no_value_of_any_key_is_a_bug():
    schema, generator = Config.model_json_schema(), random.Random(7)
    keys = sorted(set(list_keys(schema, schema)))
    given = {"data": {"path": "a.csv"}, "window": {"length": 24, "horizon": 6}}
    tried = [put(given, key, value) for key in keys for value in generator.sample(VALUES, 8)]
    for _ in range(300):
        values = given
        for key in generator.sample(keys, 3):
            values = put(values, key, generator.choice(VALUES))
        ends = {name: generator.choice(VALUES) for name in ("low", "high", "step")}
        tried.append(values | {"tune": {".".join(generator.choice(keys)): generator.choice([ends, *VALUES])}})
    unexpected = {}
    for values in tried:
        try:
            load_values(values, "config")
        except ForecasterError:
            continue
        except Exception as error:
            unexpected[repr(error)] = json.dumps(values)
    assert unexpected == {}
