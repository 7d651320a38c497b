"""`forecaster.check_data`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecaster.api.frames import Frame, frame_to_overrides, hold_frame, settings_to_overrides
from forecaster.check.check import Checkup, check
from forecaster.check.check_config import load_check_config


def check_data(
    frame: Frame, *, config: str | os.PathLike[str] | None = None, settings: Mapping[str, Any] | None = None
) -> Checkup:
    """Examine a frame before training: gaps, duplicates, outliers, level shifts, seasons, leakage.

    Args:
        frame: as in `train`.
        config: a YAML that names its columns; None: they are inferred.
        settings: keys of the config with values, as `{"data.target": "load"}`.

    Returns:
        The findings: `is_ready` is whether a training accepts the frame, `repairs` the settings by which it does;
        `to_text()` and `to_json()` are what `forecast check` prints.

    Raises:
        ConfigError: the config or a setting is invalid.
    """
    overrides = frame_to_overrides(frame, settings) if config is None else settings_to_overrides(settings)
    with hold_frame(frame) as path:
        return check(load_check_config(path, None if config is None else Path(config), overrides))
