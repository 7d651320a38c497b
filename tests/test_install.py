"""The wheel in an environment without TensorFlow: it predicts, and names the extra of what it cannot do."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from forecaster import extras
from tests.helpers.command import ROOT, TINY, run_in_turn

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNS = ROOT / "tests" / "runs" / "format-3"
ENVIRON = {
    name: value
    for name, value in os.environ.items()
    if name not in {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "KERAS_BACKEND"}
}


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=ENVIRON, capture_output=True, text=True, check=False, timeout=240
    )


def succeed(*command: object, cwd: Path | None = None) -> str:
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout


def build_wheel(folder: Path) -> Path:
    """Build it from a copy, since setuptools would add what an earlier build left in the tree."""
    source = folder / "source"
    shutil.copytree(ROOT / "forecaster", source / "forecaster", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    succeed(
        sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})", cwd=source
    )
    return next(folder.glob("*.whl"))


def requirements_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as content:
        name = next(name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(content.read(name).decode()).get_all("Requires-Dist", [])


def required_distributions(requirements: list[str]) -> set[str]:
    """The names of what an install without extras brings, by the metadata of what is installed here."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting += [Requirement(text) for text in distribution(name).requires or []]
    return found


def link_distribution(name: str, site_packages: Path) -> None:
    """Link the files of an installed distribution into another environment, as pip would unpack them."""
    installed = distribution(name)
    for file in installed.files or []:
        if file.parts[0] != "..":  # scripts
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(installed.locate_file(file), target)
            except OSError:  # another disk
                shutil.copy2(installed.locate_file(file), target)


def make_environment(folder: Path) -> None:
    """A virtual environment of the wheel and what it requires, without a download."""
    wheel = build_wheel(folder)
    succeed(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    site_packages = Path(succeed(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for name in required_distributions(requirements_of(wheel)):
        link_distribution(name, site_packages)
    # which would fail where something that is required is missing, or of another version
    pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    succeed(*pip, "--quiet", "--no-index", "--no-compile", "--disable-pip-version-check", wheel)


@pytest.fixture(scope="session")
def installed(shared_folder) -> Path:
    """The folder of the wheel and of `venv`, made once for all workers."""
    folder = shared_folder / "installed"
    with filelock.FileLock(shared_folder / "installed.lock"):
        if not (folder / "complete").exists():
            folder.mkdir()
            make_environment(folder)
            (folder / "complete").touch()
    return folder


@pytest.fixture
def forecast_of(installed, tmp_path):
    """Run the command of the environment in a folder with runs that were trained elsewhere, and their CSVs."""
    for name in ("load", "shops"):
        shutil.copytree(RUNS / name, tmp_path / name)
        shutil.copy(RUNS / f"{name}.csv", tmp_path)
    return lambda *arguments: run(installed / "venv" / "bin" / "forecast", *arguments, cwd=tmp_path)


def test_the_name_and_the_extras_are_those_of_pyproject():
    assert PYPROJECT["name"] == extras.DISTRIBUTION
    assert {*extras.PACKAGES, "dev"} == {*PYPROJECT["optional-dependencies"]}
    names = packages_distributions()
    for extra, packages in extras.PACKAGES.items():
        required = {Requirement(text).name.lower() for text in PYPROJECT["optional-dependencies"][extra]}
        if extra == "tune":
            required |= {Requirement(text).name.lower() for text in PYPROJECT["optional-dependencies"]["train"]}
        named = {"mlflow": ["mlflow-skinny"]}  # which is not installed with the tests
        assert {(names.get(package) or named.get(package, [package]))[0].lower() for package in packages} <= required


@pytest.mark.slow
def test_the_wheel_holds_the_package_alone(installed):
    (wheel,) = installed.glob("*.whl")
    assert wheel.name.startswith("recurrent_forecast-")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"forecaster/py.typed", "forecaster/config/schema.json", "forecaster/html_report/page.js"} <= {*names}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"forecaster", "recurrent_forecast"}


@pytest.mark.slow
def test_the_environment_is_small_and_without_tensorflow(installed, capsys):
    absent = ("tensorflow", "keras", "onnx", "h5py", "pyarrow", "optuna")
    code = f"import importlib.util; print([name for name in {absent} if importlib.util.find_spec(name)])"
    assert succeed(installed / "venv" / "bin" / "python", "-c", code).strip() == "[]"
    files = [path for path in (installed / "venv").rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_blocks * 512 for path in files if path.suffix != ".pyc") / 2**20
    with capsys.disabled():
        print(f"\nthe base install takes {size:.0f} MB")
    assert size < 400


@pytest.mark.slow
def test_a_run_made_elsewhere_predicts_the_same_numbers(forecast_of, tmp_path):
    result = forecast_of("predict", "load", "--data", "load.csv", "--output", "out.csv", "--plot", "out.png")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    found, expected = pd.read_csv(tmp_path / "out.csv"), pd.read_csv(RUNS / "load-expected.csv")
    numbers = expected.select_dtypes("float").columns
    assert [*found.columns] == [*expected.columns]
    pd.testing.assert_frame_equal(found.drop(columns=numbers), expected.drop(columns=numbers))
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-5)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


MISSING = {
    "train absent.csv": "train",
    "tune absent.yaml": "tune",
    "impute absent.csv absent.yaml": "train",
    "diagnose absent": "train",
    "export load --to keras": "train",
    "backtest absent.csv": "train",
    "backtest absent.yaml --refit every": "train",
    "evaluate load --data load.csv --baselines ets": "baselines",
    "explain shops --show similar": "train",
    "check load.parquet": "parquet",
    "check database.yaml": "sql",
    "validate holidays.yaml": "holidays",
}


@pytest.mark.slow
def test_the_verbs_of_the_base_install_work_and_a_missing_extra_is_named(installed, forecast_of, tmp_path):
    """All run in one process, since half a second for each would be for imports."""
    (tmp_path / "load.parquet").write_bytes(b"PAR1")
    database = "path: 'sqlite:///load.db', query: SELECT 1"
    (tmp_path / "database.yaml").write_text(TINY.replace("path: load.csv", database))
    (tmp_path / "holidays.yaml").write_text(TINY.replace("path: load.csv", "path: load.csv, calendar: [holiday.DE]"))
    commands = [
        ["check", "load.csv"],
        ["init", "load.csv"],
        ["validate", "load.yaml"],
        ["evaluate", "load", "--data", "load.csv", "--plot", "errors.png"],
        ["schema"],
        *([verb, "--help"] for verb in ("train", "tune", "impute", "diagnose", "backtest", "explain")),
    ]
    refused = [line.split() for line in MISSING]
    ended = run_in_turn([*commands, *refused], tmp_path, ENVIRON, python=installed / "venv" / "bin" / "python")
    assert [(each.code, each.stderr) for each in ended[: len(commands)]] == [(0, "")] * len(commands)
    for (line, extra), each in zip(MISSING.items(), ended[len(commands) :], strict=True):
        assert each.code == 2, (line, each.stderr)
        assert f"pip install '{PYPROJECT['name']}[{extra}]'" in each.stderr, line
        assert "unexpected" not in each.stderr
