"""Runs and versions listed, old ones forgotten, and the commands of docs/versions.md."""

import datetime
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from forecaster import runs
from forecaster.errors import RunError
from forecaster.runs import listing, retention
from forecaster.runs.retention import Retention, find_forgettable, forget, plan_retention
from forecaster.runs.tables import format_runs, format_versions
from tests.helpers.command import ROOT
from tests.test_promotion import Killed, write


@pytest.fixture(scope="module")
def forecast(forecast_here):
    return forecast_here


RUNS = Path(__file__).parent / "runs"
NOW = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)


def make_run(run: Path, *times: str) -> Path:
    """A run with a version of each of these times, the last of them in use, without a record of earlier ones."""
    for time in times:
        (run / "versions" / f"{time}T120000Z-abcdef").mkdir(parents=True)
    (run / "current").write_text(f"{times[-1]}T120000Z-abcdef\n")
    return run


def days(run: Path) -> list[str]:
    return [name[:8] for name in runs.list_versions(run)]


# Friday 1 to Sunday 10 January 2027; weeks end on Sundays, the 3rd and the 10th. 31 December belongs to the 3rd.
JANUARY = [f"202701{day:02}" for day in range(1, 11)]


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (Retention(last=2), ["20270109", "20270110"]),
        (Retention(last=1), ["20270109", "20270110"]),  # a rollback needs the one before
        (Retention(daily=3), ["20270108", "20270109", "20270110"]),
        (Retention(weekly=2), ["20270103", "20270109", "20270110"]),
        (Retention(weekly=9), ["20261220", "20270103", "20270109", "20270110"]),
        (Retention(monthly=2), ["20261231", "20270109", "20270110"]),
        (Retention(yearly=2), ["20261231", "20270109", "20270110"]),
        (Retention(last=3, weekly=1, yearly=5), ["20261231", "20270108", "20270109", "20270110"]),
        (Retention(last=100), ["20261220", "20261231", *JANUARY]),
    ],
)
def test_each_rule_keeps_its_versions(tmp_path, rules, kept):
    run = make_run(tmp_path / "run", "20261220", "20261231", *JANUARY)
    planned = find_forgettable(run, rules)
    removed = forget(run, rules)
    assert removed == planned
    assert days(run) == kept


def test_of_several_versions_on_a_day_the_newest_is_kept(tmp_path):
    run = make_run(tmp_path / "run", "20270101", "20270102")
    for hour in ("010000", "230000"):
        (run / "versions" / f"20270101T{hour}Z-abcdef").mkdir()
    forget(run, Retention(daily=2))
    names = ["20270101T120000Z-abcdef", "20270101T230000Z-abcdef", "20270102T120000Z-abcdef"]
    assert runs.list_versions(run) == [names[1], names[2]]


def test_what_is_in_use_pinned_before_or_foreign_is_kept_with_its_reason(tmp_path):
    run = make_run(tmp_path / "run", *JANUARY)
    names = runs.list_versions(run)
    with runs.lock_run(run):
        runs.promote(run, names[2])
        runs.pin(run, names[4])
    (run / "versions" / "mine").mkdir()
    kept = {each.name: each.reasons for each in plan_retention(run, Retention(last=1)) if each.reasons}
    assert kept == {
        "mine": ("other",),
        names[9]: ("last",),
        names[4]: ("in use",),
        names[2]: ("before",),
    }
    forget(run, Retention(last=1))
    assert runs.list_versions(run) == [names[2], names[4], names[9], "mine"]


@pytest.mark.parametrize("current", ["nothing", "", "../.."])
def test_without_a_version_in_use_nothing_is_forgotten(tmp_path, current):
    run = make_run(tmp_path / "run", *JANUARY)
    (run / "current").write_text(current)
    with pytest.raises(RunError, match="does not exist"):
        forget(run, Retention(last=1))
    assert len(days(run)) == 10


def test_a_rule_is_needed(tmp_path):
    run = make_run(tmp_path / "run", *JANUARY)
    with pytest.raises(ValueError, match="no rule"):
        forget(run, Retention())


STEPS = ("mkdtemp", "replace", "sync_folder", "rmtree")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_a_version_is_whole_or_gone_and_the_next_forgets_the_rest(tmp_path, monkeypatch, step, after):
    run = tmp_path / "run"
    names = [write(run) for _ in range(4)]
    where = {"mkdtemp": retention.tempfile, "replace": retention.os, "rmtree": retention.shutil}.get(step, retention)
    real = getattr(where, step)

    def die(*arguments, **options):
        if after:
            real(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(where, step, die)
        with pytest.raises(Killed):
            forget(run, Retention(last=1))
    for name in runs.list_versions(run):
        runs.load_version(run, name)
    assert runs.load_version(run).path.name == names[3]
    forget(run, Retention(last=1))
    assert sorted(path.name for path in (run / "versions").iterdir()) == names[2:]


def test_a_reader_of_a_forgotten_version_gets_an_error_and_no_part(tmp_path):
    run = tmp_path / "run"
    names = [write(run) for _ in range(3)]
    held = runs.load_version(run, names[0])
    forget(run, Retention(last=1))
    with pytest.raises(RunError, match="missing"):
        held.read("encode.onnx")


def test_a_link_among_the_versions_is_not_followed(tmp_path):
    run, outside = make_run(tmp_path / "run", *JANUARY), tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").touch()
    (run / "versions" / "20200101T000000Z-abcdef").symlink_to(outside)
    forget(run, Retention(last=1))
    assert (outside / "mine").exists()
    assert runs.list_versions(run) == [f"{day}T120000Z-abcdef" for day in JANUARY[-2:]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs of both formats, a damaged one, one without a version in use, an unfinished one, and other things."""
    shutil.copytree(RUNS / "format-4" / "load", tmp_path / "new")
    shutil.copytree(RUNS / "format-3" / "shops", tmp_path / "old")
    shutil.copytree(RUNS / "format-4" / "close", tmp_path / "damaged")
    next((tmp_path / "damaged/versions").glob("*/encode.onnx")).write_bytes(b"x")
    shutil.copytree(RUNS / "format-4" / "close", tmp_path / "lost")
    (tmp_path / "lost/current").write_text("x\n")
    (tmp_path / "unfinished/versions").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "load.csv").touch()
    return tmp_path


def test_every_run_is_listed_and_the_damaged_with_what_is_wrong(folder):
    found = {run.name: listing.summarize_run(run) for run in listing.find_runs(folder)}
    assert list(found) == ["damaged", "lost", "new", "old", "unfinished"]
    assert {name: bool(each.problem) for name, each in found.items()} == {
        "damaged": True,
        "lost": True,
        "new": False,
        "old": False,
        "unfinished": True,
    }
    assert "encode.onnx: truncated or edited" in found["damaged"].problem
    assert "no finished training" in found["unfinished"].problem
    new = found["new"]
    assert new.current is not None
    metrics = runs.load_version(folder / "new").metrics
    assert (new.current.measure, new.current.error) == ("mase", metrics["scores"]["model"]["mase"])
    assert new.current.baseline_error == min(
        row["mase"] for name, row in metrics["scores"].items() if name not in {"model", "network_alone"}
    )
    assert new.size == sum(path.stat().st_size for path in (folder / "new").rglob("*") if path.is_file())
    assert (new.current.data["last"], new.versions) == ("2026-01-13 11:00:00", 1)
    text = format_runs(list(found.values()), NOW)
    assert len(text.splitlines()) == 1 + 5 + 3
    assert [line.endswith("damaged") for line in text.splitlines()[1:6]] == [True, True, False, False, True]
    json.dumps([each.to_json() for each in found.values()], allow_nan=False)


def test_an_age_is_that_of_the_name_and_never_negative(folder):
    summary = listing.summarize_run(folder / "new")
    written = runs.read_version_time(runs.list_versions(folder / "new")[0])
    assert written is not None
    assert "  3 days  " in format_runs([summary], written + datetime.timedelta(days=3, hours=5))
    assert "  1 second  " in format_runs([summary], written - datetime.timedelta(days=3))
    assert "  34 seconds  " in format_runs([summary], written + datetime.timedelta(seconds=34.3634))


def test_versions_are_listed_with_their_role_challenge_and_settings(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(RUNS / "format-4" / "load", run)
    old = runs.load_version(run)
    files = {name: old.read(name) for name in old.manifest["files"]}
    files["challenge.json"] = json.dumps({"outcome": "worse", "champion": old.path.name}).encode()
    files["config.yaml"] = files["config.yaml"].replace(b"samples: 200", b"samples: 300")
    with runs.lock_run(run):
        lost = runs.write_version(run, files, {"data": old.manifest["data"]}).path.name
        runs.promote(run, old.path.name)
        runs.pin(run, old.path.name)
    (run / "versions" / "20300101T000000Z-abcdef").mkdir()
    newest, second, first = listing.summarize_versions(run)
    assert (newest.problem != "", second.name, second.challenge["outcome"]) == (True, lost, "worse")
    assert (first.in_use, first.pinned, second.in_use) == (True, True, False)
    lines = format_versions(run, [newest, second, first], NOW).splitlines()
    assert "damaged" in lines[2]
    assert " worse " in lines[3]
    assert "in use, pinned" in lines[4]
    assert lines[6] == f"  {lost}: forecast.samples: 300, in use: 200"
    assert "half-written" in lines[7]


STRANGE = {
    "metrics.json": [
        '{"scores": {"model": {"mae": NaN}}}',
        '{"scores": [1]}',
        "[]",
        '{"scores": {"model": {"mase": "x"}}}',
    ],
    "challenge.json": ['{"outcome": [1], "margin": Infinity, "champion": {}}', "[]", "x"],
}


@pytest.mark.parametrize(("name", "content"), [(name, each) for name, some in STRANGE.items() for each in some])
def test_a_version_from_elsewhere_with_strange_values_is_listed(tmp_path, name, content):
    run = tmp_path / "run"
    shutil.copytree(RUNS / "format-4" / "load", run)
    old = runs.load_version(run)
    files = {each: old.read(each) for each in old.manifest["files"]} | {name: content.encode()}
    with runs.lock_run(run):
        data = {"first": 1, "last": [float("nan")], "path": None, "steps": True}
        runs.promote(run, runs.write_version(run, files, {"data": data}).path.name)
    found = listing.summarize_versions(run)
    json.dumps([each.to_json() for each in found], allow_nan=False)
    assert format_versions(run, found, NOW)
    assert format_runs([listing.summarize_run(run)], NOW)
    assert found[0].data == {}


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path):
    with pytest.raises(RunError, match="cannot be read: No such file"):
        listing.find_runs(tmp_path / "none")
    with pytest.raises(RunError, match="no finished training"):
        listing.summarize_versions(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The runs of docs/versions.md: each with versions of 21 and 22 November, the second in use."""
    for name in ("power", "power2"):
        run = tmp_path / "runs" / name
        shutil.copytree(RUNS / "format-4" / "load", run)
        (version,) = (run / "versions").iterdir()
        for new in ("20261121T031500Z-1a2b3c", "20261122T031500Z-4d5e6f"):
            shutil.copytree(version, run / "versions" / new)
            runs.promote(run, new)
        shutil.rmtree(version)
    shutil.copy(RUNS / "format-4" / "load.csv", tmp_path / "load.csv")
    return tmp_path


def test_every_command_of_the_docs_works(forecast, project):
    text = (ROOT / "docs/versions.md").read_text()
    commands = [line for block in re.findall(r"```\n(.*?)```", text, re.S) for line in block.splitlines()]
    assert len(commands) == 11
    for path in (project / "runs").glob("*/versions/*/config.yaml"):
        assert str(RUNS) not in path.read_text()
    for command in commands:
        arguments = shlex.split(command)[1:]
        if arguments[0] in {"compare", "predict"}:
            arguments += ["--data", "load.csv"]
        result = forecast(*arguments, cwd=project)
        assert (result.returncode, result.stderr) == (0, ""), command
        if "--format" in command:
            found = json.loads(result.stdout)["runs"]
            assert [each["run"] for each in found] == ["runs/power", "runs/power2"]
        if arguments[0] == "compare":
            assert "Too few forecasts for a verdict" in result.stdout
            assert "the MASE of runs/power is equal to that of runs/power2" in result.stdout


def test_compare_as_json_and_of_a_version(forecast, project):
    version = next((project / "runs/power2/versions").iterdir())
    result = forecast("compare", "runs/power", version, "--data", "load.csv", "--format", "json", cwd=project)
    found = json.loads(result.stdout)
    assert found["runs"]["second"] == {"run": str(version), "version": version.name}
    assert found["scores"]["first"] == found["scores"]["second"]
    assert found["separate"] < 10


def test_forget_as_json_and_the_errors_of_the_verbs(forecast, project):
    result = forecast("forget", "runs/power", "runs/power2", "--keep-last", 1, "--format", "json", cwd=project)
    assert [(each["run"], each["forgotten"]) for each in json.loads(result.stdout)["runs"]] == [
        ("runs/power", []),
        ("runs/power2", []),
    ]
    assert forecast("forget", "runs/power", cwd=project).returncode == 2
    assert forecast("forget", "runs/none", "--keep-last", 1, cwd=project).returncode == 6
    assert not (project / "runs/none").exists()
    assert forecast("runs", "none", cwd=project).returncode == 6
    assert forecast("compare", "runs/power", "runs/none", "--data", "load.csv", cwd=project).returncode == 6
    with runs.lock_run(project / "runs/power"):
        assert forecast("forget", "runs/power", "--keep-last", 1, cwd=project).returncode == 75
        assert forecast("forget", "runs/power", "--keep-last", 1, "--dry-run", cwd=project).returncode == 0
        assert forecast("runs", "runs/power", cwd=project).returncode == 0
    result = forecast("predict", "runs/power", "--version", "2026", "--data", "load.csv", cwd=project)
    assert (result.returncode, "several versions" in result.stderr) == (2, True)
    result = forecast("evaluate", "runs/power", "--version", "20261121", "--data", "load.csv", cwd=project)
    assert result.returncode == 0
