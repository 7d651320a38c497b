"""The folder of an export."""

from pathlib import Path

from forecaster.atomic_files import convert_write_errors
from forecaster.errors import UsageError
from forecaster.problems import Problem


def prepare_folder(folder: Path) -> None:
    """Make an empty folder.

    Raises:
        UsageError: it is not empty, or a file.
        CannotCreate, InputOutputFailed: it cannot be made.
    """
    with convert_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(Problem("folder-not-empty", str(folder)))
