"""The groups of an entry with `for_each`: the cells of a column of its data, each of which is a job."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from forecaster.errors import ConfigError, DataError, ForecasterError, Stop
from forecaster.jobs.job import Job
from forecaster.problems import Problem
from forecaster.workers import Ended, Workers

MOST = 10_000  # groups, each of which is a job with a run, a lock and a status
_VANISHED = "vanished-group"

Where = Mapping[str, Sequence[str]]  # as in `data.where`


def list_vanished(
    groups: Mapping[str, Where] | Stop, job: Job, column: str, status_file: Path, jobs_file: Path
) -> dict[str, Stop]:
    """List the cells that had a job in the last run and have no rows now, each with the error of its job.

    Where the groups cannot be read, these are all cells that had a job, with the reason: each keeps its state, and its
    output is marked as old. A cell that is gone fails once, and has no job afterwards.
    """
    from forecaster.jobs.status import load_status  # noqa: PLC0415  for `for_each` only, not for every jobs file

    try:
        states = load_status(status_file, jobs_file).jobs.values()
    except (ValueError, ForecasterError):  # a run reports it
        return {}
    left_out = {each.cell for each in states if any(found.get("code") == _VANISHED for found in each.problems)}
    cells = [each.cell[2] for each in states if each.cell and each.cell[:2] == (job.group, column)]
    known = [cell for cell in cells if (job.group, column, cell) not in left_out]
    if isinstance(groups, Stop):
        return dict.fromkeys(known, groups)
    path = job.data[0] if job.data else job.where
    return {
        cell: DataError(Problem(_VANISHED, path, column, detail={"cell": cell})) for cell in known if cell not in groups
    }


def list_groups(job: Job, column: str) -> dict[str, Where] | Stop:
    """List the rows of each group of a job's data by the cell of the group; or why they cannot be read.

    Another process reads them, since the one that supervises jobs imports nothing that does.
    """
    with Workers("forecaster.jobs.groups:read_groups", 1) as workers:
        workers.start((job, column))
        while not isinstance(event := workers.wait(1.0), Ended):
            pass
    if event.how == "done":
        groups: dict[str, Where] = event.result
        return groups
    return event.error or ForecasterError(Problem("killed-reader", job.where))


def read_groups(task: tuple[Job, str], received: Sequence[int], report: Callable[[Any], None]) -> dict[str, Where]:
    """Read the groups of a job, as `list_groups` returns them; the work of its process.

    Raises:
        ConfigError: the config of the job is missing or invalid.
        DataError: the data cannot be read, the column is absent or empty, or has too many cells.
    """
    from forecaster.config import build_smallest_config, load_values  # noqa: PLC0415
    from forecaster.data.read_tables import list_cells  # noqa: PLC0415  with pandas
    from forecaster.preprocessing.read_data import build_data_request  # noqa: PLC0415

    job, column = task
    loaded = job.load_config() or load_values(build_smallest_config(job.data[0]), job.data[0], job.config_overrides)
    if loaded.problems:
        raise ConfigError(loaded.problems)
    request, where = build_data_request(loaded.config), loaded.config.data.where or {}
    cells = [cell for cell in list_cells(request.paths, column, request.dialect, where) if cell]
    path = job.data[0] if job.data else str(loaded.config.data.path)
    if not cells:
        raise DataError(Problem("no-groups", path, column))
    if len(cells) > MOST:
        raise DataError(Problem("too-many-groups", path, column, detail={"groups": len(cells), "limit": MOST}))
    return {cell: {**where, column: (cell,)} for cell in cells}
