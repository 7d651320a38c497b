"""The JSON files of a version."""

import json

import pytest

from forecaster.runs.json_files import encode_json


def test_each_entry_of_the_outer_levels_is_a_line():
    values = {"format": 5, "scalers": {"shop 1": {"offset": 0.1, "lags": (1, 2)}, 'ü "2"': None}, "empty": {}}
    encoded = encode_json(values)
    assert encoded.decode().splitlines() == [
        "{",
        ' "format": 5,',
        ' "scalers": {',
        '  "shop 1": {"offset": 0.1, "lags": [1, 2]},',
        '  "\\u00fc \\"2\\"": null',
        " },",
        ' "empty": {}',
        "}",
    ]
    assert json.loads(encoded) == json.loads(json.dumps(values))


def test_a_number_that_json_lacks_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json({"scores": {"mae": float("nan")}})
