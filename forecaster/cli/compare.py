"""`forecast compare`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, Output, ReportFormat, ReportInFile, TrustConfig, choose_format, load_run


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder, or that of a version.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Another.", show_default=False)],
    data: Data = None,
    output: Output = "-",
    format: ReportInFile = None,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Compare two runs on the same data, from the same origins, which neither was trained on.

    Both read the data of the first run, unless --data names other data.

    \b
    forecast compare runs/power runs/power2
    forecast compare runs/power/versions/20261121T031500Z-1a2b3c runs/power
    """
    from forecaster.evaluation.challenge import compare_runs

    format = choose_format(format, output, ReportFormat.TEXT)
    notices = console.keep_notices(format)
    found = compare_runs(
        (first, load_run(first, data, trust_config)), (second, load_run(second, data, trust_config)), data
    )
    text = console.format_json(found.to_json(), notices) if format is ReportFormat.JSON else found.to_text()
    console.write_result(text, output)
