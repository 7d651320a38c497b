"""`forecast explain`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import (
    Data,
    Member,
    Output,
    Plot,
    Run,
    TrustConfig,
    check_picture,
    load_run,
)
from forecaster.errors import Partial, UsageError
from forecaster.problems import Problem


def explain(
    run: Run,
    data: Data = None,
    output: Output = "-",
    neighbours: Annotated[
        Path | None,
        typer.Option("--neighbours", help="Write a CSV of the most similar series of each series.", show_default=False),
    ] = None,
    plot: Plot = None,
    member: Member = 1,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Show attention weights over past steps, and the most similar series.

    Without attention, the output is the similar series.

    \b
    forecast explain runs/power --output weights.csv --plot weights.png
    """
    from forecaster.atomic_files import write_atomically
    from forecaster.explain.attention_weights import format_attention_csv
    from forecaster.explain.explain import explain as explain_version

    check_picture(plot)
    attentions, alike, problems = explain_version(load_run(run, data, trust_config), data, member)
    if plot is not None and not attentions:
        raise UsageError(Problem("no-attention", f"--plot {plot}"))
    if neighbours is not None and alike is None:
        raise UsageError(Problem("no-embedding", f"--neighbours {neighbours}"))
    similar = "" if alike is None else alike.to_csv(index=False, lineterminator="\n")
    text = format_attention_csv(attentions) if attentions else similar
    console.write_result(text, output)
    if neighbours is not None:
        write_atomically(neighbours, similar.encode())
    if plot is not None:
        from forecaster.explain.plots import plot_attention

        console.write_picture(plot_attention(attentions, run.resolve().name), plot)
    if problems:
        raise Partial(problems)
