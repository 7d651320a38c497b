"""docs/config.md: generated from the schema, with an example of each key."""

import importlib.util
from types import ModuleType

import pytest

from forecaster.config import build_json_schema
from forecaster.config.reader import override_value, parse_document
from forecaster.config.schema import Config
from tests.helpers.command import ROOT

REQUIRED = "data: {path: load.csv}\nwindow: {length: 24, horizon: 6}\n"
# The rest of a section whose keys depend on its name.
NAMES = {
    "training.schedule.warmup": "constant",
    "training.schedule.decay": "exponential",
    "training.schedule.minimum": "cosine",
    "training.schedule.factor": "plateau",
    "training.schedule.patience": "plateau",
    "training.averaging.decay": "ema",
    "training.averaging.start": "swa",
}


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_config", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate_config = _load("docs/generate_config.py")


def _keys(section: dict, path: str = "") -> set[str]:
    """The dotted names of all keys that hold a value and not a section."""
    definitions = build_json_schema()["$defs"]
    found = set()
    for name, field in section["properties"].items():
        forms = [field, *field.get("anyOf", ()), *field.get("oneOf", ())]
        forms = [form for each in forms for form in (each, *each.get("oneOf", ()))]
        inner = [definitions[form["$ref"].rsplit("/", 1)[-1]] for form in forms if "$ref" in form]
        found |= {key for each in inner for key in _keys(each, f"{path}{name}.")} if inner else {f"{path}{name}"}
    return found


def test_the_page_is_up_to_date():
    page = (ROOT / "docs" / "config.md").read_text()
    assert page == generate_config.render_page(), "run `make docs`"


def test_each_key_has_an_example():
    assert set(generate_config.EXAMPLES) == _keys(build_json_schema()) - {"tune"}


@pytest.mark.parametrize(("key", "example"), generate_config.EXAMPLES.items())
def test_the_schema_accepts_each_example(key: str, example: str):
    document = parse_document(REQUIRED, "test.yaml")
    section = key.rpartition(".")[0]
    if key in NAMES:
        document = override_value(document, f"{section}.name={NAMES[key]}")
    Config.model_validate(override_value(document, f"{key}={example}").values)
