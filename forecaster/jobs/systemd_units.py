"""A service and a timer of systemd for each jobs file.

Syntax: systemd.syntax(7), systemd.service(5), systemd.exec(5), systemd.timer(5) of version 245 and later.
"""

import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.errors import CannotCreate
from forecaster.jobs.schedule import ENVIRONMENT_FILE, Schedule, check_path
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file

_LONGEST_NAME = 200  # of the 255 letters of a file name
_MAX_UNIT = 1 << 20  # bytes
_STOP_SECONDS = 120  # for checkpoints and the status after SIGTERM


def name_unit(jobs_file: Path) -> str:
    """Name the units of a jobs file by its path: `forecast-srv-power-jobs` for /srv/power/jobs.yaml.

    A path that is long or has other letters than the name of a unit gets a checksum, too.
    """
    path = str(jobs_file.with_suffix(""))
    name = re.sub(r"[^A-Za-z0-9_]+", "-", path).strip("-")
    if len(name) > _LONGEST_NAME or not re.fullmatch(r"[\w/.]+", path, re.ASCII):
        name = f"{name[-_LONGEST_NAME:]}-{zlib.crc32(os.fsencode(jobs_file)):08x}"
    return f"forecast-{name}"


def format_units(schedule: Schedule) -> Mapping[str, str]:
    """Format the service and the timer, by the names of their files.

    Raises:
        UsageError: systemd cannot read a path.
    """
    check_path(schedule.jobs_file, "", "a unit of systemd")
    check_path(Path(schedule.command[0]), "\"'\\", "a unit of systemd")
    name = name_unit(schedule.jobs_file)
    mark = _format_mark(schedule.jobs_file)
    description = f"Description=Forecasts of {_escape(str(schedule.jobs_file))}"
    service = [mark, "[Unit]", description, "", "[Service]", *_list_service(schedule)]
    timer = [mark, "[Unit]", description, "", "[Timer]", f"OnCalendar={schedule.times.systemd}", "Persistent=true"]
    timer += ["", "[Install]", "WantedBy=timers.target"]
    return {f"{name}.service": "\n".join([*service, ""]), f"{name}.timer": "\n".join([*timer, ""])}


def _format_mark(jobs_file: Path) -> str:
    return f"# written by forecast schedule {jobs_file}"


def _list_service(schedule: Schedule) -> list[str]:
    """List the settings of the service."""
    folder = schedule.jobs_file.parent
    limit = "infinity" if schedule.seconds is None else f"{schedule.seconds:.0f}"
    lines = ["Type=oneshot", f"WorkingDirectory={_escape(str(folder))}"]
    if schedule.variables:
        path = re.sub(r"([*?\[\]\\])", r"\\\1", str(folder / ENVIRONMENT_FILE))  # it may be a pattern
        lines.append(f"EnvironmentFile={_escape(path)}")
    # Behind a colon, $ is no variable.
    lines.append(f"ExecStart=:{' '.join(map(_quote, schedule.command))}")
    lines += [f"TimeoutStartSec={limit}", f"TimeoutStopSec={_STOP_SECONDS}", "KillMode=mixed"]
    if schedule.memory is not None:
        # Where memory ends, the worker dies and its job fails; the run continues.
        lines += [f"MemoryMax={schedule.memory}", "OOMPolicy=continue"]
    return [*lines, "SyslogIdentifier=forecast"]


def _escape(text: str) -> str:
    """Escape percent signs, which begin specifiers everywhere."""
    return text.replace("%", "%%")


def _quote(word: str) -> str:
    """Quote a word of a command where it has anything but plain letters."""
    if re.fullmatch(r"[\w./+@=,-]+", word, re.ASCII):
        return word
    return '"' + _escape(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def get_user_folder() -> Path:
    """Get the folder of the user's units."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "systemd" / "user"


def install_units(folder: Path, schedule: Schedule) -> list[Path]:
    """Write both units into a folder; return their paths.

    Raises:
        CannotCreate: units of these names are not of this jobs file, or cannot be written.
    """
    units = {folder / name: text for name, text in format_units(schedule).items()}
    for path in units:
        _check_owner(path, schedule.jobs_file)
    with convert_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path, text in units.items():
        write_atomically(path, text.encode())
    return list(units)


def remove_units(folder: Path, jobs_file: Path) -> list[Path]:
    """Remove the units of a jobs file from a folder; return those that were there.

    Raises:
        CannotCreate: units of these names are not of this jobs file, or cannot be removed.
    """
    name = name_unit(jobs_file)
    found = [path for path in (folder / f"{name}.timer", folder / f"{name}.service") if os.path.lexists(path)]
    for path in found:
        _check_owner(path, jobs_file)
    enabled = folder / "timers.target.wants" / f"{name}.timer"  # the link that `systemctl enable` makes
    for path in [*found, *([enabled] if found and enabled.is_symlink() else [])]:
        with convert_write_errors(path):
            path.unlink()
    return found


def _check_owner(path: Path, jobs_file: Path) -> None:
    """Refuse to touch a unit that was not written for this jobs file."""
    if not os.path.lexists(path):
        return
    with convert_write_errors(path):
        content = read_regular_file(path, _MAX_UNIT)
    if os.fsdecode(content).split("\n", 1)[0] != _format_mark(jobs_file):
        raise CannotCreate(Problem("unit-of-others", str(path), detail={"jobs_file": str(jobs_file)}))
