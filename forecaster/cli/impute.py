"""`forecast impute`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import (
    CsvOutput,
    Levels,
    Plot,
    Set,
    Style,
    StyleName,
    check_file,
    check_picture,
    parse_levels,
)


def impute(
    data: Annotated[
        Path,
        typer.Argument(help="A CSV with gaps: missing rows or empty cells.", show_default=False, callback=check_file),
    ],
    config: Annotated[Path, typer.Argument(help="A YAML config; DATA replaces its data.path.", show_default=False)],
    output: CsvOutput = "-",
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    levels: Levels = None,
    overrides: Set = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Fill the gaps of a CSV with a network that reads both sides.

    A bidirectional network is trained on parts of the CSV that are hidden from it. Observed cells stay as written;
    filled cells are marked and have intervals.

    \b
    forecast impute readings.csv configs/impute.yaml --output filled.csv --plot filled.png
    """
    from forecaster.cli.signals import collect_signals
    from forecaster.extras import import_extra, require_extra

    require_extra("train", "forecast impute")
    check_picture(plot)
    with collect_signals() as received:
        from forecaster.config import load_config
        from forecaster.imputation.filled_csv import format_filled_csv
        from forecaster.imputation.plan import plan_gaps

        loaded = load_config(config, overrides or [], data)
        gap_plan = plan_gaps(loaded, parse_levels(levels))
        filling = gap_plan.unfilled
        if gap_plan.gaps:
            with import_extra("train", "forecast impute"), console.silence_imports():
                from forecaster.imputation.impute import impute as fill_gaps
            filling = fill_gaps(gap_plan, received)
        else:
            console.log.info("%s: nothing to fill", data)
    text = format_filled_csv(gap_plan.table, filling, loaded.config.forecast.columns)
    console.write_result(text, output, gap_plan.table.dialect.encoding)
    if plot is not None:
        from forecaster.imputation.plots import plot_filling

        console.write_picture(plot_filling(filling, data.name), plot)
