"""`forecast train`."""

import logging
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import Address, Data, EngineOption, Set, Source, choose_engine, parse_seconds
from forecaster.cli.refusals import explain_refusal
from forecaster.errors import ForecasterError, UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from forecaster.engine import Engine
    from forecaster.hosts import Hosts
    from forecaster.runs import Version
    from forecaster.tracking.mlflow import LiveRun


class Rule(StrEnum):
    """When a new version replaces the one in use."""

    BETTER = "better"
    ALWAYS = "always"
    NEVER = "never"


class Tracker(StrEnum):
    """Where a training is recorded."""

    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"


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
    promote: Annotated[
        Rule, typer.Option("--promote", help="When the new version replaces the one in use.")
    ] = Rule.BETTER,
    margin: Annotated[
        float,
        typer.Option(
            "--margin", min=-0.99, max=10, help="How much larger the error of the new version may be: 0.02 is 2 %."
        ),
    ] = 0.0,
    engine: EngineOption = None,
    address: Address = None,
    hosts: Annotated[
        str | None,
        typer.Option(
            "--hosts",
            help="HOST:PORT of each process that trains the network together, the same for all: a:2222,b:2222.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[
        int | None,
        typer.Option("--host", min=1, help="Number of this process in --hosts; 1 writes the run.", show_default=False),
    ] = None,
    track: Annotated[
        list[Tracker] | None,
        typer.Option(
            "--track",
            help="Record the training: in MLflow (./mlruns), or for TensorBoard; repeatable.",
            show_default=False,
        ),
    ] = None,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Train a network and save it as a run.

    A run that has a version keeps it in use where the new one is worse on rows that neither was trained on.

    \b
    forecast train configs/power.yaml --set training.epochs=5
    forecast train power.csv
    forecast train configs/power.yaml --promote always
    """
    from forecaster.cli.signals import collect_signals, limit_time
    from forecaster.extras import require_extra

    require_extra("train", "forecast train")
    seconds, chosen = parse_seconds(timeout, "--timeout"), choose_engine(engine, address)
    together = _choose_hosts(hosts, host, chosen)
    if Tracker.MLFLOW in (track or []):
        require_extra("mlflow", "forecast train --track mlflow")
    with collect_signals() as received, limit_time(seconds, f"--timeout {timeout}", received):
        from forecaster.api.trainings import assist_training, plan_source, train_run
        from forecaster.runs import load_version

        with explain_refusal("train", source, overrides or [], data):
            config, plan = plan_source(source, overrides or [], data)
        start, folder = None if warm is None else load_version(warm), run or Path("runs") / config.stem
        imports = console.silence_imports()
        if together is not None and not together.is_first:
            assist_training(plan, "forecast train", received, together, imports)
            console.log.info("trained together with %s, which writes the run", together.addresses[0])
            return
        with _open_live_run(track or [], folder) as live:
            observe = None if live is None else live.observe
            options = resume, start, promote, margin, imports, chosen, together, observe
            trained = train_run(plan, folder, "forecast train", received, *options)
        if trained.notice is not None:
            wanted = (trained.promoted and trained.challenge.summary) or promote is Rule.NEVER
            console.log.log(logging.INFO if wanted else logging.WARNING, "%s", trained.notice)
        console.log.info("%s", _describe_run(folder, trained.version.path, trained.promoted))
        for tracker in track or []:
            _track(tracker, trained.version, live)


def _choose_hosts(hosts: str | None, host: int | None, engine: "Engine") -> "Hosts | None":
    """Parse --hosts and --host, which no engine goes with.

    Raises:
        UsageError: an address or a number is invalid, or an engine is chosen, too.
    """
    from forecaster.hosts import parse_hosts

    together = parse_hosts(hosts, host)
    if together is not None and engine.kind != "processes":
        detail = {"expected": "no --engine: each host runs this command"}
        raise UsageError(Problem("invalid-option", "--hosts", detail=detail))
    return together


def _open_live_run(trackers: list[Tracker], folder: Path) -> "AbstractContextManager[LiveRun | None]":
    """Open a run of MLflow that gets the curves of a training, where it is asked for."""
    from contextlib import nullcontext

    if Tracker.MLFLOW not in trackers:
        return nullcontext()
    from forecaster.extras import import_extra

    with import_extra("mlflow", "forecast train --track mlflow"), console.silence_imports():
        from forecaster.tracking.mlflow import LiveRun
    return LiveRun(folder.resolve().name)


def _track(tracker: Tracker, version: "Version", live: "LiveRun | None") -> None:
    """Record a version, and log how the record is looked at; a failure of MLflow is a warning."""
    if tracker is Tracker.TENSORBOARD:
        from forecaster.tracking.tensorboard import track as write_events

        console.log.info("%s", write_events(version))
        return
    assert live is not None
    from forecaster.tracking.mlflow import report_failure

    try:
        with console.silence_imports():  # MLflow prints what it does
            text = live.record(version)
        if text:
            console.log.info("%s", text)
    except ForecasterError:
        raise
    except Exception as error:  # of any of MLflow's libraries: the version is written
        report_failure(error)


def _describe_run(run: Path, version: Path, promoted: bool) -> str:
    """Describe where a training is saved, and the next command."""
    name = shlex.quote(str(run)) + ("" if promoted else f" --version {version.name}")
    return (
        f"{run}: trained and saved\n"
        f"pictures: {version / 'forecast.png'}, {version / 'loss.png'}\n"
        f"next: forecast predict {name} --output forecast.csv --plot forecast.png"
    )
