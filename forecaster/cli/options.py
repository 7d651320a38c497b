"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(help="A YAML config, or a CSV to find the settings for.", show_default=False)]
Data = Annotated[Path | None, typer.Option("--data", help="A CSV instead of the config's.", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="section.key=value, laid over the config; may be repeated.", show_default=False),
]
