"""No name of a file can add a key to the YAML that is written for it."""

import pytest
import yaml

from forecaster.config import load_values
from forecaster.config.reader import parse_document
from forecaster.config.template import render_commented_yaml

NAMES = [
    "a\nwindow: {length: 9}\n#.csv",
    "a\r\nmodel: x.csv",
    "a\u2028model: x",
    "a\x85model: x",
    "a: b",
    "#a",
    "\x7f",
    "\ta",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["data.path", "data.target", "data.comment", "data.unit"])
def test_a_name_is_read_back_as_itself(name: str, place: str) -> None:
    data = {"path": "x.csv", place.removeprefix("data."): {name: name} if place == "data.unit" else name}
    loaded = load_values({"data": data, "window": {"length": 2, "horizon": 1}}, "x.yaml")
    text = render_commented_yaml(loaded.config, f"forecast train {name}")
    written = parse_document(text, "x.yaml").values
    assert written["window"] == {"length": 2, "min_length": None, "horizon": 1}
    assert written["data"] == yaml.safe_load(text)["data"]
    assert written["data"][place.removeprefix("data.")] == data[place.removeprefix("data.")]
