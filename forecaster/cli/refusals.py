"""What a refused file needs: the problems as `forecast check` finds them, and the command that is accepted."""

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from forecaster.errors import ConfigError, DataError, ForecasterError
from forecaster.problems import Problem, format_yaml

_TOO_SHORT = {"too-few-rows-to-train", "too-few-windows-to-train"}


@contextlib.contextmanager
def explain_refusal(
    verb: str, source: Path, overrides: Sequence[str], data: Path | None = None, *, trains: bool = True
) -> Iterator[None]:
    """Add to the problems of a file what `forecast check` knows of them, and the command that is accepted.

    Args:
        verb: the command that is running.
        source: the config or the data that it was called with.
        overrides: those of `--set`.
        data: that of `--data`.
        trains: whether the command trains, or forecasts without training.

    Raises:
        DataError: the body of the context raised one.
    """
    try:
        yield
    except DataError as error:
        try:
            find = _find_training_problems if trains else _find_reading_problems
            problems = [] if "-" in {str(source), str(data)} else find(verb, source, overrides, data)
        except ForecasterError:  # something that not even `forecast check` reads
            problems = []
        codes = {problem.code for problem in error.problems}
        if not problems or "too-few-windows-to-train" in codes:  # `forecast check` knows only of rows
            problems = list(error.problems)
        if trains and codes & _TOO_SHORT:
            problems += _suggest_zero_shot(source, overrides)
        raise (DataError(problems) if problems != list(error.problems) else error) from None


def _find_reading_problems(verb: str, source: Path, overrides: Sequence[str], data: Path | None) -> list[Problem]:
    from forecaster.check.check import find_refusal
    from forecaster.forecasting.zero_shot import load_data_config

    problems, repairs = find_refusal(load_data_config(source, overrides), trains=False)
    return [*problems, _make_command(verb, source, data, _add_repairs(overrides, repairs))] if repairs else problems


def _find_training_problems(verb: str, source: Path, overrides: Sequence[str], data: Path | None) -> list[Problem]:
    from forecaster.check.check import find_refusal
    from forecaster.config import build_smallest_config, is_config, load_config, load_values
    from forecaster.default_config import propose
    from forecaster.preprocessing.plan import plan_training

    loaded = (
        load_config(source, overrides, data)
        if is_config(source)
        else load_values(build_smallest_config(str(source)), str(source), overrides)
    )
    problems, repairs = find_refusal(loaded)
    if not repairs:
        return problems
    every = _add_repairs(overrides, repairs)
    try:  # a longer window may need more than what `check` reads
        plan_training(load_config(source, every, data) if is_config(source) else propose(source, every).loaded)
    except (ConfigError, DataError):
        return problems
    return [*problems, _make_command(verb, source, data, every)]


def _suggest_zero_shot(source: Path, overrides: Sequence[str]) -> list[Problem]:
    """Make the notice of the command that forecasts a file without training; none where it fails, too."""
    from forecaster.config import is_config
    from forecaster.forecasting.zero_shot import load_data_config, predict_zero_shot

    if is_config(source) or str(source) == "-":
        return []
    try:
        predict_zero_shot(load_data_config(source, overrides).config, limits_missing=True)
    except ForecasterError:
        return []
    options = [part for override in overrides for part in ("--set", override)]
    command = shlex.join(["forecast", "predict", str(source), *options])
    return [Problem("forecast-without-training", detail={"command": command})]


def _add_repairs(overrides: Sequence[str], repairs: Mapping[str, Any]) -> list[str]:
    return [*overrides, *(f"{key}={format_yaml(value)}" for key, value in repairs.items())]


def _make_command(verb: str, source: Path, data: Path | None, overrides: Sequence[str]) -> Problem:
    """Make the notice of the command that is accepted."""
    options = [part for override in overrides for part in ("--set", override)]
    command = ["forecast", verb, str(source), *(["--data", str(data)] if data else []), *options]
    return Problem("accepted-command", detail={"command": shlex.join(command)})
