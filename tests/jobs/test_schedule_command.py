"""`forecast schedule` prints, installs and removes, and names what is left to do."""

import os

import pytest

JOBS = """\
ping: $PING_URL
jobs:
  - {name: north, data: north.csv, timeout: 20m, retries: 1, backoff: 30s, memory: 2GB}
  - {name: south, data: south.csv, timeout: 10m, retries: 0, memory: 4GB}
"""
CRONTAB = """#!/bin/sh
case "$1" in
  -l) cat $HOME/table 2>/dev/null || { echo "no crontab for ada" >&2; exit 1; };;
  -) cat > $HOME/table;;
esac
"""


@pytest.fixture
def home(tmp_path):
    """A home with a jobs file and a crontab command."""
    (tmp_path / "jobs.yaml").write_text(JOBS)
    for name in ("north.csv", "south.csv"):
        (tmp_path / name).write_text("time,load\n2026-01-01,1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "crontab").write_text(CRONTAB)
    (tmp_path / "bin" / "crontab").chmod(0o755)
    return tmp_path


@pytest.fixture
def schedule(home, forecast):
    environment = {**os.environ, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    environment.pop("XDG_CONFIG_HOME", None)

    def run(*arguments, code=0):
        result = forecast("schedule", *arguments, cwd=home, env=environment)
        assert result.returncode == code, result.stderr
        return result

    return run


def test_a_crontab_line_is_printed(schedule, home):
    result = schedule("jobs.yaml", "--every", "03:15")
    _, line, _ = result.stdout.splitlines()
    assert line.startswith(f"15 3 * * * cd {home} && set -a && . ./forecast.env && set +a && ")
    assert line.endswith(" -P -m forecaster run jobs.yaml")
    assert result.stderr == ""
    assert not (home / "table").exists()


def test_units_are_printed_with_the_limits_of_the_jobs(schedule, home):
    printed = schedule("jobs.yaml", "--format", "systemd").stdout.splitlines()
    assert f"WorkingDirectory={home}" in printed
    assert f"EnvironmentFile={home}/forecast.env" in printed
    assert f"TimeoutStartSec={60 + 2 * 1200 + 30 + 600}" in printed
    assert f"MemoryMax={4 * 10**9 + 2**30}" in printed
    assert "OnCalendar=*-*-* *:15:00" in printed
    assert not (home / ".config").exists()


def test_cron_is_installed_once_and_removed(schedule, home):
    (home / "table").write_text("5 * * * * mine\n")
    first = schedule("jobs.yaml", "--install").stdout
    assert "the crontab has the line\n" in first
    assert f"missing: {home}/forecast.env, with a line for each of PING_URL=..., readable by its owner alone" in first
    block = schedule("jobs.yaml").stdout
    assert (home / "table").read_text() == "5 * * * * mine\n" + block
    (home / "forecast.env").write_text("PING_URL=https://a.b/c\n")
    assert schedule("jobs.yaml", "--install").stdout.splitlines()[0] == "the crontab has the line already"
    schedule("jobs.yaml", "--install", "--every", "daily")
    assert (home / "table").read_text() == "5 * * * * mine\n" + block.replace("15 * * * *", "15 3 * * *")
    (home / "jobs.yaml").unlink()
    assert "removed" in schedule("jobs.yaml", "--remove").stdout
    assert (home / "table").read_text() == "5 * * * * mine\n"
    assert "no line" in schedule("jobs.yaml", "--remove").stdout


def test_systemd_is_installed_and_removed(schedule, home):
    folder = home / ".config" / "systemd" / "user"
    printed = schedule("jobs.yaml", "--format", "systemd", "--install").stdout
    timer, service = sorted(folder.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert f"  systemctl --user enable --now {timer.name}\n" in printed
    assert f"written: {service}\n" in printed
    assert "Persistent=true" in timer.read_text()
    assert f"systemctl --user stop {timer.name}" in schedule("jobs.yaml", "--format", "systemd", "--remove").stdout
    assert list(folder.iterdir()) == []
    assert schedule("jobs.yaml", "--format", "systemd", "--remove").stdout == "there are no units\n"


def test_a_job_without_a_time_limit_is_named(schedule, home):
    (home / "jobs.yaml").write_text("jobs: [{name: north, data: north.csv}]\n")
    result = schedule("jobs.yaml", "--format", "systemd")
    assert "north has no time limit" in result.stderr
    assert "TimeoutStartSec=infinity" in result.stdout.splitlines()


def test_the_password_of_a_store_is_needed(schedule, home):
    (home / "jobs.yaml").write_text(
        "store: postgresql://ada@host/db\njobs: [{name: north, data: north.csv, timeout: 1h}]\n"
    )
    assert "FORECAST_SQL_PASSWORD=..." in schedule("jobs.yaml", "--install").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jobs.yaml", "--every", "7m"], "--every 7m: expected hourly, daily, weekly"),
        (["jobs.yaml", "--install", "--remove"], "--remove: expected either --install or --remove"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_mistakes_are_usage_errors(schedule, home, arguments, message):
    assert message in schedule(*arguments, code=2).stderr
    assert not (home / "table").exists()


def test_a_jobs_file_with_mistakes_is_not_scheduled(schedule, home):
    (home / "jobs.yaml").write_text("jobs: [{name: north, dataa: north.csv}]\n")
    assert "dataa" in schedule("jobs.yaml", "--install", code=2).stderr
    assert not (home / "table").exists()


def test_a_link_to_the_jobs_file_stays_a_link(schedule, home):
    (home / "current").symlink_to(home)
    assert f"cd {home}/current && " in schedule("current/jobs.yaml").stdout
