"""`forecast train`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Data, Set, Source, parse_seconds
from forecaster.cli.refusals import explain_refusal


def train(
    source: Source,
    data: Data = None,
    overrides: Set = None,
    run: Annotated[Path | None, typer.Option("--run", help="Run folder; runs/NAME of the config by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted training.")] = False,
    warm: Annotated[
        Path | None,
        typer.Option("--from", help="Run whose weights to start from, where shapes match.", show_default=False),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            help="Stop after this time, 20m or 2h, with the checkpoint saved for --resume.",
            show_default=False,
        ),
    ] = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Train a network and save it as a run.

    \b
    forecast train configs/power.yaml --set training.epochs=5
    forecast train power.csv
    """
    from forecaster.cli.signals import collect_signals, limit_time
    from forecaster.extras import import_extra, require_extra

    require_extra("train", "forecast train")
    seconds = parse_seconds(timeout, "--timeout")
    with collect_signals() as received, limit_time(seconds, f"--timeout {timeout}", received):
        from forecaster.default_config import load_or_propose
        from forecaster.preprocessing.plan import plan_training
        from forecaster.runs import load_version, lock_run

        with explain_refusal("train", source, overrides or [], data):
            loaded, config, panel = load_or_propose(source, overrides or [], data)
            plan = plan_training(loaded, panel)
        start = None if warm is None else load_version(warm)
        folder = run or Path("runs") / config.stem
        with lock_run(folder):
            with import_extra("train", "forecast train"), console.silence_imports():
                from forecaster.training.train import train as train_plan
            version = train_plan(plan, folder, received, resume, start)
        console.log.info("%s", _describe_run(folder, version.path))


def _describe_run(run: Path, version: Path) -> str:
    """Describe where a training is saved, and the next command."""
    name = shlex.quote(str(run))
    return (
        f"{run}: trained and saved\n"
        f"pictures: {version / 'forecast.png'}, {version / 'loss.png'}\n"
        f"next: forecast predict {name} --output forecast.csv --plot forecast.png"
    )
