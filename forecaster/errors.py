"""The errors that a user can meet, each with its exit code.

Stop
├── Interrupted            130 / 143   Ctrl-C or SIGTERM; not an Exception, so that only what expects it catches it
└── ForecasterError                1
    ├── UsageError                 2   a wrong call or combination of options
    │   ├── ConfigError            2   a YAML that cannot be used, every problem listed
    │   └── MissingExtra           2   packages that are not installed (extras.py)
    ├── DataError                  4   a CSV that cannot be used, every problem listed
    ├── Stale                      5   data older than checks.max_age allows
    ├── Partial                    3   some series could not be forecast, the others were
    ├── RunError                   6   a run folder that is missing, corrupt or of a newer format
    ├── Diverged                   7   a loss or a forecast that became NaN or infinite
    ├── ChallengerLost             7   a new version that is worse than the one in use, which stays
    ├── QualityLimit               7   past forecasts with a larger error than allowed, or with drift
    ├── CannotCreate              73   an output that cannot be created
    ├── InputOutputFailed         74   a disk that is full, read-only or broken
    ├── Locked                    75   another process is at work on the same run
    └── Changing                  75   a file that another process is writing
"""

import errno
from collections.abc import Sequence
from typing import Any

from forecaster.problems import Problem, condense_problems

SHOWN_PROBLEMS = 20

EXIT_CODES = (
    ("0", "done, or nothing to do"),
    ("1", "unexpected error: a bug, please report it"),
    ("2", "usage or config, or an extra that is not installed"),
    ("3", "partial: some series failed, the rest is written"),
    ("4", "data invalid"),
    ("5", "data stale: older than the largest age allowed"),
    ("6", "run missing, corrupt, or of a newer format"),
    ("7", "training diverged, or the new version is worse: the old version stays"),
    ("73", "output cannot be created"),
    ("74", "input or output failed (disk full, read-only)"),
    ("75", "locked by another process: try again"),
    ("130 / 143", "interrupted: the checkpoint is saved"),
)


class Stop(BaseException):
    """The end of a command with a message and an exit code.

    Attributes:
        problems: one at least; the text of the error renders the first 20, those that many series have together.
    """

    exit_code = 1

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        several = [problems] if isinstance(problems, Problem) else problems
        if not several:
            raise ValueError("an error without a problem")
        self.problems = tuple(several)
        lines = list(map(str, condense_problems(several)))
        hidden = len(lines) - SHOWN_PROBLEMS
        more = [f"... and {hidden} more problems"] if hidden > 0 else []
        super().__init__("\n".join([*lines[:SHOWN_PROBLEMS], *more]))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it possible to send the error to another process."""
        return type(self), (self.problems,)


class ForecasterError(Stop, Exception):
    """Anything that stops a command for a reason that its user can repair."""


class UsageError(ForecasterError):
    """Options that do not go together or name nothing."""

    exit_code = 2


class ConfigError(UsageError):
    """A config that cannot be used."""


class DataError(ForecasterError):
    """A CSV that cannot be used."""

    exit_code = 4


class Stale(ForecasterError):
    """Data whose newest row is older than the largest age allowed; nothing was forecast."""

    exit_code = 5


class Partial(ForecasterError):
    """Some series failed; what could be written is written."""

    exit_code = 3


class RunError(ForecasterError):
    """A run folder that cannot be used."""

    exit_code = 6


class Diverged(ForecasterError):
    """A loss or a forecast that became NaN or infinite; the old version stays."""

    exit_code = 7


class ChallengerLost(ForecasterError):
    """A new version that is worse than the one in use, which stays."""

    exit_code = 7


class QualityLimit(ForecasterError):
    """Past forecasts with a larger error than allowed, or with drift."""

    exit_code = 7


class CannotCreate(ForecasterError):
    """An output whose folder or file cannot be created."""

    exit_code = 73


class InputOutputFailed(ForecasterError):
    """A read or write that the operating system refused."""

    exit_code = 74


class Locked(ForecasterError):
    """Another process holds the run."""

    exit_code = 75


class Changing(ForecasterError):
    """A file changed each time while it was read."""

    exit_code = 75


class Interrupted(Stop):
    """A signal stopped the command after its state was saved."""

    def __init__(self, problems: Problem | Sequence[Problem], signal_number: int) -> None:
        super().__init__(problems)
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it possible to send the error to another process."""
        return type(self), (self.problems, self.exit_code - 128)


# The device gave out (74); any other refusal means that the place is wrong (73).
_DEVICE_FAILURES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EPIPE}


def make_output_error(error: OSError, path: object) -> ForecasterError:
    """Build the error to raise for an `OSError` met while writing `path`."""
    reason = error.strerror or str(error)
    if error.errno in _DEVICE_FAILURES:
        return InputOutputFailed(Problem("cannot-write", str(path), detail={"reason": reason}))
    return CannotCreate(Problem("cannot-create", str(path), detail={"reason": reason}))


def make_system_error(error: OSError) -> ForecasterError:
    """Build the error to raise for an `OSError` that met nothing that knows whether it was reading or writing."""
    reason = error.strerror or str(error)
    return InputOutputFailed(Problem("system-refusal", str(error.filename or ""), detail={"reason": reason}))


def convert_to_stop(cause: BaseException) -> Stop:
    """Convert anything that was raised to an error with a message and an exit code."""
    if isinstance(cause, Stop):
        return cause
    if isinstance(cause, OSError):
        return make_system_error(cause)
    return ForecasterError(Problem("unexpected", detail={"kind": type(cause).__name__, "reason": str(cause)}))
