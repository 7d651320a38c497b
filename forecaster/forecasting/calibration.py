"""What the validation part measures of a network, and the files that keep it in a run."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecaster.forecasting.fallback import Fallback
from forecaster.runs import Version
from forecaster.runs.json_files import encode_json

_RESIDUALS, _REST = "residuals.npy", "calibration.json"


@dataclass(frozen=True, eq=False)
class Calibration:
    """What one pass over the validation part measures of a network; without one, nothing is measured.

    Attributes:
        residuals: (origins, horizon), actual minus forecast in transformed units, divided by the forecast's spread;
            NaN where the actual value is unknown. Those of the validation part come first.
        smallest_change: the smallest seasonal change of a window that residuals are divided by, in scaled units; None
            where they are not divided by it.
        fallback: the weights of the network against its baseline; None where there is no fallback.
        by_distance: whether the spread grows with the distance of the zero-shot forecast from the last season.
    """

    residuals: np.ndarray = field(default_factory=lambda: np.empty((0, 1)))
    smallest_change: float | None = None
    fallback: Fallback | None = None
    by_distance: bool = False

    @property
    def count(self) -> int:
        """Errors of the first step ahead."""
        return int(np.sum(~np.isnan(self.residuals[:, 0])))

    def draw_errors(self, shape: tuple[int, ...], count: int, generator: np.random.Generator) -> np.ndarray:
        """Draw the errors of whole horizons with replacement, so that errors keep their correlation between steps.

        Args:
            shape: (..., horizon), which may be longer than the horizon of the residuals.
            count: draws of each.
            generator: of random numbers.

        Returns:
            (count, *shape). Where the actual value is unknown, and after the last step, the last known error repeats.
        """
        begun = ~np.isnan(self.residuals[:, 0])
        residuals = self.residuals[begun] if begun.any() else np.nan_to_num(self.residuals)
        steps = np.arange(residuals.shape[1])
        last_known = np.maximum.accumulate(np.where(np.isnan(residuals), 0, steps), axis=1)  # (origins, horizon)
        filled = np.take_along_axis(residuals, last_known, axis=1)
        drawn = filled[generator.integers(len(filled), size=(count, *shape[:-1]))]  # (count, ..., trained horizon)
        return drawn[..., np.minimum(np.arange(shape[-1]), residuals.shape[1] - 1)]


def encode_calibration(calibration: Calibration) -> dict[str, bytes]:
    """Encode a calibration as the files of a version, by name; every number is exact."""
    array = io.BytesIO()
    np.save(array, calibration.residuals)
    fallback = None if calibration.fallback is None else calibration.fallback.to_json()
    rest = {
        "smallest_change": calibration.smallest_change,
        "fallback": fallback,
        "by_distance": calibration.by_distance,
    }
    return {_RESIDUALS: array.getvalue(), _REST: encode_json(rest)}


def read_calibration(version: Version) -> Calibration:
    """Read the calibration of a version of any format.

    Raises:
        RunError: a file cannot hold what `encode_calibration` wrote.
    """
    residuals = _read_residuals(version)
    old = version.manifest["format"] == 3
    name = "guard.json" if old else _REST
    try:
        rest = _read_format_3(version) if old else version.read_json(name)
        smallest, fallback = rest["smallest_change"], rest["fallback"]
        if smallest is not None and not 0 < smallest < math.inf:
            raise ValueError(f"smallest_change is {smallest}")
        by_distance = rest.get("by_distance", False)  # runs of before have none
        if type(by_distance) is not bool:
            raise ValueError(f"by_distance is {by_distance}")
        fallback = None if fallback is None else Fallback.from_json(fallback)
        return Calibration(residuals, smallest, fallback, by_distance)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise version.refuse(name, repr(error)) from None


def _read_residuals(version: Version) -> np.ndarray:
    """Read the residuals; some are known.

    Raises:
        RunError: the file is damaged.
    """
    residuals = read_array(version, _RESIDUALS, 2)
    if not residuals.size or np.isnan(residuals).all():
        raise version.refuse(_RESIDUALS, "residuals that are all unknown")
    return residuals


def read_array(version: Version, name: str, dimensions: int) -> np.ndarray:
    """Read an array of float64 in `.npy`, whose shape and type are checked before memory is taken for it.

    Raises:
        RunError: the file is damaged, or a number is infinite.
    """
    content = version.read(name)
    file = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("not an array of format 1.0")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.float64 or by_columns or len(shape) != dimensions:
            raise ValueError(f"an array of {dtype} with the shape {shape}")
        numbers = file.read()
        if math.prod(shape) * dtype.itemsize != len(numbers):
            raise ValueError(f"the shape {shape} in {len(content):,} bytes")
        array = np.frombuffer(numbers, dtype).reshape(shape)
        if np.isinf(array).any():
            raise ValueError("infinite numbers")
    except (ValueError, TypeError, SyntaxError) as error:
        raise version.refuse(name, error) from None
    return array


def _read_format_3(version: Version) -> Mapping[str, Any]:
    """Read `guard.json`, which is missing where there is no fallback, and the change from `preprocessing.json`."""
    fallback = None
    if "guard.json" in version.manifest["files"]:
        fallback = dict(version.read_json("guard.json"))
        fallback["unknown_weight"] = fallback.pop("others")
    return {"smallest_change": version.preprocessing["least_change"], "fallback": fallback}
