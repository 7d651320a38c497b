"""`forecast check`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import (
    Output,
    Plot,
    ReportFormat,
    ReportInFile,
    Set,
    Style,
    StyleName,
    check_file,
    check_picture,
    choose_format,
)


def check(
    data: Annotated[
        Path,
        typer.Argument(
            help="A CSV or Parquet file, or a YAML that names one.", show_default=False, callback=check_file
        ),
    ],
    config: Annotated[
        Path | None, typer.Argument(help="A YAML that names its columns; default: inferred.", show_default=False)
    ] = None,
    output: Output = "-",
    format: ReportInFile = None,
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    overrides: Set = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Examine a CSV before training: gaps, duplicates, outliers, level shifts, seasons, leakage.

    It prints the YAML lines that repair what a training would refuse. The exit code is 4 then.

    \b
    forecast check power.csv --set data.target=PJME_MW
    """
    from forecaster.check.check import check as check_csv
    from forecaster.check.check_config import load_check_config

    check_picture(plot)
    format = choose_format(format, output, ReportFormat.TEXT)
    found = check_csv(load_check_config(data, config, overrides or []))
    console.write_result(found.to_json() if format is ReportFormat.JSON else found.to_text(), output)
    if plot is not None and found.examined:
        from forecaster.check.plots import plot_checkup

        console.write_picture(plot_checkup(found.examined, data.name), plot)
    if not found.is_ready:
        raise typer.Exit(4)
