"""`forecast schema`."""

import json

import typer


def schema() -> None:
    """Print the JSON Schema of the config, for editors.

    \b
    forecast schema > forecast.schema.json
    """
    from forecaster.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=1))
