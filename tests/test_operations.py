"""docs/operations.md: every command is run in a folder as it describes, or checked for syntax where it needs more."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml

from forecaster.errors import EXIT_CODES
from forecaster.jobs.metrics_file import JOB_METRICS
from forecaster.runs import load_version, promote, write_version
from tests.helpers.command import ROOT
from tests.helpers.fork_server import write_command

TEXT = (ROOT / "docs" / "operations.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(.*)\n((?:(?!```).*\n)*)```$", TEXT, re.MULTILINE)
COMMANDS = [text for kind, need, text in BLOCKS if kind == "sh" and not need]
NEEDS = {"root", "Docker", "systemd", "cron"}


def write_csv(path, seed, age=1):
    """Hourly values until some hours ago, as the run was trained on."""
    hours = np.arange(400)
    values = 100 + 10 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(seed).normal(0, 1, 400)
    end = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "h") - age
    times = end - hours[::-1].astype("timedelta64[h]")
    rows = [f"{str(time).replace('T', ' ')}:00:00,{value:.4f}" for time, value in zip(times, values, strict=True)]
    path.write_text("\n".join(["time,load", *rows, ""]))


@pytest.fixture(scope="module")
def programs(tmp_path_factory, fork_server):
    """A folder for the PATH, with `forecast`."""
    folder = tmp_path_factory.mktemp("programs")
    write_command(folder / "forecast", fork_server(False).address)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder /srv/power of the page, with data until an hour ago and a run of two versions for each job."""
    folder = tmp_path_factory.mktemp("power")
    (folder / "in").mkdir()
    for seed, name in enumerate(("north", "south")):
        write_csv(folder / "in" / f"{name}.csv", seed)
        run = folder / "runs" / name
        shutil.copytree(ROOT / "tests" / "runs" / "format-4" / "load", run)
        first = load_version(run)
        record = {key: value for key, value in first.manifest.items() if key not in {"format", "files"}}
        second = write_version(run, {file: first.read(file) for file in first.manifest["files"]}, record | {"seed": 2})
        promote(run, second.path.name)
    (folder / "jobs.yaml").write_text(next(text for kind, need, text in BLOCKS if kind == "yaml" and not need))
    return folder


def run(script, folder, programs):
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "TZ": "UTC"}
    script = script.replace("/srv/power", str(folder))
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_command_runs_in_the_order_of_the_page(folder, programs):
    for script in COMMANDS:
        if "forecast score" in script:  # the first hour that was forecast has been observed
            for seed, name in enumerate(("north", "south")):
                write_csv(folder / "in" / f"{name}.csv", seed, age=0)
        result = run(script, folder, programs)
        assert (result.returncode, result.stderr) == (0, ""), script
    assert (folder / "out" / "north.csv").read_text() == (folder / "second" / "north.csv").read_text()
    assert (folder / "forecast.env").stat().st_mode & 0o777 == 0o600
    metrics = (folder / "metrics" / "power.prom").read_text()
    assert len(re.findall(r"^forecast_job_exit_code\{.*\} 0$", metrics, re.MULTILINE)) == 2


@pytest.mark.parametrize("text", [text for kind, _, text in BLOCKS if kind == "sh"])
def test_every_block_is_valid_shell(text):
    result = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "\t" not in text


def test_what_a_block_needs_is_marked():
    assert {need.strip().removeprefix("needs ") for kind, need, _ in BLOCKS if kind == "sh" and need} == NEEDS
    for script in COMMANDS:
        assert not re.search(r"\b(sudo|systemctl|journalctl|loginctl|docker|crontab|useradd|pip)\b", script)


def test_every_exit_code_has_its_row():
    section = TEXT.partition("## Exit codes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([\d /]+?) \|", section, re.MULTILINE) == [code for code, _ in EXIT_CODES]


def test_the_alerts_use_metrics_that_exist():
    rules = next(text for kind, need, text in BLOCKS if need == " alerts")
    expressions = [rule["expr"] for rule in yaml.safe_load(rules)["groups"][0]["rules"]]
    named = {name for each in expressions for name in re.findall(r"forecast_\w+", each)}
    assert named <= {f"forecast_job_{name}" for name, _, _ in JOB_METRICS.values()}
    assert len(named) == 4
