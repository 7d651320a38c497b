"""`forecast predict`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from forecaster.cli import console
from forecaster.cli.options import (
    Data,
    Horizon,
    Levels,
    Output,
    Plot,
    Run,
    TrustConfig,
    check_picture,
    load_run,
    parse_levels,
)
from forecaster.errors import Partial, UsageError
from forecaster.problems import Problem


class OutputFormat(StrEnum):
    """How the forecast is written."""

    CSV = "csv"
    JSON = "json"


def predict(
    run: Run,
    data: Data = None,
    horizon: Horizon = None,
    levels: Levels = None,
    future: Annotated[
        Path | None,
        typer.Option("--future", help="CSV with known values of future covariates.", show_default=False),
    ] = None,
    output: Output = "-",
    format: Annotated[OutputFormat, typer.Option("--format", help="Format of the forecast.")] = OutputFormat.CSV,
    samples: Annotated[
        Path | None, typer.Option("--samples", help="Write sample paths to this CSV.", show_default=False)
    ] = None,
    plot: Plot = None,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Forecast the steps after the newest data of a run.

    TensorFlow is not loaded: ONNX Runtime runs the exported network.

    \b
    forecast predict runs/power --horizon 48 --output forecast.csv --plot forecast.png
    """
    from forecaster.evaluation.verdict import describe_training
    from forecaster.forecast import forecasts_to_csv, forecasts_to_json, samples_to_csv
    from forecaster.forecasting.predict import predict as predict_version
    from forecaster.runs import write_atomically

    check_picture(plot)
    named = [str(path) for path in (output, samples, plot) if path not in {None, "-"}]
    if len(set(named)) < len(named):
        raise UsageError(Problem("same-output", detail={"names": named}))
    version = load_run(run, data, trust_config)
    found = predict_version(version, data, horizon, parse_levels(levels), samples is not None, future)
    try:
        sentences = describe_training(version.metrics)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise version.refuse("metrics.json", repr(error)) from None
    for sentence in sentences:
        console.log.info("training found: %s", sentence)
    text = (forecasts_to_csv if format is OutputFormat.CSV else forecasts_to_json)(found.forecasts)
    console.write_result(text, output)
    if samples is not None:
        write_atomically(samples, samples_to_csv(found.forecasts).encode())
    if plot is not None:
        from forecaster.forecasting.plots import plot_future

        console.write_picture(plot_future(found.panel, found.forecasts, run.resolve().name), plot)
    if found.problems:
        raise Partial(found.problems)
