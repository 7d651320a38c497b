"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.errors import UsageError

Source = Annotated[Path, typer.Argument(help="A YAML config, or a CSV to find the settings for.", show_default=False)]
Data = Annotated[Path | None, typer.Option("--data", help="A CSV instead of the config's.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.key=value, laid over the config; may be repeated.", show_default=False),
]


def check_png(plot: Path | None) -> None:
    """Refuse a picture that is not named as one, before anything is done for it.

    Raises:
        UsageError: says how to name it.
    """
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot {plot}: pictures are PNG; name it {plot.stem}.png")
