"""The optional packages, the extra that installs each, and the error for one that is missing."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from forecaster.errors import UsageError
from forecaster.problems import Problem

Extra = Literal["train", "tune", "parquet", "sql", "baselines", "hierarchy", "holidays", "ray", "mlflow", "tensorboard"]

# The name on the package index, which is not the import name; a test compares both tables with pyproject.toml.
DISTRIBUTION = "recurrent-forecast"
PACKAGES: dict[Extra, tuple[str, ...]] = {
    "train": ("tensorflow", "keras", "onnx", "h5py"),
    "tune": ("tensorflow", "keras", "onnx", "h5py", "optuna"),
    "parquet": ("pyarrow",),
    "sql": ("pyarrow", "sqlalchemy"),
    "baselines": ("statsforecast", "flaircast"),
    "hierarchy": ("hierarchicalforecast",),
    "holidays": ("holidays",),
    "ray": ("ray",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard",),
}


class MissingExtra(UsageError):
    """A feature whose packages are not installed."""


def require_extra(extra: Extra, feature: str, packages: Sequence[str] | None = None) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        extra: one of `PACKAGES`.
        feature: what needs it, the subject of the error's sentence.
        packages: those of the extra that the feature needs; all unless given.

    Raises:
        MissingExtra: some are not installed.
    """
    missing = [package for package in packages or PACKAGES[extra] if not is_installed(package)]
    if missing:
        detail = {"feature": feature, "packages": missing, "extra": extra, "command": install_command(extra)}
        raise MissingExtra(Problem("missing-extra", detail=detail))


@contextmanager
def import_extra(extra: Extra, feature: str, packages: Sequence[str] | None = None) -> Iterator[None]:
    """Import packages of an extra inside this context; the arguments are those of `require_extra`.

    Raises:
        MissingExtra: some are not installed, or one cannot be imported.
    """
    require_extra(extra, feature, packages)
    try:
        yield
    except ImportError as error:
        if (error.name or "").startswith("forecaster"):  # a bug of ours, which no install repairs
            raise
        detail = {"feature": feature, "reason": str(error), "extra": extra, "command": install_command(extra)}
        raise MissingExtra(Problem("broken-extra", detail=detail)) from error


def is_installed(package: str) -> bool:
    """Whether a top-level package can be found; it is not imported."""
    return importlib.util.find_spec(package) is not None


def configure_libraries() -> None:
    """Set what TensorFlow and Keras read from the environment when they are imported: no noise, no files."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("KERAS_HOME", os.devnull)  # Keras would write a settings file into the user's home


def install_command(extra: Extra) -> str:
    """Return the command that installs an extra, to be pasted into a shell."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
