"""Files for what memory does not hold, which have no name, so that nothing is left of them however a process ends."""

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from forecaster.errors import InputOutputFailed
from forecaster.problems import Problem


class Spool:
    """Records of one type, one after the other, in the folder for temporary files (TMPDIR)."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.dtype, self._count = np.dtype(dtype), 0
        with report_failures(), tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return self._count

    def append(self, records: np.ndarray) -> None:
        """Write records behind the others."""
        self.write(self._count, records)

    def write(self, first: int, records: np.ndarray) -> None:
        """Write records at a place."""
        data = np.ascontiguousarray(records, self.dtype).view(np.uint8).data
        at = first * self.dtype.itemsize
        with report_failures():
            while data:
                written = os.pwrite(self._file, data, at)
                data, at = data[written:], at + written
        self._count = max(self._count, first + len(records))

    def read(self, first: int, count: int) -> np.ndarray:
        """Copy records from a place on."""
        records = np.empty(count, self.dtype)
        data, at = records.view(np.uint8).data, first * self.dtype.itemsize
        with report_failures():
            while data:
                taken = os.preadv(self._file, [data], at)
                data, at = data[taken:], at + taken
        return records

    def read_blocks(self, count: int) -> Iterator[np.ndarray]:
        """Copy all records, `count` at a time."""
        for first in range(0, self._count, count):
            yield self.read(first, min(count, self._count - first))

    def map_records(self) -> np.ndarray:
        """Map all records to an array that is read from the file where it is looked at."""
        if not self._count:
            return np.zeros(0, self.dtype)
        with os.fdopen(os.dup(self._file), "rb") as file:
            return np.memmap(file, self.dtype, "r", shape=(self._count,))


@contextmanager
def report_failures() -> Iterator[None]:
    """Raise `InputOutputFailed` where a temporary file cannot be written."""
    try:
        yield
    except OSError as error:
        detail = {"reason": error.strerror or str(error)}
        raise InputOutputFailed(Problem("no-temporary-space", tempfile.gettempdir(), detail=detail)) from None


def group_records(spool: Spool, field: str, ends: np.ndarray, count: int) -> Spool:
    """Group records by the whole numbers from 0 in a field; each group keeps its order.

    Args:
        ends: where the records of each number will end.
        count: of records that are held in memory at a time.
    """
    sorted_spool = Spool(spool.dtype)
    free = np.concatenate([[0], ends[:-1]])  # of each number, where its next record goes
    for block in spool.read_blocks(count):
        together = block[np.argsort(block[field], kind="stable")]
        numbers, first = np.unique(together[field], return_index=True)
        for number, run in zip(numbers.tolist(), np.split(together, first[1:]), strict=True):
            sorted_spool.write(int(free[number]), run)
            free[number] += len(run)
    return sorted_spool
