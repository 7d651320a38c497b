"""`forecast explain`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, Member, Output, Plot, Run, check_png
from forecaster.errors import Partial, UsageError


def explain(
    run: Run,
    data: Data = None,
    output: Output = "-",
    neighbours: Annotated[
        Path | None,
        typer.Option("--neighbours", help="CSV of the series that each is most like.", show_default=False),
    ] = None,
    plot: Plot = None,
    member: Member = 1,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Say which past steps a network with attention looked at, and which series it holds to be alike.

    Without attention, stdout gets the neighbours.

    \b
    forecast explain runs/power --output weights.csv --plot weights.png
    """
    from forecaster.explain.attention_weights import format_attention_csv
    from forecaster.explain.explain import explain as explain_version
    from forecaster.runs import load_version, write_atomically

    check_png(plot)
    attentions, alike, problems = explain_version(load_version(run), data, member)
    if plot is not None and not attentions:
        raise UsageError(f"--plot {plot}: this network has no attention to draw")
    if neighbours is not None and alike is None:
        raise UsageError(f"--neighbours {neighbours}: this network has no embedding of series")
    likeness = "" if alike is None else alike.to_csv(index=False, lineterminator="\n")
    text = format_attention_csv(attentions) if attentions else likeness
    console.deliver(text, output)
    if neighbours is not None:
        write_atomically(neighbours, likeness.encode())
    if plot is not None:
        from forecaster.explain.plots import plot_attention

        write_atomically(plot, plot_attention(attentions, run.resolve().name))
    if problems:
        raise Partial(problems)
