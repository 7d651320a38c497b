"""The metrics file is what Prometheus's own parser reads, with every value of status.json."""

import math
import os
from pathlib import Path

import pytest

from forecaster.jobs.metrics_file import JOB_METRICS, format_metrics, write_metrics

NORTH = {
    "outcome": "done",
    "exit_code": 0,
    "last_success": "2026-11-30T03:15:07.500000+00:00",
    "last_attempt": "2026-11-30T04:15:07.500000+01:00",
    "seconds": 1.25,
    "newest": "2026-11-30 02:00:00",
    "data_age_seconds": 4507.5,
    "rows": 123456789,
    "error_now": 0.8,
    "error_then": 0.75,
    "skill": -0.1,
    "coverage": 0.8,
    "fallback_share": 0.0,
    "drift": False,
    "stale": True,
}
STATUS = {
    "format": 1,
    "jobs_file": "jobs.yaml",
    "updated": "2026-11-30T03:15:08Z",
    "runs": 12,
    "jobs": {"north": NORTH},
}


def parse(text):
    """Each metric, as the official parser reads it."""
    parser = pytest.importorskip("prometheus_client.parser", reason="the extra dev is not up to date: make test")
    return list(parser.text_string_to_metric_families(text))


def read(text):
    """Each sample as {(metric, job): value}, and the type of each metric."""
    families = parse(text)
    samples = {(each.name, each.labels.get("name")): each.value for family in families for each in family.samples}
    assert len(samples) == sum(len(family.samples) for family in families)
    return samples, {family.name: family.type for family in families}


def test_every_value_of_a_job_is_a_metric_with_its_unit():
    samples, kinds = read(format_metrics(STATUS, "/srv/power/jobs.yaml"))
    assert samples == {
        ("forecast_runs_total", None): 12,
        ("forecast_updated_timestamp_seconds", None): 1796008508,
        ("forecast_job_last_success_timestamp_seconds", "north"): 1796008507.5,
        ("forecast_job_last_attempt_timestamp_seconds", "north"): 1796008507.5,
        ("forecast_job_exit_code", "north"): 0,
        ("forecast_job_duration_seconds", "north"): 1.25,
        ("forecast_job_data_age_seconds", "north"): 4507.5,
        ("forecast_job_rows", "north"): 123456789,
        ("forecast_job_recent_mase_ratio", "north"): 0.8,
        ("forecast_job_test_mase_ratio", "north"): 0.75,
        ("forecast_job_skill_ratio", "north"): -0.1,
        ("forecast_job_coverage_ratio", "north"): 0.8,
        ("forecast_job_fallback_ratio", "north"): 0,
        ("forecast_job_drift", "north"): 0,
        ("forecast_job_stale", "north"): 1,
    }
    assert kinds.pop("forecast_runs") == "counter"
    assert set(kinds.values()) == {"gauge"}


def test_each_metric_has_its_help_and_type_once_and_its_samples_together():
    jobs = dict.fromkeys(("north", "south", "west"), NORTH)
    lines = format_metrics({**STATUS, "jobs": jobs}, "jobs.yaml").splitlines()
    names = [line.split("{")[0] for line in lines if not line.startswith("#")]
    assert names == [name for name in dict.fromkeys(names) for _ in range(names.count(name))]
    helped = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert helped == typed == list(dict.fromkeys(names))
    assert len(names) == 2 + 3 * len(JOB_METRICS)


@pytest.mark.parametrize("path", ['/srv/"a"\\b/jobs.yaml', "/srv/two\nlines", "/srv/größe", "/srv/a{b}=,c", "\\n"])
def test_labels_are_escaped(path):
    families = parse(format_metrics(STATUS, path))
    assert {sample.labels["jobs_file"] for family in families for sample in family.samples} == {path}


def test_what_a_job_does_not_have_is_left_out():
    failed = {"outcome": "failed", "exit_code": 4, "last_attempt": NORTH["last_attempt"], "rows": None, "skill": None}
    samples, _ = read(format_metrics({**STATUS, "jobs": {"north": failed}}, "jobs.yaml"))
    assert {name for name, job in samples if job} == {
        "forecast_job_exit_code",
        "forecast_job_last_attempt_timestamp_seconds",
    }
    assert read(format_metrics({**STATUS, "jobs": {}}, "jobs.yaml"))[0].keys() == {
        ("forecast_runs_total", None),
        ("forecast_updated_timestamp_seconds", None),
    }


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-300, 12345678901234.5, 1e22, 0.1 + 0.2])
def test_numbers_lose_nothing(value):
    samples, _ = read(format_metrics({**STATUS, "jobs": {"a": {"skill": value}}}, "jobs.yaml"))
    assert samples["forecast_job_skill_ratio", "a"] == value


def test_a_score_that_is_not_a_number_stays_one():
    samples, _ = read(format_metrics({**STATUS, "jobs": {"a": {"skill": math.nan}}}, "jobs.yaml"))
    assert math.isnan(samples["forecast_job_skill_ratio", "a"])


def test_the_file_is_replaced_whole_and_readable_by_others(tmp_path, monkeypatch):
    path = tmp_path / "forecast.prom"
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    try:
        write_metrics(path, STATUS, Path("jobs.yaml"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644  # the collector runs as another user
    first = path.stat().st_ino
    assert f'jobs_file="{tmp_path}/jobs.yaml"' in path.read_text()
    write_metrics(path, {**STATUS, "runs": 13}, Path("jobs.yaml"))
    assert path.stat().st_ino != first
    assert [each.name for each in tmp_path.iterdir()] == ["forecast.prom"]
