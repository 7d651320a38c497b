"""The run folder: its versions, which one is in use, checkpoints and the lock."""

from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.runs.checkpoints import (
    find_differences,
    read_checkpoint,
    remove_checkpoint,
    remove_member_checkpoints,
    write_checkpoint,
)
from forecaster.runs.lock import lock_existing_run, lock_run
from forecaster.runs.promotion import (
    check_pin,
    complete_promotion,
    find_previous,
    pin,
    promote,
    read_challenge,
    read_pin,
    read_promotions,
    remove_pin,
    roll_back,
)
from forecaster.runs.versions import (
    FORMAT,
    OLDEST_FORMAT,
    Version,
    find_version,
    list_member_folders,
    list_versions,
    load_version,
    load_version_at,
    read_current,
    read_version_time,
    write_version,
)

__all__ = [
    "FORMAT",
    "OLDEST_FORMAT",
    "Version",
    "check_pin",
    "complete_promotion",
    "convert_write_errors",
    "find_differences",
    "find_previous",
    "find_version",
    "list_member_folders",
    "list_versions",
    "load_version",
    "load_version_at",
    "lock_existing_run",
    "lock_run",
    "pin",
    "promote",
    "read_challenge",
    "read_checkpoint",
    "read_current",
    "read_pin",
    "read_promotions",
    "read_version_time",
    "remove_checkpoint",
    "remove_member_checkpoints",
    "remove_pin",
    "roll_back",
    "write_atomically",
    "write_checkpoint",
    "write_version",
]
