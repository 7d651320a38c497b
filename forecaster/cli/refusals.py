"""What a refused file needs: the problems as `forecast check` finds them, and the command that is accepted."""

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from forecaster.errors import ConfigError, DataError, ForecasterError
from forecaster.problems import Problem, format_yaml


@contextlib.contextmanager
def explain_refusal(verb: str, source: Path, overrides: Sequence[str], data: Path | None = None) -> Iterator[None]:
    """Add to the problems of a file what `forecast check` knows of them, and the command that is accepted.

    Args:
        verb: the command that is running.
        source: the config or the data that it was called with.
        overrides: those of `--set`.
        data: that of `--data`.

    Raises:
        DataError: the body of the context raised one.
    """
    try:
        yield
    except DataError as error:
        try:
            problems = _find_problems(verb, source, overrides, data)
        except ForecasterError:  # standard input, or something that not even `forecast check` reads
            problems = []
        raise (DataError(problems) if problems else error) from None


def _find_problems(verb: str, source: Path, overrides: Sequence[str], data: Path | None) -> list[Problem]:
    from forecaster.check.check import find_refusal
    from forecaster.config import build_smallest_config, is_config, load_config, load_values
    from forecaster.default_config import propose
    from forecaster.preprocessing.plan import plan_training

    if "-" in {str(source), str(data)}:
        return []
    loaded = (
        load_config(source, overrides, data)
        if is_config(source)
        else load_values(build_smallest_config(str(source)), str(source), overrides)
    )
    problems, repairs = find_refusal(loaded)
    if not repairs:
        return problems
    every = [*overrides, *(f"{key}={format_yaml(value)}" for key, value in repairs.items())]
    try:  # a longer window may need more than what `check` reads
        plan_training(load_config(source, every, data) if is_config(source) else propose(source, every).loaded)
    except (ConfigError, DataError):
        return problems
    options = [part for override in every for part in ("--set", override)]
    command = ["forecast", verb, str(source), *(["--data", str(data)] if data else []), *options]
    return [*problems, Problem("accepted-command", detail={"command": shlex.join(command)})]
