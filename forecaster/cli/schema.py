"""`forecast schema`."""

import json

from forecaster.cli import console


def schema() -> None:
    """Print the JSON Schema of the YAML, for editors.

    \b
    forecast schema > forecast.schema.json
    """
    from forecaster.config import build_json_schema

    console.print_result(json.dumps(build_json_schema(), indent=1) + "\n")
