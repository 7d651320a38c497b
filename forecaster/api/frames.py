"""A frame as a CSV that the package reads, and settings as overrides of a config."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from forecaster.atomic_files import write_atomically
from forecaster.data.sources.files import FRAME_FOLDER
from forecaster.errors import UsageError
from forecaster.problems import Problem, format_yaml

Frame = pd.DataFrame | pd.Series


@contextmanager
def hold_frame(frame: Frame) -> Iterator[Path]:
    """Write a frame to a CSV that exists as long as the context; messages call it `frame`.

    Raises:
        UsageError: it is no frame.
    """
    content = frame_to_csv(frame)
    with tempfile.TemporaryDirectory(prefix=FRAME_FOLDER) as folder:
        path = Path(folder) / "frame.csv"
        write_atomically(path, content)
        yield path


def frame_to_csv(frame: Frame) -> bytes:
    """Convert a frame to a CSV whose numbers read back exactly, with its index as columns unless it counts rows.

    Raises:
        UsageError: it is no frame.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("value" if frame.name is None else frame.name)
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(Problem("not-a-frame", detail={"received": type(frame).__name__}))
    index = frame.index
    if index.name is not None or not pd.api.types.is_integer_dtype(index.dtype):
        is_unnamed = index.nlevels == 1 and index.name is None and "time" not in frame.columns
        # A name that a column has, too, is reported as that of two columns is.
        frame = frame.reset_index(names="time" if is_unnamed else None, allow_duplicates=True)
    for number, kind in enumerate(frame.dtypes):
        if isinstance(kind, pd.PeriodDtype):
            frame = frame.copy(deep=False)
            frame.isetitem(number, frame.iloc[:, number].dt.to_timestamp())
    return frame.to_csv(index=False, lineterminator="\n").encode()


def settings_to_overrides(settings: Mapping[str, Any] | None) -> list[str]:
    """Convert settings such as `{"training.epochs": 5}` to what `--set` takes: `training.epochs=5`."""
    return [f"{key}={format_yaml(value)}" for key, value in (settings or {}).items()]
