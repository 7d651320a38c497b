"""The run folder: its versions, which one is in use, checkpoints and the lock."""

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.runs.checkpoints import (
    find_differences,
    read_checkpoint,
    remove_checkpoint,
    remove_member_checkpoints,
    write_checkpoint,
)
from forecaster.runs.lock import lock_run
from forecaster.runs.versions import (
    FORMAT,
    OLDEST_FORMAT,
    Version,
    list_member_folders,
    load_version,
    load_version_at,
    promote,
    write_version,
)

__all__ = [
    "FORMAT",
    "OLDEST_FORMAT",
    "Version",
    "convert_write_errors",
    "find_differences",
    "list_member_folders",
    "load_version",
    "load_version_at",
    "lock_run",
    "promote",
    "read_checkpoint",
    "remove_checkpoint",
    "remove_member_checkpoints",
    "write_atomically",
    "write_checkpoint",
    "write_version",
]
