"""YAML -> a frozen, validated `Config`; every problem with its position and a repair."""

from forecaster.config.load import (
    LoadedConfig,
    absolute_path,
    is_config,
    json_schema,
    load_config,
    load_resolved,
    load_values,
    overridden,
)
from forecaster.config.schema import ONE_SIDED, Config
from forecaster.config.search_space import Choices, Range, Space, value_of

__all__ = [
    "ONE_SIDED",
    "Choices",
    "Config",
    "LoadedConfig",
    "Range",
    "Space",
    "absolute_path",
    "is_config",
    "json_schema",
    "load_config",
    "load_resolved",
    "load_values",
    "overridden",
    "value_of",
]
