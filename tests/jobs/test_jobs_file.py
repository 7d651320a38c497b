"""A jobs file: its defaults, patterns and paths, and every mistake at its position."""

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml

from forecaster.config import build_smallest_config, load_config, load_values
from forecaster.errors import ConfigError, Stop, UsageError
from forecaster.jobs import jobs_file
from forecaster.jobs.groups import read_groups
from forecaster.jobs.jobs_file import build_json_schema, is_jobs_file, load_jobs, name_job
from forecaster.jobs.plan import plan_job
from forecaster.jobs.run_jobs import RunOptions, run_jobs
from forecaster.jobs.schema import parse_size
from tests.helpers import job_tasks
from tests.helpers.command import TINY


def load(folder: Path, text: str, *data: str):
    for name in data:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("time,load\n")
    (folder / "jobs.yaml").write_text(text)
    return load_jobs(folder / "jobs.yaml")


def find_problems(folder: Path, text: str, *data: str):
    """The problems of a jobs file as (line:column, key, code)."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, *data)
    prefix = f"{folder / 'jobs.yaml'}:"
    found = [(each.where.removeprefix(prefix), each.column, each.code) for each in caught.value.problems]
    return sorted(found, key=lambda each: [int(part) if part.isdigit() else 0 for part in each[0].split(":")])


def test_a_job_has_absolute_paths_and_the_defaults(tmp_path):
    text = """\
defaults: {timeout: 20m, memory: 4GB, set: {training.epochs: 30, training.seed: 1}, tags: [night]}
jobs:
  - {name: north, data: north.csv, output: "out/{name}.csv", set: {training.seed: 2}}
  - {name: south, data: /data/south.csv, timeout: 1h, run: models/south, tags: [day]}
"""
    north, south = load(tmp_path, text, "north.csv").jobs
    assert (north.name, north.group, north.data) == ("north", "north", (str(tmp_path / "north.csv"),))
    assert (north.run, north.output) == (tmp_path / "runs/north", tmp_path / "out/north.csv")
    assert (north.timeout, north.memory, north.tags) == (1200, 4 * 10**9, ("night",))
    assert north.overrides == ("training.epochs=30", "training.seed=2")
    assert (south.timeout, south.run, south.data, south.tags) == (
        3600,
        tmp_path / "models/south",
        ("/data/south.csv",),
        ("day",),
    )
    assert (north.do, north.retrain, north.retries, north.backoff, north.priority) == ("refresh", None, 2, 30, 0)
    assert north.where == f"{tmp_path / 'jobs.yaml'}:3:5"
    assert pickle.loads(pickle.dumps(north)) == north


def test_the_files_of_a_jobs_file_are_next_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nightly").mkdir()
    (tmp_path / "nightly/jobs.yaml").write_text("jobs: [{name: a, data: a.csv}]\nmetrics_file: out/a.prom\n")
    loaded = load_jobs(Path("nightly/jobs.yaml"))
    folder = tmp_path / "nightly"
    assert (loaded.path, loaded.folder) == (folder / "jobs.yaml", folder)
    assert (loaded.status_file, loaded.lock_file) == (folder / "status.json", folder / ".jobs.lock")
    assert (loaded.store, loaded.metrics_file) == (f"sqlite:///{folder}/forecasts.db", folder / "out/a.prom")
    assert (loaded.keep.last, loaded.keep.weekly, loaded.keep.forecasts) == (5, 8, "2y")


def test_a_pattern_is_one_job_for_each_file(tmp_path):
    text = """\
jobs:
  - {name: shops, data: "in/shop-*.csv*", output: "out/{name}.csv", future: "next/{name}.csv", config: shop.yaml}
"""
    (tmp_path / "shop.yaml").write_text(TINY)
    loaded = load(tmp_path, text, "in/shop-2.csv.gz", "in/shop-1.csv", "in/other.csv")
    assert [(job.name, job.group, job.data) for job in loaded.jobs] == [
        ("shop-1", "shops", (str(tmp_path / "in/shop-1.csv"),)),
        ("shop-2", "shops", (str(tmp_path / "in/shop-2.csv.gz"),)),
    ]
    assert loaded.jobs[1].output == tmp_path / "out/shop-2.csv"
    assert loaded.jobs[1].run == tmp_path / "runs/shop-2"
    assert loaded.jobs[1].future == tmp_path / "next/shop-2.csv"
    assert loaded.notes == ()


def test_a_job_keeps_its_name_when_a_second_file_matches_its_pattern(tmp_path):
    text = 'jobs: [{name: shops, data: "*.csv"}]'
    (one,) = load(tmp_path, text, "a.csv").jobs
    first, _ = load(tmp_path, text, "b.csv").jobs
    assert one == first


def test_a_list_of_files_is_one_job(tmp_path):
    (job,) = load(tmp_path, "jobs: [{name: all, data: [a.csv, b.csv]}]", "a.csv", "b.csv").jobs
    assert job.data == (str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))
    assert json.loads(job.config_overrides[0].partition("=")[2]) == list(job.data)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("in/north.csv", "north"),
        ("shop.12.csv.gz", "shop.12"),
        ("Köln Süd (alt).parquet", "Köln-Süd-alt"),
        ("-.csv", "data"),
        ("_x.csv", "x"),
    ],
)
def test_the_job_of_a_file_is_named_after_it(file, name):
    assert name_job(Path(file)) == name


def test_data_that_do_not_exist_yet_are_notes(tmp_path):
    text = 'jobs: [{name: a, data: north.cvs}, {name: b, data: "in/*.csv"}, {name: c, data: [south.csv, east.csv]}]'
    loaded = load(tmp_path, text, "north.csv", "south.csv")
    assert [(note.code, note.detail["job"]) for note in loaded.notes] == [
        ("no-data-yet", "a"),
        ("no-match-yet", "b"),
        ("no-data-yet", "c"),
    ]
    assert "did you mean 'north.csv'" in str(loaded.notes[0])
    assert loaded.jobs[1].data == (str(tmp_path / "in/*.csv"),)


def test_every_mistake_is_reported_at_once_with_its_position_and_the_nearest_name(tmp_path):
    text = """\
fromat: 1
defaults: {retrian: {every: 7d}, timeout: soon}
store: forecasts.db
keep: {lats: 5}
jobs:
  - name: north
    dataa: north.csv
    do: predcit
    retrain: {every: 7, on_drift: yes}
  - {name: so/uth, data: south.csv, output: south.xlsx, every: 7d, memory: 4}
"""
    assert find_problems(tmp_path, text) == [
        ("1:1", "fromat", "unknown-key"),
        ("2:12", "defaults.retrian", "unknown-key"),
        ("2:34", "defaults.timeout", "invalid-value"),
        ("4:8", "keep.lats", "unknown-key"),
        ("7:5", "jobs.0.dataa", "unknown-key"),
        ("8:5", "jobs.0.do", "unknown-value"),
        ("9:15", "jobs.0.retrain.every", "invalid-value"),
        ("9:25", "jobs.0.retrain.on_drift", "invalid-value"),
        ("10:6", "jobs.1.name", "invalid-value"),
        ("10:37", "jobs.1.output", "invalid-value"),
        ("10:57", "jobs.1.every", "unknown-key"),
        ("10:68", "jobs.1.memory", "invalid-value"),
    ]


def test_an_unknown_key_is_answered_by_the_nearest_one_here_or_elsewhere(tmp_path):
    text = """\
timeout: 20m
jobs:
  - {name: north, data: a.csv, tmeout: 20m, every: 7d, store: null, set: {training.epoch: 3}}
"""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert {each.column: each.detail["nearest"] for each in caught.value.problems} == {
        "timeout": "defaults.timeout",
        "jobs.0.tmeout": "timeout",
        "jobs.0.every": "jobs.0.retrain.every",
        "jobs.0.store": "store",
        "training.epoch": "epochs",
    }
    assert f"{tmp_path}/jobs.yaml:3:75: training.epoch: unknown key, did you mean 'epochs'?" in str(caught.value)


def test_the_keys_of_set_are_validated_with_the_config_that_they_override(tmp_path):
    (tmp_path / "north.yaml").write_text(TINY + "split: {tset: 3}\n")
    text = """\
defaults: {set: {model.cell: lsmt}}
jobs:
  - {name: north, config: north.yaml, data: north.csv, set: {window.length: 0, training.batch_size.x: 1}}
  - {name: south, config: north.yaml, data: south.csv, set: {window.length: 0, training.batch_size.x: 1}}
"""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    assert (problem.where, problem.code) == (f"{tmp_path}/jobs.yaml:3:80", "key-of-a-value")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text.replace(", training.batch_size.x: 1", ""))
    found = {(each.where.removeprefix(f"{tmp_path}/"), each.column) for each in caught.value.problems}
    assert found == {
        ("jobs.yaml:1:18", "model.cell"),
        ("jobs.yaml:3:62", "window.length"),
        ("north.yaml:5:9", "split.tset"),
    }


def test_a_value_of_set_is_validated_without_a_config_too(tmp_path):
    text = "jobs: [{name: a, data: a.csv, set: {window.length: abc, model.segment: 4, training: {epochs: 0}}}]"
    assert find_problems(tmp_path, text) == [
        ("1:37", "window.length", "invalid-value"),
        ("1:75", "training.epochs", "invalid-value"),
    ]


def test_the_values_of_set_are_those_of_the_config(tmp_path):
    (tmp_path / "north.yaml").write_text(TINY)
    text = """\
jobs:
  - name: north
    config: north.yaml
    data: [a.csv, b.csv]
    set: {training.epochs: 7, data.na_values: [-999, "?"], data.delimiter: ";"}
"""
    (job,) = load(tmp_path, text).jobs
    config = job.load_config().config
    assert (config.training.epochs, config.data.na_values, config.data.delimiter) == (7, (-999, "?"), ";")
    assert config.data.path == (str(tmp_path / "a.csv"), str(tmp_path / "b.csv"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobs: [{name: a, data: a.csv}, {name: a, data: b.csv}]", [("1:33", "jobs.1.name", "duplicate-job")]),
        ("jobs: [{name: a, config: b.yaml}]", [("1:18", "jobs.0.config", "no-job-config")]),
        ("jobs: [{name: a}]", [("1:8", "jobs.0", "job-without-data")]),
        ("jobs: []", [("1:1", "jobs", "invalid-value")]),
        ("jobs: {north: {data: a.csv}}", [("1:1", "jobs", "invalid-value")]),
        ("jobs: [north]", [("1:8", "jobs.0", "invalid-value")]),
        ("jobs: [{data: a.csv}]", [("1:8", "jobs.0.name", "missing-key")]),
        ("jobs: [{name: 7, data: a.csv}]", [("1:9", "jobs.0.name", "invalid-value")]),
        ("jobs: [{name: a, data: '-'}]", [("1:18", "jobs.0.data", "invalid-value")]),
        ("jobs: [{name: a, data: 'sqlite:///a.db'}]", [("1:18", "jobs.0.data", "invalid-value")]),
        ("jobs: [{name: a, data: a.csv, run: 'runs/{nmae}'}]", [("1:31", "jobs.0.run", "invalid-value")]),
        ("jobs: [{name: a, data: a.csv, max_age: 6 h}]", [("1:31", "jobs.0.max_age", "invalid-value")]),
        ("jobs: [{name: a, data: a.csv, max_age: {wran: 1}}]", [("1:41", "jobs.0.max_age.wran", "unknown-key")]),
        (
            "jobs: [{name: a, data: a.csv, fail_above: {msae: 1}}]",
            [("1:44", "jobs.0.fail_above.msae", "unknown-value")],
        ),
        ("jobs: [{name: a, data: a.csv, ping: 'ftp://x'}]", [("1:31", "jobs.0.ping", "invalid-value")]),
        ("format: 2\njobs: [{name: a, data: a.csv}]", [("1:1", "format", "newer-jobs-format")]),
        ("store: forecasts.db\njobs: [{name: a, data: a.csv}]", [("1:1", "store", "not-a-store-url")]),
        (
            "store: 'postgresql://me:secret@host/db'\njobs: [{name: a, data: a.csv}]",
            [("1:1", "store", "password-in-url")],
        ),
        ("store: null\njobs: [{name: a, data: a.csv}]", [("2:8", "jobs.0", "job-without-output")]),
        (
            "store: null\njobs: [{name: a, data: a.csv, output: b.csv, retrain: {on_drift: true}, fail_on_drift: true}]",
            [
                ("2:56", "jobs.0.retrain.on_drift", "job-needs-store"),
                ("2:73", "jobs.0.fail_on_drift", "job-needs-store"),
            ],
        ),
        (
            "jobs: [{name: a, data: a.csv, do: predict, retrain: {every: 7d}}]",
            [("1:44", "jobs.0.retrain", "retrain-without-training")],
        ),
        (
            "jobs: [{name: a, data: a.csv, do: predict, fail_above: {mase: 1}, fail_on_drift: true}]",
            [
                ("1:44", "jobs.0.fail_above", "job-without-scores"),
                ("1:67", "jobs.0.fail_on_drift", "job-without-scores"),
            ],
        ),
        (
            "jobs: [{name: a, data: a.csv, do: train, retrain: {on_drift: true}}]",
            [("1:52", "jobs.0.retrain.on_drift", "job-without-scores")],
        ),
        ("jobs: [{name: a, data: a.csv, output: a.csv}]", [("1:31", "jobs.0.output", "output-is-data")]),
        ("jobs: [{name: a, data: a.csv, output: status.json}]", [("1:31", "jobs.0.output", "shared-output")]),
        (
            "jobs: [{name: a, data: a.csv, output: c.csv}, {name: b, data: b.csv, output: ./c.csv}]",
            [("1:70", "jobs.1.output", "shared-output")],
        ),
        (
            "defaults: {run: runs/x}\njobs: [{name: a, data: a.csv}, {name: b, data: b.csv}]",
            [("2:32", "jobs.1.run", "shared-run")],
        ),
        (
            "jobs: [{name: a, data: '*.csv', output: '{name}-forecast.csv'}]",
            [("1:33", "jobs.0.output", "output-is-data")],
        ),
    ],
)
def test_a_mistake_is_found_at_its_position(tmp_path, text, expected):
    assert find_problems(tmp_path, text) == expected


def test_files_of_a_pattern_share_no_run_and_no_output(tmp_path):
    text = 'jobs: [{name: shops, data: "in/*.csv", run: runs/shops, output: out.csv}, {name: x, data: y.csv}]'
    assert find_problems(tmp_path, text, "in/x.csv", "in/y.csv", "y.csv") == [
        ("1:40", "jobs.0.run", "shared-run"),
        ("1:57", "jobs.0.output", "shared-output"),
        ("1:76", "jobs.1.name", "duplicate-job"),
    ]


def test_two_files_of_a_pattern_have_different_names(tmp_path):
    text = 'jobs: [{name: shops, data: "*/north.csv", run: "runs/{name}", output: "out/{name}.json"}]'
    problems = find_problems(tmp_path, text, "a/north.csv", "b/north.csv")
    assert ("1:22", "jobs.0.data", "duplicate-job") in problems


def test_jobs_that_predict_share_the_run_of_one_that_trains(tmp_path):
    text = """\
jobs:
  - {name: train-shop, data: shop.csv, run: runs/shop, do: train}
  - {name: north, data: north.csv, run: runs/shop, do: predict}
  - {name: south, data: south.csv, run: runs/shop, do: predict}
"""
    assert len({job.run for job in load(tmp_path, text).jobs}) == 1


def test_null_switches_a_default_off(tmp_path):
    text = """\
defaults: {retrain: {every: 7d, promote: always}, max_age: 6h}
jobs: [{name: a, data: a.csv, retrain: null}, {name: b, data: b.csv, retrain: {every: 1d}, max_age: 3}]
"""
    a, b = load(tmp_path, text).jobs
    assert (a.retrain, a.max_age.error) == (None, "6h")
    assert (b.retrain.every, b.retrain.promote, b.max_age.error) == ("1d", "always", 3)


def test_jobs_are_selected_by_name_group_and_tag(tmp_path):
    text = """\
jobs:
  - {name: shops, data: "in/*.csv", tags: [day]}
  - {name: north, data: north.csv, tags: [day, night]}
  - {name: south, data: south.csv}
"""
    loaded = load(tmp_path, text, "in/a.csv", "in/b.csv")
    names = {
        (): ["a", "b", "north", "south"],
        ("shops",): ["a", "b"],
        ("nor*", "b"): ["b", "north"],
    }
    for only, expected in names.items():
        assert [job.name for job in loaded.select(only)] == expected
    assert [job.name for job in loaded.select((), ["night"])] == ["north"]
    assert [job.name for job in loaded.select(["a", "south"], ["day"])] == ["a"]
    with pytest.raises(UsageError, match="--only nroth: selects no job, did you mean 'north'"):
        loaded.select(["nroth"])
    with pytest.raises(UsageError, match="--tag knight: selects no job, did you mean 'night'"):
        loaded.select((), ["knight"])


def test_a_config_and_a_jobs_file_are_not_taken_for_each_other(tmp_path):
    (tmp_path / "power.yaml").write_text(TINY)
    (tmp_path / "jobs.yaml").write_text("jobs: [{name: a, data: a.csv}]")
    with pytest.raises(ConfigError, match=r"train it with: forecast train .*power\.yaml"):
        load_jobs(tmp_path / "power.yaml")
    with pytest.raises(ConfigError, match=r"run it with: forecast run .*jobs\.yaml"):
        load_config(tmp_path / "jobs.yaml")
    assert is_jobs_file(tmp_path / "jobs.yaml")
    assert not is_jobs_file(tmp_path / "power.yaml")
    assert not is_jobs_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("1.5 GiB", 3 << 29), ("512MB", 512 * 10**6), ("4", None), ("4gb", None)]
)
def test_a_size_is_converted_to_bytes(text, size):
    assert parse_size(text) == size


def test_the_schema_accepts_what_is_loaded(tmp_path):
    schema = build_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = {
        "defaults": {"do": "refresh", "max_age": "6h", "set": {"training.epochs": 30}},
        "store": None,
        "keep": {"last": 5},
        "jobs": [{"name": "a", "data": ["a.csv"], "output": "a.json", "retrain": {"every": "7d"}, "levels": [80]}],
    }
    jsonschema.validate(document, schema)
    load(tmp_path, json.dumps(document))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"jobs": [{"name": "a", "dataa": "a.csv"}]}, schema)


SALES = "month,region,shop,sales\n" + "".join(
    f"2020-0{month}-01,{region},{shop},{month}\n"
    for region in ("north", "south/east", "", " 07 ")
    for shop in ("a", "b")
    for month in range(1, 8)
)
GROUPED = """\
store: null
jobs:
  - {name: sales, data: sales.csv, for_each: region, output: "out/{name}.csv", set: {data.series: shop}}
"""


@pytest.fixture
def in_this_process(monkeypatch):
    """Read groups without a process for it."""

    def list_groups(job, column):
        try:
            return read_groups((job, column), [], print)
        except Stop as error:
            return error

    monkeypatch.setattr(jobs_file, "list_groups", list_groups)


def test_each_group_of_a_column_is_a_job_that_reads_its_rows(tmp_path):
    (tmp_path / "sales.csv").write_text(SALES)
    jobs = load(tmp_path, GROUPED).jobs
    assert [(job.name, job.group, job.run.name) for job in jobs] == [
        (name, "sales", name) for name in ("sales-north", "sales-south-east", "sales-07")
    ]
    assert [job.overrides[-1] for job in jobs] == [
        f"data.where={{region: [{cell}]}}" for cell in ("north", "south/east", '"07"')
    ]
    assert jobs[0].output == tmp_path / "out/sales-north.csv"


def test_groups_are_those_of_the_rows_that_the_config_reads(tmp_path, in_this_process):
    (tmp_path / "sales.csv").write_text(SALES)
    text = TINY.replace("path: load.csv", "path: sales.csv, where: {shop: a, region: [north, '07']}")
    assert text != TINY
    (tmp_path / "sales.yaml").write_text(text)
    text = "store: null\njobs: [{name: s, config: sales.yaml, for_each: region, output: 'o/{name}.csv'}]"
    jobs = load(tmp_path, text).jobs
    assert [yaml.safe_load(job.overrides[-1].partition("=")[2]) for job in jobs] == [
        {"shop": ["a"], "region": ["north"]},
        {"shop": ["a"], "region": ["07"]},
    ]


@pytest.mark.parametrize(
    ("data", "code"), [(None, "no-such-file"), (SALES.replace("region", "area"), "no-such-column"), ("", "empty-file")]
)
def test_groups_that_cannot_be_read_fail_in_one_job(tmp_path, data, code):
    if data is not None:
        (tmp_path / "sales.csv").write_text(data)
    (job,) = load(tmp_path, GROUPED).jobs
    assert job.name == "sales"
    plan = plan_job(job, {}, datetime.now(UTC), has_store=False)
    assert [problem.code for problem in plan.error.problems] == [code]


def test_any_cell_is_read_back_from_the_settings_of_its_job(tmp_path, in_this_process):
    cells = ["\U0001f600", "x\x7fy", "u\x85v", "null", "1.0", "{a: b}", "a\\'#", "{name}"]
    rows = "".join(f'2020-01-01,"{cell}",1\n' for cell in cells)
    (tmp_path / "sales.csv").write_text(f"month,region,sales\n{rows}", encoding="utf-8")
    read = [
        load_values(build_smallest_config("a.csv"), "a", job.overrides).config.data.where
        for job in load(tmp_path, GROUPED).jobs
    ]
    assert read == [{"region": (cell,)} for cell in cells]


def test_cells_of_one_name_fail_alone(tmp_path, in_this_process):
    (tmp_path / "sales.csv").write_text(SALES.replace(" 07 ", "south east"))
    north, south = load(tmp_path, GROUPED).jobs
    assert (north.name, north.failure, south.name) == ("sales-north", None, "sales-south-east")
    (problem,) = south.failure.problems
    assert (problem.code, problem.detail["cells"]) == ("groups-of-one-name", ["'south/east'", "'south east'"])


def test_groups_write_other_files_and_have_one_source(tmp_path, in_this_process):
    (tmp_path / "sales.csv").write_text(SALES)
    text = GROUPED.replace("out/{name}.csv", "out.csv")
    assert "group-without-name" in {code for _, _, code in find_problems(tmp_path, text)}
    text = GROUPED.replace("sales.csv", "'in/*.csv'")
    assert find_problems(tmp_path, text, "in/a.csv") == [("3:37", "jobs.0.for_each", "groups-of-pattern")]


def test_a_group_without_rows_fails_once_and_groups_that_cannot_be_read_keep_their_state(tmp_path, in_this_process):
    def run(text):
        """Run the jobs of a data file; return what became of each, and the marks."""
        (tmp_path / "sales.csv").unlink(missing_ok=True)
        if text:
            (tmp_path / "sales.csv").write_text(text)
        for name in ("north", "south-east", "07"):
            output = tmp_path / f"out/sales-{name}.csv"
            output.parent.mkdir(exist_ok=True)
            output.touch()
            output.with_name(f"{output.name}.stale").unlink(missing_ok=True)
        loaded = load(tmp_path, GROUPED)
        summary = run_jobs(loaded, RunOptions(), [], job_tasks.execute_failure)
        found = {each.job.name: [each.get("code") for each in each.after.problems] for each in summary.jobs}
        return found, sorted(path.name for path in tmp_path.glob("out/*.stale"))

    gone = SALES.replace("south/east", "")
    good = {name: [] for name in ("sales-north", "sales-south-east", "sales-07")}
    assert run(SALES) == (good, [])
    missing = {name: ["no-such-file"] for name in good}
    assert run(None) == (missing, sorted(f"{name}.csv.stale" for name in good))
    left = {"sales-north": [], "sales-07": []}
    assert run(gone) == ({**left, "sales-south-east": ["vanished-group"]}, ["sales-south-east.csv.stale"])
    assert list(run(gone)[0]) == list(left)
    assert run(SALES) == (good, [])
