"""The arrays in an HDF5 file of weights, read without following links or unpacking; h5py is an optional dependency."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np

_DAMAGED = (OSError, RuntimeError, KeyError, TypeError, AttributeError)  # what h5py raises for damaged bytes


class WeightsFile:
    """An open file, as `dump_weights` writes it: each array whole, in this file and not compressed.

    HDF5 may also keep data in any other file, or unpack gigabytes from a few bytes.
    """

    def __init__(self, file: h5py.File, size: int) -> None:
        self._file, self._size = file, size

    def find_shape(self, path: str) -> tuple[int, ...] | None:
        """Find the shape of an array; None where there is none of this path.

        Raises:
            ValueError: it is damaged, or not in this file as it was written.
        """
        found = self._find(path)
        return None if found is None else found.shape

    def read(self, path: str, shape: tuple[int, ...]) -> np.ndarray:
        """Read an array of a shape.

        Raises:
            ValueError: it is missing, has another shape, or is not finite; or as for `find_shape`.
        """
        found = self._find(path)
        if found is None:
            raise ValueError(f"no weights {path}")
        if found.shape != shape:
            raise ValueError(f"the weights {path} have the shape {found.shape}, and the network {shape}")
        with _convert_errors(path):
            values = np.asarray(found)
        if not np.isfinite(values).all():
            raise ValueError(f"the weights {path} are not finite")
        return values

    def _find(self, path: str) -> h5py.Dataset | None:
        with _convert_errors(path):
            found = self._file
            for name in path.split("/"):
                link = found.get(name, getlink=True) if isinstance(found, h5py.Group) else None
                if link is None:
                    return None
                if not isinstance(link, h5py.HardLink):
                    raise ValueError(f"the weights {path} are a link")
                found = found[name]
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
                raise ValueError(f"the weights {path} are no numbers")
            if found.external or found.is_virtual or found.chunks or found.id.get_create_plist().get_nfilters():
                raise ValueError(f"the weights {path} are in another file, or compressed")
            if math.prod(found.shape) * found.dtype.itemsize > self._size:
                raise ValueError(f"the weights {path} have the shape {found.shape}, and the file {self._size:,} bytes")
            return found


@contextmanager
def open_weights(content: bytes) -> Iterator[WeightsFile]:
    """Open the bytes of a file of weights.

    Raises:
        ValueError: they are no HDF5.
    """
    try:
        file = h5py.File(io.BytesIO(content), "r")
    except _DAMAGED as error:
        raise ValueError(str(error)) from None
    with file:
        yield WeightsFile(file, len(content))


@contextmanager
def _convert_errors(path: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise ValueError(f"the weights {path} are damaged: {error}") from None
