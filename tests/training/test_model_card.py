"""The model card of a version."""

from pathlib import Path

import pytest

from forecaster.runs import load_version
from forecaster.training.model_card import _format_name
from tests.helpers.command import ROOT


def test_a_card_reports_data_errors_limits_and_use(trained: Path):
    version = load_version(trained / "runs/tiny")
    card = version.read("README.md").decode()
    data, metrics = version.manifest["data"], version.metrics
    assert card.startswith("---\nlibrary_name: recurrent-forecast\n")
    assert f"`load.csv`: 1 series, {data['steps']} hours, {data['first'][:10]}" in card
    assert f"{metrics['scores']['model']['mae']:.4g}" in card
    assert f"{metrics['coverage']['80']:.1f} % by the 80 % interval" in card
    for text in ("# tiny\n", "## Limits", "## Licence", "forecast predict runs/tiny", "forecaster.predict(frame,"):
        assert text in card
    assert str(trained) not in card  # no folder of this machine


def test_a_version_without_a_card_is_read():
    version = load_version(ROOT / "tests/runs/format-4/load")
    assert "README.md" not in version.manifest["files"]
    assert version.config.window.horizon == version.metrics["horizon"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("load", "`load`"),
        ("<b>[a](b)*</b>", "`<b>[a](b)*</b>`"),
        ("a|b", r"`a\|b`"),
        ("two\nlines", "`two lines`"),
        ("`a``b", "``` `a``b ```"),
    ],
)
def test_a_name_is_one_code_span_in_one_cell(name: str, expected: str):
    assert _format_name(name) == expected
