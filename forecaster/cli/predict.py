"""`forecast predict`."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    UseVersion,
    check_picture,
    load_run,
    parse_levels,
    parse_max_age,
)
from forecaster.errors import Partial, UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.forecast import ColumnNames, Forecast


class OutputFormat(StrEnum):
    """How the forecast is written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    NIXTLA = "nixtla"


def predict(
    run: Run,
    data: Data = None,
    horizon: Horizon = None,
    levels: Levels = None,
    future: Annotated[
        Path | None,
        typer.Option("--future", help="CSV with known values of future covariates.", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Override a policy of the run: data.gaps=previous, checks.range=error; repeatable.",
            show_default=False,
        ),
    ] = None,
    max_age: Annotated[
        str | None,
        typer.Option(
            "--max-age", help="Largest age of the newest row, 6h or steps such as 3; else exit 5.", show_default=False
        ),
    ] = None,
    output: Output = "-",
    format: Annotated[OutputFormat, typer.Option("--format", help="Format of the forecast.")] = OutputFormat.CSV,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Write CSVs for an Excel whose numbers have a decimal comma.")
    ] = False,
    samples: Annotated[
        Path | None, typer.Option("--samples", help="Write sample paths to this CSV.", show_default=False)
    ] = None,
    plot: Plot = None,
    version: UseVersion = None,
    trust_config: TrustConfig = False,
    verbose: console.Verbose = False,
    debug: console.Debug = False,
    log_format: console.Format = console.LogFormat.TEXT,
) -> None:
    """Forecast the steps after the newest data of a run.

    TensorFlow is not loaded: ONNX Runtime runs the exported network.

    The formats: csv; json; parquet; nixtla, a CSV with the columns unique_id, ds and y.

    \b
    forecast predict runs/power --horizon 48 --output forecast.csv --plot forecast.png
    """
    from forecaster.atomic_files import write_atomically
    from forecaster.evaluation.verdict import describe_training
    from forecaster.forecast import samples_to_csv
    from forecaster.forecasting.predict import predict as predict_version

    _check_outputs([output, samples, plot], format, decimal_comma)
    check_picture(plot)
    loaded = load_run(run, data, trust_config, version)
    found = predict_version(
        loaded,
        data,
        horizon,
        parse_levels(levels),
        samples is not None,
        future,
        overrides=overrides or (),
        max_age=parse_max_age(max_age),
    )
    try:
        sentences = describe_training(loaded.metrics)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise loaded.refuse("metrics.json", repr(error)) from None
    for sentence in sentences:
        console.log.info("training found: %s", sentence)
    encoding = "utf-8-sig" if decimal_comma else "utf-8"  # Excel takes a file without the mark for its local encoding
    content = _format_forecasts(found.forecasts, format, loaded.config.forecast.columns, decimal_comma)
    console.write_result(content, output, encoding)
    if samples is not None:
        write_atomically(samples, samples_to_csv(found.forecasts, decimal_comma).encode(encoding))
    if plot is not None:
        from forecaster.forecasting.plots import plot_future

        console.write_picture(plot_future(found.panel, found.forecasts, run.resolve().name), plot)
    if found.problems:
        raise Partial(found.problems)


def _check_outputs(outputs: "Sequence[Path | str | None]", format: OutputFormat, decimal_comma: bool) -> None:
    """Refuse outputs that cannot be written, before anything is computed."""
    from forecaster.extras import require_extra

    if decimal_comma and format not in {OutputFormat.CSV, OutputFormat.NIXTLA}:
        raise UsageError(Problem("invalid-option", "--decimal-comma", detail={"expected": "--format csv or nixtla"}))
    if format is OutputFormat.PARQUET:
        require_extra("parquet", "forecast predict --format parquet")
    named = [str(path) for path in outputs if path not in {None, "-"}]
    if len(set(named)) < len(named):
        raise UsageError(Problem("same-output", detail={"names": named}))


def _format_forecasts(
    forecasts: "Sequence[Forecast]", format: OutputFormat, names: "ColumnNames", decimal_comma: bool
) -> str | bytes:
    from forecaster.forecast import forecasts_to_csv, forecasts_to_json, forecasts_to_nixtla, forecasts_to_parquet

    match format:
        case OutputFormat.CSV:
            return forecasts_to_csv(forecasts, names, decimal_comma)
        case OutputFormat.JSON:
            return forecasts_to_json(forecasts, names)
        case OutputFormat.PARQUET:
            return forecasts_to_parquet(forecasts, names)
        case OutputFormat.NIXTLA:
            return forecasts_to_nixtla(forecasts, decimal_comma)
