"""`forecast backtest`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from forecaster.cli import console
from forecaster.cli.comparison_output import ComparisonOutput
from forecaster.cli.forecast_output import IfExists
from forecaster.cli.options import (
    Address,
    Baselines,
    Data,
    EngineOption,
    Processes,
    Report,
    ReportFormat,
    Set,
    Source,
    Stride,
    choose_engine,
    parse_names,
)
from forecaster.errors import UsageError
from forecaster.problems import Problem


def backtest(
    source: Source,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=1,
            max=10_000,
            help="Number of origins in the past; up to 10 in the second half of the series by default.",
            show_default=False,
        ),
    ] = None,
    stride: Stride = None,
    refit: Annotated[
        str, typer.Option("--refit", help="When to retrain: never, every (fold), or a number of folds.")
    ] = "never",
    processes: Processes = None,
    engine: EngineOption = None,
    address: Address = None,
    baselines: Baselines = None,
    data: Data = None,
    overrides: Set = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Output folder; backtests/NAME of the config by default.")
    ] = None,
    forecasts: Annotated[
        str | None,
        typer.Option(
            "--forecasts",
            help="Write the forecasts here, too: .csv, .parquet, or a table: sqlite:///sales.db?table=past.",
            show_default=False,
        ),
    ] = None,
    if_exists: IfExists = None,
    format: Report = ReportFormat.TEXT,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Forecast from origins in the past, and compare with baselines.

    Each network is trained only on data known at its origin. The folder gets scores, forecasts and a picture. The
    same command resumes an interrupted backtest.

    \b
    forecast backtest configs/power.yaml --folds 8 --baselines naive,seasonal_naive,ets
    forecast backtest configs/power.yaml --forecasts 'sqlite:///power.db?table=past'
    """
    from forecaster.cli.signals import collect_signals

    each, notices, table = _parse_refit(refit), console.keep_notices(format), ComparisonOutput(forecasts, if_exists)
    with collect_signals() as received:
        from forecaster.api.fold_trainings import train_folds
        from forecaster.config import is_config
        from forecaster.default_config import get_config_path, load_or_propose
        from forecaster.evaluation.backtest import backtest as compare
        from forecaster.evaluation.folds import plan_folds
        from forecaster.extras import require_extra
        from forecaster.runs import lock_run

        folder = output or Path("backtests") / (source if is_config(source) else get_config_path(source)).stem
        if not (folder / "work").is_dir():  # networks of an earlier call are reused, without TensorFlow
            require_extra("train", "forecast backtest")
        loaded, _, panel = load_or_propose(source, overrides or [], data)
        planned = plan_folds(loaded, folds, stride, each, parse_names(baselines), panel)
        chosen = choose_engine(engine, address)
        with lock_run(folder):
            if chosen.kind == "ray" or (processes or 1) > 1:
                train_folds(planned, folder, received, chosen, processes)
            found = compare(planned, folder, received, _train)
        if forecasts is not None:
            table.write(found.tabulate_forecasts(loaded.config.forecast.columns))
    text = console.format_json(found.summary, notices) if format is ReportFormat.JSON else found.to_text()
    console.print_result(text)


def _train(*arguments: Any) -> Any:
    """Load TensorFlow and train; a backtest whose networks are trained does not need it."""
    from forecaster.api.trainings import load_training

    return load_training("forecast backtest: training a network", console.silence_imports())(*arguments).version


_REFIT = "never, every, or a number of folds such as 4"


def _parse_refit(text: str) -> int | None:
    if text == "never":
        return None
    if text == "every":
        return 1
    if text.isdigit() and int(text):
        return int(text)
    raise UsageError(Problem("invalid-option", f"--refit {text}", detail={"expected": _REFIT}))
