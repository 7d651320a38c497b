"""`forecast schema`."""

import json
from typing import Annotated

import typer

from forecaster.cli import console


def schema(
    jobs: Annotated[bool, typer.Option("--jobs", help="The schema of jobs files instead of configs.")] = False,
) -> None:
    """Print the JSON Schema of the YAML, for editors.

    \b
    forecast schema > forecast.schema.json
    """
    if jobs:
        from forecaster.jobs.jobs_file import build_json_schema
    else:
        from forecaster.config import build_json_schema

    console.print_result(json.dumps(build_json_schema(), indent=1) + "\n")
