"""Arguments that several verbs share."""

import math
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from forecaster.errors import UsageError


class ScoresFormat(StrEnum):
    """How scores are written."""

    TEXT = "text"
    JSON = "json"


def check_file(path: Path | None) -> Path | None:
    """Refuse the URL of a database, which a YAML names with what to ask it, and which may hold a password.

    Raises:
        UsageError: says where it goes.
    """
    if path is not None and re.match(r"[A-Za-z][\w+.-]+:/", str(path)):
        raise UsageError("the URL of a database stands in a YAML: data: {path: URL, query: SELECT ...}; name the YAML")
    return path


Run = Annotated[Path, typer.Argument(help="A run folder, such as runs/power.", show_default=False)]
Source = Annotated[
    Path,
    typer.Argument(help="A YAML config, or a file to find the settings for.", show_default=False, callback=check_file),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="A file instead of the config's.", show_default=False, callback=check_file),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.key=value, laid over the config; may be repeated.", show_default=False),
]
Output = Annotated[str, typer.Option("--output", "-o", help="File to write, - for stdout.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Picture to draw, a PNG.", show_default=False)]
Horizon = Annotated[
    int | None,
    typer.Option("--horizon", min=1, max=100_000, help="Steps ahead; as trained by default.", show_default=False),
]
Member = Annotated[int, typer.Option("--member", min=1, help="Which network of an ensemble.")]
Levels = Annotated[
    str | None,
    typer.Option("--levels", help="Coverage of the intervals in percent, such as 80,95.", show_default=False),
]


Baselines = Annotated[
    str | None,
    typer.Option("--baselines", help="What to compare with, such as naive,seasonal_naive,ets.", show_default=False),
]
Stride = Annotated[
    int | None,
    typer.Option("--stride", min=1, help="Steps from origin to origin; the horizon by default.", show_default=False),
]
Scores = Annotated[ScoresFormat, typer.Option("--format", help="How the scores are written.")]


def check_png(plot: Path | None) -> None:
    """Refuse a picture that is not named as one, before anything is done for it.

    Raises:
        UsageError: says how to name it.
    """
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot {plot}: pictures are PNG; name it {plot.stem}.png")


def parse_names(text: str | None) -> list[str] | None:
    """`naive,ets` as names."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def parse_seconds(text: str | None, option: str) -> float | None:
    """`90s`, `30m` or `2h` in seconds.

    Raises:
        UsageError: it is no such time.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|min|h|d)?", text.strip())
    if not found or not float(found[1]):
        raise UsageError(f"{option} {text}: expected a time such as 90s, 30m or 2h")
    return float(found[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}[found[2] or "s"]


def parse_levels(text: str | None) -> list[float] | None:
    """`80,95` as numbers; none for an empty text.

    Raises:
        UsageError: one is not a number from 0.001 to 99.999.
    """
    if text is None:
        return None
    try:
        levels = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        levels = [math.nan]
    if not all(0.001 <= level <= 99.999 for level in levels):
        raise UsageError(f"--levels {text}: expected percentages from 0.001 to 99.999, such as 80,95")
    return levels
