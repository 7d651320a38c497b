"""Keys and values that earlier formats of a config have under another name."""

from collections.abc import Mapping
from typing import Any

FORMAT = 1  # of the configs that this version writes

RENAMED_KEYS: Mapping[tuple[str, ...], str] = {
    ("data", "dates"): "date_order",
    ("data", "incomplete"): "last_bar",
    ("data", "longest_gap"): "max_gap",
    ("data", "text"): "invalid_values",
    ("window", "shortest"): "min_length",
    ("training", "flip"): "sign_flip",
    ("training", "sampling"): "balance_series",
}
RENAMED_VALUES: Mapping[tuple[str, str], Mapping[Any, Any]] = {
    ("data", "frequency"): {"observed": "sessions"},
    ("ensemble", "vary"): {"flip": "sign_flip"},
    ("training", "balance_series"): {"series": True, "windows": False},
}


def upgrade(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the values of a config of any format to the current one.

    Configs without the key `format` were written before format 1.
    """
    if values.get("format") is not None:
        return dict(values)
    return {name: _upgrade_section(name, section) for name, section in values.items()} | {"format": FORMAT}


def _upgrade_section(name: str, section: Any) -> Any:
    if not isinstance(section, dict):
        return section
    renamed = {RENAMED_KEYS.get((name, key), key): value for key, value in section.items()}
    for key, value in renamed.items():
        if isinstance(value, str):
            renamed[key] = RENAMED_VALUES.get((name, key), {}).get(value, value)
    return renamed


def restore_run_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Set keys that the config of an earlier run lacks to what that version did.

    A run keeps every key, so one without a key was written before the key existed.
    """
    forecast = values.get("forecast")
    if not isinstance(forecast, dict) or "columns" in forecast:
        return dict(values)
    return {**values, "forecast": {**forecast, "columns": "quantiles"}}
