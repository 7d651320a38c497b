"""`forecast predict`."""

import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from forecaster.cli import console
from forecaster.cli.forecast_output import ForecastOutput, IfExists, OutputFormat
from forecaster.cli.options import (
    Address,
    AnomalyFiles,
    Data,
    EngineKind,
    EngineOption,
    Levels,
    Plot,
    Processes,
    Rate,
    RunOrData,
    Style,
    StyleName,
    TrustConfig,
    UseVersion,
    check_anomaly_files,
    check_csv,
    check_picture,
    choose_engine,
    choose_format,
    is_data,
    load_run,
    parse_levels,
    parse_max_age,
)
from forecaster.cli.refusals import explain_refusal
from forecaster.errors import Partial, UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecaster.api.forecasts import Request
    from forecaster.parallel import Parallel
    from forecaster.runs import Version

_Horizon = Annotated[
    int | None,
    typer.Option(
        "--horizon",
        min=1,
        max=100_000,
        help="Steps to forecast; by default the trained horizon, or of a file about a season.",
        show_default=False,
    ),
]
_Future = Annotated[
    Path | None,
    typer.Option("--future", help="CSV with known values of future covariates.", show_default=False),
]
_Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a policy of the run, or how a file is read: data.gaps=previous; repeatable.",
        show_default=False,
    ),
]
_MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age", help="Largest age of the newest row, 6h or steps such as 3; else exit 5.", show_default=False
    ),
]
_Format = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format",
        help="Format of the forecast; by default that of the ending of --output, or csv.",
        show_default=False,
    ),
]
_Output = Annotated[
    str,
    typer.Option("--output", "-o", help="Output file, - for stdout, or a table: sqlite:///sales.db?table=forecasts."),
]
_DecimalComma = Annotated[
    bool, typer.Option("--decimal-comma", help="Write CSVs for an Excel whose numbers have a decimal comma.")
]
_Shard = Annotated[
    str | None,
    typer.Option("--shard", help="A share of the series, for several machines: 2/4.", show_default=False),
]
_Samples = Annotated[
    Path | None,
    typer.Option("--samples", help="Write sample paths to this CSV.", show_default=False, callback=check_csv),
]


def predict(
    source: RunOrData,
    data: Data = None,
    horizon: _Horizon = None,
    levels: Levels = None,
    future: _Future = None,
    overrides: _Policies = None,
    max_age: _MaxAge = None,
    output: _Output = "-",
    if_exists: IfExists = None,
    format: _Format = None,
    decimal_comma: _DecimalComma = False,
    samples: _Samples = None,
    plot: Plot = None,
    style: Style = StyleName.SCREEN,
    anomalies: AnomalyFiles = None,
    rate: Rate = None,
    shard: _Shard = None,
    processes: Processes = None,
    engine: EngineOption = None,
    address: Address = None,
    version: UseVersion = None,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Forecast the steps after the newest row of a run or of a file.

    A file is forecast zero-shot, by a small network trained on generated series: no training, no YAML.

    TensorFlow is not loaded: ONNX Runtime runs the exported network.

    The formats: csv; json; parquet; nixtla, a CSV with the columns unique_id, ds and y.

    \b
    forecast predict runs/power --horizon 48 --output forecast.csv --plot forecast.png
    forecast predict power.csv --plot forecast.png
    forecast predict power.csv --anomalies anomalies.csv --anomalies anomalies.png --rate 0.01
    forecast predict runs/sales --data shops.parquet --jobs 4 --output forecast.parquet
    """
    check_picture(plot)
    anomaly_output = _AnomalyOutput(anomalies or [], check_anomaly_files(anomalies, rate))
    checked = parse_levels(levels), tuple(overrides or ()), parse_max_age(max_age)
    if anomalies and shard is not None:
        detail = {"expected": "no --shard: anomalies are those of all series; find them in a command without it"}
        raise UsageError(Problem("invalid-option", "--anomalies", detail=detail))
    chosen, others = choose_format(format, output, OutputFormat.CSV), anomalies or []
    with ExitStack() as stack:
        written = stack.enter_context(ForecastOutput(output, samples, plot, chosen, decimal_comma, others, if_exists))
        from forecaster.api.forecasts import Request
        from forecaster.shard import parse_shard

        parallel, share = _open_parallel(stack, processes, engine, address), parse_shard(shard)
        request = Request(horizon, *checked, future, samples is not None, shard=share, parallel=parallel)
        if is_data(source):
            given = {"--data": data, "--future": future, "--samples": samples, "--version": version, "--shard": shard}
            _refuse_run_options(source, {**given, "--trust-config": trust_config or None})
            problems = _predict_data(source, request, written, anomaly_output)
        else:
            loaded = load_run(source, data, trust_config, version)
            problems = _predict_with_run(loaded, source.resolve().name, data, request, written, anomaly_output)
        if problems:
            raise Partial(problems)


def _open_parallel(
    stack: ExitStack, processes: int | None, engine: EngineKind | None, address: str | None
) -> "Parallel | None":
    """Choose what forecasts batches of series at the same time; None for this process alone.

    Raises:
        UsageError: an address of processes.
    """
    chosen = choose_engine(engine, address)
    if chosen.kind == "processes" and (processes or 1) == 1:
        return None
    from forecaster.cli.signals import collect_signals
    from forecaster.parallel import Parallel

    return Parallel(chosen, processes, stack.enter_context(collect_signals()))


class _AnomalyOutput(NamedTuple):
    """The files of anomalies, none where they are not looked for, and their rate."""

    paths: list[Path]
    rate: float


def _predict_with_run(
    loaded: "Version",
    title: str,
    data: Path | None,
    request: "Request",
    written: ForecastOutput,
    anomalies: _AnomalyOutput,
) -> list[Problem]:
    """Write the forecast of a version of a run, and return the problems of series that have none."""
    from forecaster.api.forecasts import predict_run

    names = loaded.config.forecast.columns
    found = predict_run(loaded, data, replace(request, receive=written.stream(names)))
    if anomalies.paths:
        from forecaster.cli.anomaly_files import write_anomalies
        from forecaster.evaluation.anomalies import find_anomalies_of_run

        write_anomalies({title: find_anomalies_of_run(loaded, data, anomalies.rate)}, anomalies.paths)
    written.write(found, names, title)
    return found.problems


def _predict_data(
    source: Path, request: "Request", written: ForecastOutput, anomalies: _AnomalyOutput
) -> list[Problem]:
    """Write the forecast of a file, or of a config's data, without training, and return the problems."""
    from forecaster.api.forecasts import predict_data
    from forecaster.data.sources.files import name_source
    from forecaster.forecasting.zero_shot import load_data_config

    loaded = load_data_config(source, request.overrides)
    names, title = loaded.config.forecast.columns, name_source(source).rpartition("/")[2]
    with explain_refusal("predict", source, request.overrides, trains=False):
        found = predict_data(loaded, source, replace(request, receive=written.stream(names)))
    _log_next_command(source)
    if anomalies.paths:
        from forecaster.cli.anomaly_files import write_anomalies
        from forecaster.evaluation.anomalies import find_anomalies_without_training

        write_anomalies({title: find_anomalies_without_training(loaded.config, anomalies.rate)}, anomalies.paths)
    written.write(found, names, title)
    return found.problems


def _log_next_command(source: Path) -> None:
    """Log how a network that is trained on these data is made, or used where there is one."""
    from forecaster.runs import find_run_of

    if run := find_run_of(source):
        console.log.info("next: forecast predict %s, for the trained network of this name", shlex.quote(run))
    else:
        console.log.info(
            "next: forecast train %s, for a network trained on these data, which may be more accurate",
            shlex.quote(str(source)),
        )


def _refuse_run_options(source: Path, given: "Mapping[str, object]") -> None:
    """Refuse the options that only a trained network has.

    Raises:
        UsageError: one is given.
    """
    detail = {"source": str(source), "command": shlex.join(["forecast", "train", str(source)])}
    if problems := [
        Problem("option-of-a-run", option, detail=detail) for option, value in given.items() if value is not None
    ]:
        raise UsageError(problems)
