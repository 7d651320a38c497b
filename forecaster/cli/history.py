"""`forecast history`."""

import re
from enum import StrEnum
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Output, Plot, Style, StyleName, check_picture, choose_format
from forecaster.errors import UsageError
from forecaster.problems import Problem

_MOMENT = re.compile(r"-?\d{1,18}|\d{4}-\d\d(?:-\d\d(?:[ T]\d\d(?::\d\d(?::\d\d)?)?)?)?")


class TableFormat(StrEnum):
    """How a table is written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def _check_moment(text: str | None, option: str) -> str | None:
    if text is not None and not _MOMENT.fullmatch(text):
        raise UsageError(Problem("invalid-moment", f"{option} {text}"))
    return text


def history(
    source: Annotated[
        str, typer.Argument(metavar="JOBS|STORE", help="A jobs file, or a store: its file or URL.", show_default=False)
    ],
    job: Annotated[
        str | None, typer.Option("--job", help="Name of a job, or a pattern: shop-*.", show_default=False)
    ] = None,
    series: Annotated[
        str | None, typer.Option("--series", help="Name of a series, or a pattern.", show_default=False)
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version of the run, or a pattern.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="First timestamp, such as 2026-01-31 or 2026-01.", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Last timestamp; a day or a month is included.", show_default=False)
    ] = None,
    format: Annotated[
        TableFormat | None,
        typer.Option(
            "--format",
            help="Format of the table; by default that of the ending of --output, or csv.",
            show_default=False,
        ),
    ] = None,
    output: Output = "-",
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Show the forecasts that jobs stored, each with its actual.

    The store is read only. A row for each step of each forecast: mean, bounds of the intervals, when it was made, and
    the observed value, which is empty as long as it is not known.

    \b
    forecast history jobs.yaml --job north --since 2026-01 --output north.csv --plot north.png
    """
    from forecaster.extras import require_extra
    from forecaster.jobs import history as table
    from forecaster.store.store import open_store

    check_picture(plot)
    format = choose_format(format, output, TableFormat.CSV)
    if format is TableFormat.PARQUET:
        require_extra("parquet", "forecast history --format parquet")
    span = _check_moment(since, "--since"), _check_moment(until, "--until")
    selected = {name: value for name, value in (("job", job), ("series", series), ("version", version)) if value}
    url, base = table.find_store(source)
    with open_store(url, base, read_only=True) as store:
        found = table.read_history(store, selected, *span)
    match format:
        case TableFormat.CSV:
            content: str | bytes = table.history_to_csv(found.table)
        case TableFormat.JSON:
            content = table.history_to_json(found.table)
        case TableFormat.PARQUET:
            content = table.history_to_parquet(found.table)
    console.write_result(content, output)
    if plot is not None:
        if found.table.empty:
            raise UsageError(Problem("nothing-to-plot", f"--plot {plot}"))
        from forecaster.jobs.plots import plot_history

        console.write_picture(plot_history(found), plot)
