"""The config by which a file is checked."""

from pathlib import Path

from forecaster.config import LoadedConfig, build_smallest_config, is_config, load_config, load_values


def load_check_config(data: Path, config: Path | None, overrides: list[str]) -> LoadedConfig:
    """Load the config by which a file is checked: the one that is named, the file itself, or one for a data file."""
    if config is not None:
        return load_config(config, overrides, data)
    if is_config(data):
        return load_config(data, overrides)
    return load_values(build_smallest_config(str(data)), str(data), overrides)
