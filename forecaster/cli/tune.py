"""`forecast tune`."""

from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Address, Data, EngineOption, Processes, Set, Source, choose_engine, parse_seconds


def tune(
    source: Source,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Total number of trials, including those of earlier calls.")
    ] = 50,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Stop after this time: 90s, 30m, 2h.", show_default=False)
    ] = None,
    processes: Processes = None,
    engine: EngineOption = None,
    address: Address = None,
    data: Data = None,
    overrides: Set = None,
    run: Annotated[Path | None, typer.Option("--run", help="Run folder; runs/NAME of the config by default.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="YAML to write; NAME.tuned.yaml next to the config by default."),
    ] = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Search for a better config, and write it as a YAML.

    The config's section `tune` lists what varies; trials are compared on the validation part only. The same command
    resumes an interrupted search, and several processes can share one. `--jobs 4` trains four trials at a time.

    \b
    forecast tune configs/power.yaml --trials 30 --timeout 2h
    """
    from forecaster.cli.signals import collect_signals
    from forecaster.extras import import_extra, require_extra

    require_extra("tune", "forecast tune")
    seconds, chosen = parse_seconds(timeout, "--timeout"), choose_engine(engine, address)
    with collect_signals() as received:
        from forecaster.default_config import load_or_propose
        from forecaster.tuning.plan import plan_tuning

        loaded, config, panel = load_or_propose(source, overrides or [], data)
        plan = plan_tuning(loaded, panel)
        with import_extra("tune", "forecast tune"), console.silence_imports():
            from forecaster.tuning.tune import search_config

            if chosen.kind == "processes" and (processes or 1) == 1:
                import forecaster.tuning.run_trial  # noqa: F401  TensorFlow prints while it is imported
        folder = (run or Path("runs") / config.stem) / "tune"
        written = output or config.with_name(f"{config.stem}.tuned.yaml")
        search_config(plan, folder, written, trials, seconds, received, chosen, processes)
