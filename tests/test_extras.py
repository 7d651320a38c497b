"""The error for an extra that is missing or broken."""

import sys

import pytest

from forecaster.extras import MissingExtra, import_extra, require_extra


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra) as found:
        require_extra("tune", "forecast tune")
    assert str(found.value) == (
        "forecast tune needs optuna, which is not installed; install the extra 'tune': "
        "pip install 'recurrent-forecast[tune]'"
    )
    assert found.value.exit_code == 2


def test_installed_packages_are_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    require_extra("tune", "forecast tune")
    assert "optuna" not in sys.modules


def test_a_package_that_cannot_be_imported_is_reported_with_its_reason():
    with (
        pytest.raises(
            MissingExtra, match=r"forecast train needs a package that cannot be imported \(libz.so: missing\)"
        ),
        import_extra("train", "forecast train"),
    ):
        raise ImportError("libz.so: missing", name="tensorflow")


def test_an_import_that_fails_in_this_package_is_not_blamed_on_an_extra():
    with pytest.raises(ImportError, match="no name 'x'"), import_extra("train", "forecast train"):
        raise ImportError("no name 'x'", name="forecaster.training.train")
