"""Crontab lines and systemd units run the command in the right folder at the right times, whatever the paths are."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forecaster.errors import CannotCreate, InputOutputFailed, UsageError
from forecaster.jobs.crontab import format_block, replace_block, update_crontab
from forecaster.jobs.schedule import Schedule, find_memory_limit, parse_times, sum_time_limits
from forecaster.jobs.systemd_units import format_units, get_user_folder, install_units, name_unit, remove_units

ANALYZE = shutil.which("systemd-analyze")
TIMES = {
    "hourly": ("15 * * * *", "*-*-* *:15:00"),
    "1h": ("15 * * * *", "*-*-* *:15:00"),
    "daily": ("15 3 * * *", "*-*-* 03:15:00"),
    "24h": ("15 3 * * *", "*-*-* 03:15:00"),
    "weekly": ("15 3 * * 1", "Mon *-*-* 03:15:00"),
    "7d": ("15 3 * * 1", "Mon *-*-* 03:15:00"),
    "23:05": ("5 23 * * *", "*-*-* 23:05:00"),
    "6:30": ("30 6 * * *", "*-*-* 06:30:00"),
    "15m": ("*/15 * * * *", "*-*-* *:00/15:00"),
    "1m": ("*/1 * * * *", "*-*-* *:00/1:00"),
    "6h": ("15 */6 * * *", "*-*-* 00/6:15:00"),
}
FOLDERS = [
    "plain",
    "with blank",
    "100%",
    "%h and %%",
    "$HOME",
    "${PATH}",
    "a'b",
    'a"b',
    "größe",
    "a;b&c|d",
    "~",
    "*[x]?",
    "-n",
    "a#b",
    "\\n",
]
COMMAND = """#!/bin/sh
pwd
printf '%s\\n' "$@"
"""


def make_schedule(folder, monkeypatch=None, **more):
    """A schedule of jobs.yaml in a folder, whose interpreter prints where and with what it was called."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "jobs.yaml").touch()
    if monkeypatch is not None:
        interpreter = folder / "python"
        interpreter.write_text(COMMAND)
        interpreter.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(interpreter))
    return Schedule(folder / "jobs.yaml", parse_times("hourly"), **more)


@pytest.mark.parametrize("text", TIMES)
def test_times_in_both_languages(text):
    times = parse_times(text)
    assert (times.cron, times.systemd) == TIMES[text]


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
@pytest.mark.parametrize("text", TIMES)
def test_systemd_reads_the_times_as_cron_does(text):
    """The next times by systemd are those that the fields of cron allow."""
    command = [ANALYZE, "calendar", "--iterations=30", parse_times(text).systemd]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"TZ": "UTC"}).stdout
    found = re.findall(r"(?:elapse|#\d+): (\w{3}) \d{4}-\d\d-\d\d (\d\d):(\d\d):00", printed)
    assert len(found) == 30
    minute, hour, _, _, weekday = parse_times(text).cron.split()
    minutes = range(0, 60, int(minute[2:])) if minute.startswith("*/") else [int(minute)]
    hours = range(24) if hour == "*" else range(0, 24, int(hour[2:])) if hour.startswith("*/") else [int(hour)]
    days = {"Mon"} if weekday == "1" else {day for day, _, _ in found}
    assert {int(each) for _, _, each in found} <= set(minutes)
    assert {int(each) for _, each, _ in found} <= set(hours)
    assert {day for day, _, _ in found} == days
    if text in {"6h", "15m", "hourly"}:
        assert {int(each) for _, each, _ in found} == set(hours) or text == "15m"


@pytest.mark.parametrize(
    "text", ["", "often", "24:00", "3:60", "7m", "90s", "45m", "5h", "2d", "0h", "03:15:00", "1.5h"]
)
def test_times_that_cron_cannot_keep_are_refused(text):
    with pytest.raises(UsageError, match="--every .*expected hourly, daily, weekly"):
        parse_times(text)


def test_limits_are_those_of_all_jobs():
    assert sum_time_limits([(600, 2, 30), (60, 0, 30)]) == 60 + (600 * 3 + 30 + 60) + 60
    assert sum_time_limits([(600, 0, 0), (None, 0, 0)]) is None
    assert find_memory_limit([4_000_000_000, 1_000_000_000]) == 4_000_000_000 + 2**30
    assert find_memory_limit([4_000_000_000, None]) is None
    assert find_memory_limit([]) is None


def run_as_cron_does(line):
    """Do as cron with the sixth field: `\\%` is a percent sign, the first plain one ends the command for /bin/sh."""
    command = line.split(" ", 5)[5]
    assert not re.search(r"(?<!\\)%", command)
    return subprocess.run(
        ["/bin/sh", "-c", command.replace(r"\%", "%")],
        capture_output=True,
        text=True,
        cwd="/",
        env={"HOME": "/nowhere"},
        check=False,
    )


@pytest.mark.parametrize("name", [name for name in FOLDERS if "\\" not in name])
@pytest.mark.parametrize("variables", [(), ("PING_URL",)])
def test_cron_runs_the_command_in_the_folder(tmp_path, monkeypatch, name, variables):
    schedule = make_schedule(tmp_path / name, monkeypatch, variables=variables)
    begin, line, end = format_block(schedule).splitlines()
    (tmp_path / name / "forecast.env").write_text("PING_URL='https://a.b/x y'\n")
    (tmp_path / name / "python").write_text(COMMAND + "echo $PING_URL\n")
    result = run_as_cron_does(line)
    assert line.startswith("15 * * * * ")
    url = "https://a.b/x y" if variables else ""
    expected = [str(tmp_path / name), "-P", "-m", "forecaster", "run", "jobs.yaml", url]
    assert (result.stdout.splitlines(), result.stderr) == (expected, "")
    assert begin.startswith("#")
    assert end.startswith("#")


def test_cron_reports_a_folder_or_secrets_that_are_gone(tmp_path, monkeypatch):
    schedule = make_schedule(tmp_path / "power", monkeypatch, variables=["PING_URL"])
    line = format_block(schedule).splitlines()[1]
    without_secrets = run_as_cron_does(line)
    assert without_secrets.returncode
    assert without_secrets.stderr
    shutil.rmtree(tmp_path / "power")
    result = run_as_cron_does(line)
    assert result.returncode
    assert result.stderr


@pytest.mark.parametrize("name", ["two\nlines", "a\\b", "tab\there"])
def test_cron_refuses_paths_that_it_cannot_read(tmp_path, name):
    with pytest.raises(UsageError, match="a crontab"):
        format_block(make_schedule(tmp_path / name))


def unquote(value):
    """Read the words of ExecStart= as systemd.service(5) describes: quotes, backslashes, %%, and no variables."""
    assert value.startswith(":")
    words = shlex.split(value[1:])
    assert not any(re.search(r"%(?!%)", word.replace("%%", "")) for word in words)
    return [word.replace("%%", "%") for word in words]


def read_unit(text):
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


@pytest.mark.parametrize("name", FOLDERS)
def test_units_hold_folder_interpreter_and_limits(tmp_path, name):
    schedule = make_schedule(tmp_path / name, seconds=3600.0, memory=5 << 30, variables=["PING_URL"])
    service, timer = (read_unit(text) for text in format_units(schedule).values())
    assert unquote(service["ExecStart"]) == [sys.executable, "-P", "-m", "forecaster", "run", "jobs.yaml"]
    assert service["WorkingDirectory"].replace("%%", "%") == str(tmp_path / name)
    assert (service["TimeoutStartSec"], service["MemoryMax"]) == ("3600", str(5 << 30))
    assert timer["Persistent"] == "true"
    assert timer["OnCalendar"] == "*-*-* *:15:00"


def test_units_without_limits_state_none(tmp_path):
    service = read_unit(format_units(make_schedule(tmp_path))[f"{name_unit(tmp_path / 'jobs.yaml')}.service"])
    assert service["TimeoutStartSec"] == "infinity"
    assert not {"MemoryMax", "EnvironmentFile"} & service.keys()


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path, monkeypatch):
    units = tmp_path / "units"
    paths = []
    for name in FOLDERS:
        quoted = not set(name) & set("\"'\\")
        schedule = make_schedule(
            tmp_path / name, monkeypatch if quoted else None, seconds=60.0, memory=1 << 30, variables=["PING_URL"]
        )
        (tmp_path / name / "forecast.env").touch()
        paths += install_units(units, schedule)
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    command = [ANALYZE, "verify", "--user", "--man=no", *map(str, dict.fromkeys(paths))]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a\\b"])
def test_an_interpreter_that_systemd_refuses_is_named(tmp_path, monkeypatch, name):
    with pytest.raises(UsageError, match="a unit of systemd"):
        format_units(make_schedule(tmp_path / name, monkeypatch))


def test_units_are_named_by_the_path():
    assert name_unit(Path("/srv/power/jobs.yaml")) == "forecast-srv-power-jobs"
    assert len(name_unit(Path("/" + "long/" * 100 + "jobs.yaml"))) < 240


def test_the_folder_of_units_is_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert get_user_folder() == Path("/home/ada/.config/systemd/user")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/ada")
    assert get_user_folder() == Path("/etc/ada/systemd/user")


def test_units_are_installed_again_and_removed(tmp_path):
    units = tmp_path / "units"
    schedule = make_schedule(tmp_path / "power")
    paths = install_units(units, schedule)
    assert sorted(path.suffix for path in paths) == [".service", ".timer"]
    before = [path.read_text() for path in paths]
    install_units(units, schedule)
    assert [path.read_text() for path in paths] == before
    enabled = units / "timers.target.wants"
    enabled.mkdir()
    (enabled / paths[1].name).symlink_to(paths[1])
    assert sorted(remove_units(units, schedule.jobs_file)) == sorted(paths)
    assert [*units.iterdir(), *enabled.iterdir()] == [enabled]
    assert remove_units(units, schedule.jobs_file) == []


@pytest.mark.parametrize("content", ["[Unit]\n", "# written by forecast schedule /elsewhere/jobs.yaml\n"])
@pytest.mark.parametrize("change", [install_units, lambda units, schedule: remove_units(units, schedule.jobs_file)])
def test_units_of_others_are_not_touched(tmp_path, content, change):
    schedule = make_schedule(tmp_path / "power")
    unit = tmp_path / f"{name_unit(schedule.jobs_file)}.timer"
    unit.write_text(content)
    with pytest.raises(CannotCreate, match="not written for"):
        change(tmp_path, schedule)
    assert unit.read_text() == content
    assert not unit.with_suffix(".service").exists()


@pytest.mark.parametrize("before", ["", "MAILTO=ada\n5 * * * * true\n", "5 * * * * true", "# a\n\n\n", "\n"])
def test_a_block_is_added_replaced_and_removed_and_other_lines_stay(before, tmp_path):
    jobs_file = tmp_path / "jobs.yaml"
    block = format_block(make_schedule(tmp_path))
    other = format_block(make_schedule(tmp_path / "other"))
    added = replace_block(before, jobs_file, block)
    assert added == (before if not before or before.endswith("\n") else f"{before}\n") + block
    assert replace_block(added, jobs_file, block) == added
    both = replace_block(added, tmp_path / "other" / "jobs.yaml", other) + "# after\n"
    changed = replace_block(both, jobs_file, block.replace("15 * * * *", "30 3 * * *"))
    assert changed == both.replace(block, block.replace("15 * * * *", "30 3 * * *"))
    assert replace_block(both, jobs_file, "") == both.replace(block, "")
    assert replace_block(before, jobs_file, "").rstrip("\n") == before.rstrip("\n")


def test_a_block_without_its_end_swallows_no_line(tmp_path):
    block = format_block(make_schedule(tmp_path))
    damaged = "".join(block.splitlines(keepends=True)[:2]) + "5 * * * * mine\n"
    assert replace_block(damaged, tmp_path / "jobs.yaml", block) == damaged + block


CRONTAB = """#!/bin/sh
case "$1" in
  -l) [ -f {file} ] && exec cat {file}; echo "no crontab for ada" >&2; exit 1;;
  -) exec cat > {file};;
esac
"""


@pytest.fixture
def crontab(tmp_path, monkeypatch):
    """A crontab command that keeps its table in a file."""
    file, folder = tmp_path / "table", tmp_path / "bin"
    folder.mkdir()
    write_command(folder, CRONTAB.format(file=file))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return file


def write_command(folder, text):
    (folder / "crontab").write_text(text)
    (folder / "crontab").chmod(0o755)


def test_the_crontab_is_written_once(crontab, tmp_path):
    block = format_block(make_schedule(tmp_path / "power"))
    jobs_file = tmp_path / "power" / "jobs.yaml"
    assert update_crontab(jobs_file, block)
    assert crontab.read_text() == block
    before = crontab.stat().st_mtime_ns
    assert not update_crontab(jobs_file, block)
    assert crontab.stat().st_mtime_ns == before
    crontab.write_bytes(b"# caf\xe9\n" + block.encode() + b"5 * * * * mine\n")
    assert update_crontab(jobs_file, "")
    assert crontab.read_bytes() == b"# caf\xe9\n5 * * * * mine\n"


@pytest.mark.parametrize("script", ["echo no access >&2; exit 1", "[ $1 = -l ] && exit 0; echo no access >&2; exit 1"])
def test_a_crontab_that_cannot_be_read_or_written_is_reported_and_stays(crontab, tmp_path, script):
    crontab.write_text("5 * * * * mine\n")
    write_command(tmp_path / "bin", f"#!/bin/sh\n{script}\n")
    with pytest.raises(InputOutputFailed, match="no access"):
        update_crontab(tmp_path / "jobs.yaml", "block\n")
    assert crontab.read_text() == "5 * * * * mine\n"


def test_without_cron_another_format_is_offered(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="--format systemd"):
        update_crontab(tmp_path / "jobs.yaml", "block\n")
