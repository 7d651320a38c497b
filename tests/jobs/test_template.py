"""forecast init --jobs writes a commented jobs file; the page and the schema of jobs files are up to date."""

import importlib.util
import json
from pathlib import Path

import pytest

from forecaster.errors import DataError, UsageError
from forecaster.jobs.jobs_file import build_json_schema, load_jobs
from forecaster.jobs.schema import JobEntry, JobsFile, Keep, Retrain
from forecaster.jobs.template import SCHEMA_FILE, write_jobs
from tests.helpers.command import ROOT, TINY


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, *names, text="time,load\n"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [Path(name) for name in names]


def test_each_file_is_a_job(folder):
    files = write(folder, "north.csv", "in/Köln Süd.csv.gz", "in/2026.csv")
    write_jobs(files, folder / "jobs.yaml")
    loaded = load_jobs(folder / "jobs.yaml")
    assert [(job.name, job.data) for job in loaded.jobs] == [
        ("north", (str(folder / "north.csv"),)),
        ("Köln-Süd", (str(folder / "in/Köln Süd.csv.gz"),)),
        ("2026", (str(folder / "in/2026.csv"),)),
    ]
    assert loaded.jobs[0].output == folder / "out/north.csv"
    assert loaded.jobs[0].retrain.every == "7d"
    assert loaded.notes == ()


def test_files_of_one_name_have_numbered_jobs(folder):
    write_jobs(write(folder, "a/load.csv", "b/load.csv", "load.parquet"), folder / "jobs.yaml")
    assert [job.name for job in load_jobs(folder / "jobs.yaml").jobs] == ["load", "load-2", "load-3"]


def test_configs_are_jobs_too(folder):
    write_jobs([*write(folder, "shop.yaml", text=TINY), *write(folder, "north.csv")], folder / "jobs.yaml")
    shop, north = load_jobs(folder / "jobs.yaml").jobs
    assert (shop.name, shop.config, shop.data) == ("shop", folder / "shop.yaml", ())
    assert (north.name, north.config) == ("north", None)


def test_paths_are_relative_to_the_jobs_file(folder):
    (folder / "nightly").mkdir()
    write_jobs(write(folder, "in/a.csv"), folder / "nightly/jobs.yaml")
    assert "data: ../in/a.csv" in (folder / "nightly/jobs.yaml").read_text()
    assert load_jobs(folder / "nightly/jobs.yaml").jobs[0].data == (str(folder / "in/a.csv"),)


def test_a_pattern_that_no_shell_has_expanded_is_expanded(folder):
    write(folder, "in/b.csv", "in/a.csv")
    write_jobs([Path("in/*.csv")], folder / "jobs.yaml")
    assert [job.name for job in load_jobs(folder / "jobs.yaml").jobs] == ["a", "b"]


def test_a_jobs_file_is_never_overwritten(folder):
    files = write(folder, "a.csv")
    (folder / "jobs.yaml").write_text("# mine\n")
    with pytest.raises(UsageError, match="exists and is not overwritten"):
        write_jobs(files, folder / "jobs.yaml")
    assert (folder / "jobs.yaml").read_text() == "# mine\n"


def test_missing_files_are_all_named_and_nothing_is_written(folder):
    write(folder, "north.csv")
    with pytest.raises(DataError) as caught:
        write_jobs([Path(name) for name in ("nroth.csv", "south.csv")], folder / "jobs.yaml")
    assert [problem.code for problem in caught.value.problems] == ["no-such-file", "no-such-file"]
    with pytest.raises(DataError, match="no file matches"):
        write_jobs([Path("*.parquet")], folder / "jobs.yaml")
    assert [path.name for path in folder.iterdir()] == ["north.csv"]


def test_each_key_is_explained(folder):
    write_jobs(write(folder, "a.csv"), folder / "jobs.yaml")
    lines = (folder / "jobs.yaml").read_text().splitlines()
    keys = [line for line in lines if line.strip() and not line.strip().startswith(("#", "- "))]
    assert [line for line in keys if "  # " not in line and line not in {"defaults:", "jobs:"}] == []
    assert lines[0].startswith("# yaml-language-server: $schema=")
    for model in (JobEntry, JobsFile, Keep, Retrain):
        assert all(field.description for field in model.model_fields.values())


def test_the_schema_in_the_package_is_up_to_date():
    assert json.loads(SCHEMA_FILE.read_text()) == build_json_schema(), (
        "forecast schema --jobs > forecaster/jobs/schema.json"
    )


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("generate_jobs", ROOT / "docs/generate_jobs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.render_page(), "run `make docs`"
