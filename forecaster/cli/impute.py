"""`forecast impute`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import talk
from forecaster.cli.options import Set
from forecaster.cli.predict import parse_levels
from forecaster.errors import UsageError


def impute(
    data: Annotated[Path, typer.Argument(help="A CSV with gaps: missing rows, empty cells.", show_default=False)],
    config: Annotated[Path, typer.Argument(help="A YAML config; DATA replaces its data.path.", show_default=False)],
    output: Annotated[str, typer.Option("--output", "-o", help="File to write, - for stdout.")] = "-",
    plot: Annotated[Path | None, typer.Option("--plot", help="Picture to draw, a PNG.", show_default=False)] = None,
    levels: Annotated[
        str | None,
        typer.Option("--levels", help="Coverage of the intervals in percent, such as 80,95.", show_default=False),
    ] = None,
    overrides: Set = None,
    verbose: talk.Verbose = False,
    debug: talk.Debug = False,
    log_format: talk.Format = talk.LogFormat.TEXT,
) -> None:
    """Fill the gaps of a CSV from both sides.

    A bidirectional network learns it on stretches of the CSV that are hidden from it. Observed cells stay as they
    are; filled ones are marked, with their intervals.

    \b
    forecast impute readings.csv configs/impute.yaml --output filled.csv --plot filled.png
    """
    from forecaster.interrupts import collected

    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot {plot}: pictures are PNG; name it {plot.stem}.png")
    with collected() as received:
        from forecaster.config import load_config
        from forecaster.data.filling import filled_csv
        from forecaster.gap_plan import plan_gaps
        from forecaster.runs import write_atomically

        gap_plan = plan_gaps(load_config(config, overrides or [], data), parse_levels(levels))
        filling = gap_plan.untouched
        if gap_plan.gaps:
            with talk.quiet_import():
                from forecaster.imputation import impute as fill_gaps
            filling = fill_gaps(gap_plan, received)
        else:
            talk.log.info("%s: nothing to fill", data)
    text = filled_csv(gap_plan.table, filling)
    if output == "-":
        talk.answer(text)
    else:
        write_atomically(Path(output), text.encode())
    if plot is not None:
        from forecaster.plots import plot_filling

        write_atomically(plot, plot_filling(filling, data.name))
