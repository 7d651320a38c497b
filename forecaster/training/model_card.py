"""The model card of a version: what it was trained on, how well it forecasts, its limits, and how it is used."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from forecaster import __version__
from forecaster.config.ensemble import list_members
from forecaster.config.schema import Config
from forecaster.data.sources.files import name_source
from forecaster.evaluation.tables import format_error_table
from forecaster.preprocessing.plan import Plan
from forecaster.wording import SHOWN, count_of, count_steps, format_timestamps, list_some

MODEL_CARD = "README.md"
_USE = """## Use

```
forecast predict {run} --output forecast.csv --plot forecast.png
forecast predict {run} --data newer.csv
forecast evaluate {run} --data newer.csv
```

From Python: `forecaster.predict(frame, {path})`. Without this package: `forecast export {run} --to onnx`."""
_HEADER = "---\nlibrary_name: recurrent-forecast\npipeline_tag: time-series-forecasting\nlicense: other\n---\n"


def render_model_card(plan: Plan, name: str, metrics: Mapping[str, Any], is_refit: bool) -> bytes:
    """Render the model card of a training as Markdown.

    Args:
        plan: of the training, with its resolved config.
        name: of the run.
        metrics: as in `metrics.json`.
        is_refit: whether the networks were trained once more, on all rows.
    """
    facts = "\n".join(f"| {label} | {text} |" for label, text in _list_facts(plan, is_refit).items())
    limits = "\n".join(f"- {limit}" for limit in _list_limits(plan))
    source = _name_data(plan.config)
    parts = [
        f"{_HEADER}\n# {name}\n\n{_describe_purpose(plan)}",
        f"| | |\n|---|---|\n{facts}",
        f"## Errors\n\n```\n{format_error_table(metrics)}\n```",
        "![The last forecast](forecast.png) ![Losses](loss.png)",
        f"## Limits\n\n{limits}",
        _USE.format(run=shlex.quote(f"runs/{name}"), path=json.dumps(f"runs/{name}", ensure_ascii=False)),
        f"## Licence\n\nThe software is under the MIT licence. The weights come from {source}: "
        "the owner of these data decides on their licence.",
    ]
    return "\n\n".join(parts).encode() + b"\n"


def _describe_purpose(plan: Plan) -> str:
    """Describe what is forecast, from what, in one sentence."""
    config, series = plan.config, plan.panel
    frequency = config.data.frequency
    named = _format_name(series[0].name) if len(series) == 1 else f"{count_of(len(series), 'series', 'series')}"
    ahead, window = count_steps(config.window.horizon, frequency), count_steps(config.window.length, frequency)
    levels = " and ".join(f"{level:g} %" for level in sorted(config.forecast.levels))
    intervals = f", with intervals of {levels}" if levels else ""
    return f"Forecasts {named} {ahead} ahead from the last {window}{intervals}."


def _list_facts(plan: Plan, is_refit: bool) -> dict[str, str]:
    """List what the table of a card holds, by label."""
    config, panel = plan.config, plan.panel
    first, last = format_timestamps(list(plan.members.find_span()))
    networks, model = len(list_members(config)), config.model
    kind = f"{model.cell}, units {', '.join(map(str, model.units))}, decoder {model.decoder}, head {model.head}"
    rows = count_steps(sum(map(len, panel)), config.data.frequency)
    test = [member.split for member in plan.members]
    held_out = sum(split.steps - split.validation_end for split in test)
    facts = {
        "data": f"{_name_data(config)}: {count_of(len(panel), 'series', 'series')}, {rows}, {first} to {last}",
        "target": _list_names([series.target for series in panel]),
        "season": list_some(count_steps(season, config.data.frequency) for season in config.data.seasons) or "none",
        "networks": f"{networks}: {kind}",
        "held out for the errors": count_steps(held_out, config.data.frequency) if held_out else "nothing",
        "trained on": "all rows, after its errors were measured" if is_refit else "rows before those held out",
        "made by": f"forecaster {__version__}, seed {config.training.seed}",
    }
    covariates = [*config.data.covariates.past, *config.data.covariates.future, *config.data.covariates.static]
    return facts | ({"covariates": _list_names(covariates, len(covariates))} if covariates else {})


def _list_limits(plan: Plan) -> Iterator[str]:
    """List what its user has to know in addition to the errors."""
    config, frequency = plan.config, plan.config.data.frequency
    needed = count_steps(config.context_steps - config.padding_steps, frequency)
    yield f"A forecast needs the newest {needed} of a series."
    if config.rollout == "direct":
        yield f"It forecasts {count_steps(config.window.horizon, frequency)} ahead, not more."
    else:
        learned = count_steps(config.steps_ahead, frequency)
        yield f"It learned {learned} ahead; for later steps the network reads its forecasts, and errors grow."
    if config.data.covariates.future:
        yield f"It needs values of the steps ahead of {_list_names(config.data.covariates.future)} (`forecast future`)."
    if config.conformal:
        yield "Intervals have the widths of its errors on the validation part, and hold while errors stay like those."
    yield "What never happened in these data is not in its forecasts; `forecast evaluate` scores it on newer rows."


def _name_data(config: Config) -> str:
    """Name the file of the data, without its folder."""
    named = name_source(config.data.path)
    return _format_name(PurePath(named).name if ", " not in named and "://" not in named else named)


def _list_names(names: Iterable[str], most: int = SHOWN) -> str:
    """List names of columns as code, each once."""
    return list_some(map(_format_name, dict.fromkeys(names)), most)


def _format_name(name: str) -> str:
    """Format a name as a code span of Markdown that is one line, and one cell of a table."""
    text = " ".join(name.split()).replace("|", "\\|")
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", text))))  # longer than any run of backticks inside
    return f"{fence} {text} {fence}"
