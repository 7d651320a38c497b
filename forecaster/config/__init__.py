"""From a YAML file to a frozen, validated `Config`.

- `load`: a YAML file and `--set` to a config, with all problems
- `reader`: YAML to plain values and their positions
- `schema`: the sections and keys, and their documentation
- `conflicts`: combinations of valid values that do not work together
- `error_messages`, `invalid_value`: pydantic's errors as problems
- `migration`: keys and values of earlier formats
- `search_space`: the `tune` section
- `ensemble`: the configs of an ensemble's networks
- `calendar_names`: names of calendar features
- `database_urls`: URLs of databases without passwords
- `template`: a config to a commented YAML
"""

from forecaster.config.load import (
    LoadedConfig,
    apply_overrides,
    build_json_schema,
    build_smallest_config,
    is_config,
    load_config,
    load_resolved,
    load_values,
    make_path_absolute,
)
from forecaster.config.schema import ONE_SIDED, Config
from forecaster.config.search_space import Choices, Range, Space, get_value

__all__ = [
    "ONE_SIDED",
    "Choices",
    "Config",
    "LoadedConfig",
    "Range",
    "Space",
    "apply_overrides",
    "build_json_schema",
    "build_smallest_config",
    "get_value",
    "is_config",
    "load_config",
    "load_resolved",
    "load_values",
    "make_path_absolute",
]
