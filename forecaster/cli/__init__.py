"""The command `forecast`: one file per verb, whose body is a lazy import and a call."""

from forecaster.cli.main import main

__all__ = ["main"]
