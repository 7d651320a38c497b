"""`forecast schema`."""

import json

from forecaster.cli import console


def schema() -> None:
    """Print the JSON Schema of the YAML, for editors.

    \b
    forecast schema > forecast.schema.json
    """
    from forecaster.config import json_schema

    console.print_result(json.dumps(json_schema(), indent=1) + "\n")
