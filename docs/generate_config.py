"""Writes docs/config.md, the list of all keys, from the schema of the config: `python docs/generate_config.py`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from forecaster.config import build_json_schema
from forecaster.config.migration import RENAMED_KEYS, RENAMED_VALUES
from forecaster.config.search_space import SECTION, TUNABLE

PAGE = Path(__file__).with_name("config.md")

# One YAML value for each key, which the schema accepts; sections have none.
EXAMPLES: dict[str, str] = {
    "format": "1",
    "scaling": "mean",
    "data.path": '"sales/*.csv"',
    "data.query": "SELECT day, sold FROM sales",
    "data.time": "[year, month, day]",
    "data.target": "[load, price]",
    "data.series": "[state, store]",
    "data.where": "{region: north}",
    "data.hierarchy": "[state, store]",
    "data.layout": "rows",
    "data.skip": "1",
    "data.covariates.past": "[temperature]",
    "data.covariates.future": "[promotion, weekday]",
    "data.covariates.static": "[region, area]",
    "data.covariates.categorical": "[weekday]",
    "data.covariates.missing": "{temperature: last}",
    "data.frequency": "15min",
    "data.weekmask": "Sun Mon Tue Wed Thu",
    "data.holidays": "[2026-12-25, 2027-01-01]",
    "data.tolerance": "10s",
    "data.timezone": "Europe/Berlin",
    "data.date_order": "day_first",
    "data.time_format": "YYYYMMDDHH",
    "data.season": "[24, 168]",
    "data.calendar": "[hour, weekend, holiday.DE, fourier.168.3]",
    "data.gaps": "interpolate",
    "data.max_gap": "6",
    "data.late.steps": "2",
    "data.late.policy": "move_back",
    "data.last_bar": "drop",
    "data.duplicates": "mean",
    "data.invalid_values": "missing",
    "data.na_values": '[-999, "?"]',
    "data.encoding": "latin-1",
    "data.delimiter": '";"',
    "data.decimal": '","',
    "data.thousands": '"."',
    "data.header": "false",
    "data.unit": '{price: "$"}',
    "data.comment": '"#"',
    "data.transform": "log",
    "data.difference": "[24]",
    "data.minimum": "0",
    "data.maximum": "100",
    "window.length": "168",
    "window.min_length": "48",
    "window.horizon": "24",
    "split.validation": "0.2",
    "split.test": "720",
    "model.cell": "gru",
    "model.units": "[64, 32]",
    "model.bidirectional": "true",
    "model.merge": "sum",
    "model.residual": "true",
    "model.dilation": "true",
    "model.layer_normalization": "true",
    "model.segment": "6",
    "model.activation": "relu",
    "model.recurrent_activation": "hard_sigmoid",
    "model.normalization": "last",
    "model.normalization_scale": "change",
    "model.copy_segments": "true",
    "model.linear": "true",
    "model.pretrained": "true",
    "model.embedding": "8",
    "model.channels": "joint",
    "model.series_scale": "true",
    "model.dropout": "0.2",
    "model.recurrent_dropout": "0.2",
    "model.zoneout": "0.1",
    "model.output": "sequence",
    "model.unroll": "true",
    "model.decoder": "dense",
    "model.attention": "additive",
    "model.scheduled_sampling": "0.5",
    "model.warmup": "10",
    "model.latent": "32",
    "model.head": "student_t",
    "model.quantiles": "[0.1, 0.5, 0.9]",
    "model.bins": "128",
    "training.optimizer.name": "adamw",
    "training.optimizer.learning_rate": "0.003",
    "training.optimizer.momentum": "0.9",
    "training.optimizer.nesterov": "true",
    "training.optimizer.weight_decay": "0.01",
    "training.optimizer.clip_norm": "0.5",
    "training.optimizer.clip_value": "0.1",
    "training.schedule.name": "cosine",
    "training.schedule.warmup": "2",
    "training.schedule.decay": "0.95",
    "training.schedule.minimum": "0.05",
    "training.schedule.factor": "0.3",
    "training.schedule.patience": "2",
    "training.loss": "huber",
    "training.batch_size": "64",
    "training.balance_series": "true",
    "training.batches_per_epoch": "120",
    "training.epochs": "20",
    "training.early_stopping.patience": "10",
    "training.early_stopping.min_delta": "0.001",
    "training.averaging.name": "swa",
    "training.averaging.decay": "0.99",
    "training.averaging.start": "0.5",
    "training.sign_flip": "true",
    "training.refit": "all",
    "training.seed": "7",
    "ensemble.size": "3",
    "ensemble.vary": "window",
    "ensemble.combine": "mean",
    "ensemble.processes": "2",
    "forecast.levels": "[50, 90]",
    "forecast.intervals": "conformal",
    "forecast.interval_scale": "none",
    "forecast.columns": "quantiles",
    "forecast.samples": "1000",
    "forecast.reconcile": "bottom_up",
    "forecast.rollout": "carry",
    "forecast.fallback": "never",
    "checks.max_age.warn": "3h",
    "checks.max_age.error": "6h",
    "checks.range": "error",
    "checks.range_factor": "20",
    "checks.constant": "ignore",
    "checks.step": "error",
}

_HEADER = """\
# Configuration keys

All keys of the YAML, made from the schema by `make docs`: edit `forecaster/config/schema.py`, not this page.

- `forecast init sales.csv` writes a YAML with all of them, each with a comment; `forecast validate` checks one.
- `forecast train sales.yaml --set training.epochs=5` changes one for a single command.
- Only `data.path`, `window.length` and `window.horizon` are required. An unknown key is an error.
- `forecast schema` prints the JSON Schema. The first line of every YAML that forecast writes names it, so that editors
  complete and check keys.
"""
_TABLE = ("| key | what it does | values | default | example |", "|---|---|---|---|---|")


def render_page() -> str:
    """Render the page as Markdown."""
    schema = build_json_schema()
    sections = _render_sections("", _inline(schema, schema["$defs"]))
    return "\n".join([_HEADER, *sections, *_render_renamed(), ""])


def _inline(part: Any, definitions: dict[str, Any]) -> Any:
    """Replace each `$ref` in a part of the schema by its section, whose own description becomes `about`."""
    if isinstance(part, list):
        return [_inline(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        referenced = definitions[part["$ref"].rsplit("/", 1)[-1]]
        part = {**referenced, "about": referenced["description"], **part}
    return {key: _inline(value, definitions) for key, value in part.items() if key not in {"$ref", "$defs"}}


def _render_sections(path: str, section: dict[str, Any]) -> Iterator[str]:
    """Render a section's heading and table, then those of the sections in it."""
    forms = section.get("oneOf", [section])
    about = "The keys depend on `name`." if len(forms) > 1 else section.get("about", section["description"])
    yield "\n".join([f"## {path or 'The top level'}", "", about, "", *_TABLE, *_rows(path, forms), ""])
    for key, field in forms[0]["properties"].items():
        if (inner := _section_of(field)) is not None:
            yield from _render_sections(_join(path, key), inner)


def _rows(path: str, forms: list[dict[str, Any]]) -> Iterator[str]:
    """One table row per key. A section whose `name` selects its form has one per meaning of a key."""
    if len(forms) > 1:
        names = [_name(form) for form in forms]
        about = "<br>".join(f"`{_name(form)}`: {form['about']}" for form in forms)
        yield _cells("`name`", about, _listed(names), f"`{names[0]}`", _example(_join(path, "name")))
    for key in dict.fromkeys(key for form in forms for key in form["properties"]):
        if key == "name" and len(forms) > 1:
            continue
        meanings: dict[str, list[dict[str, Any]]] = {}
        for form in (form for form in forms if key in form["properties"]):
            meanings.setdefault(form["properties"][key].get("description", ""), []).append(form)
        for meaning, holders in meanings.items():
            owners = "" if len(holders) == len(forms) else f"{_listed(map(_name, holders))}: "
            yield _row(_join(path, key), owners + meaning, holders[0])


def _row(name: str, meaning: str, section: dict[str, Any]) -> str:
    key = name.rpartition(".")[2]
    field = section["properties"][key]
    if name == SECTION:
        keys = _listed(("model.*", "training.*", *TUNABLE))
        return _cells(f"`{key}`", f"what `forecast tune` varies ([tuning.md](tuning.md)): {keys}", "section", "", "")
    if _section_of(field) is not None:
        values = "section or `null`" if {"type": "null"} in _alternatives(field) else "section"
        default = "`null`" if field.get("default", "") is None else ""
        return _cells(f"[{key}](#{name.replace('.', '')})", meaning, values, default, "")
    meaning = _without_values(meaning, field)
    default = "required" if key in section.get("required", ()) else f"`{_yaml(field.get('default'))}`"
    return _cells(f"`{key}`", meaning, _values(field), default, _example(name))


def _without_values(meaning: str, field: dict[str, Any]) -> str:
    """Remove the list of values at the end of a description, which has a column in the table."""
    text, _, values = meaning.rpartition(": ")
    listed = {value.strip("\"'") or value for value in values.split(" | ")}
    return text if text and listed == {value.strip("\"'") for value in field.get("enum", ())} else meaning


def _section_of(field: dict[str, Any]) -> dict[str, Any] | None:
    """Find the section that a key holds, None for a key with a value."""
    held = (each for each in _alternatives(field) if "properties" in each or "oneOf" in each)
    return next(held, None)


def _values(field: dict[str, Any]) -> str:
    """Describe what a key takes, in words."""
    if "anyOf" in field:
        return " or ".join(map(_values, _distinct(field["anyOf"])))
    if "enum" in field:
        return _listed(map(_yaml, field["enum"]))
    if "const" in field:
        return f"`{_yaml(field['const'])}`"
    match field.get("type"):
        case "null":
            return "`null`"
        case "boolean":
            return "`true`, `false`"
        case "array":
            return f"list of {' or '.join(_kind(each, 's') for each in _distinct(_alternatives(field['items'])))}"
        case "object":
            return f"mapping of names to {_values(field['additionalProperties'])}"
        case _:
            return _kind(field)


def _alternatives(field: dict[str, Any]) -> list[dict[str, Any]]:
    alternatives: list[dict[str, Any]] = field.get("anyOf", [field])
    return alternatives


def _distinct(alternatives: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove whole numbers from alternatives where any number is accepted."""
    kinds = [each.get("type") for each in alternatives]
    return [each for each, kind in zip(alternatives, kinds, strict=True) if kind != "integer" or "number" not in kinds]


def _kind(field: dict[str, Any], plural: str = "") -> str:
    """`whole number from 1 to 100`, or `text`."""
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    bounds = "".join(f" {word} {field[bound]:,}" for bound, word in words.items() if bound in field)
    kind = {"integer": "whole number", "number": "number"}.get(field.get("type", ""), "text")
    return f"{kind}{plural}{bounds}"


def _name(form: dict[str, Any]) -> str:
    name: str = form["properties"].get("name", {}).get("default", "")
    return name


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _example(name: str) -> str:
    return f"`{name.rpartition('.')[2]}: {EXAMPLES[name]}`"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _yaml(value: Any) -> str:
    plain = isinstance(value, str) and value.replace("_", "").replace("-", "").isalnum()
    return value if plain else json.dumps(value)


def _render_renamed() -> Iterator[str]:
    """List the keys and values of earlier formats, each with its name now."""
    yield "## Renamed keys"
    yield "\nAn error refuses a config with an old name and gives the new one. Runs of every format stay readable.\n"
    yield "| old | new |\n|---|---|"
    for (section, old), new in RENAMED_KEYS.items():
        yield _cells(f"`{section}.{old}`", f"`{section}.{new}`")
    for (section, key), renamed in RENAMED_VALUES.items():
        for old, new in renamed.items():
            yield _cells(f"`{section}.{key}: {_yaml(old)}`", f"`{section}.{key}: {_yaml(new)}`")


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
