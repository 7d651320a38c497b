"""`forecast predict`."""

import contextlib
import io
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from forecaster.cli import console
from forecaster.cli.anomaly_files import AnomalyFiles, Rate, check_anomaly_files, write_anomalies
from forecaster.cli.options import (
    Data,
    Levels,
    Output,
    Plot,
    RunOrData,
    TrustConfig,
    UseVersion,
    check_picture,
    is_data,
    load_run,
    parse_levels,
    parse_max_age,
)
from forecaster.cli.refusals import explain_refusal
from forecaster.errors import Partial, UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.config.schema import MaxAge
    from forecaster.forecast import ColumnNames, Forecast
    from forecaster.forecasting.predict import Prediction
    from forecaster.runs import Version


_BYTES_IN_MEMORY = 1 << 26  # of a CSV that is not written yet
_BYTES_AT_ONCE = 1 << 20


class OutputFormat(StrEnum):
    """How the forecast is written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    NIXTLA = "nixtla"


def predict(
    source: RunOrData,
    data: Data = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            "--horizon",
            min=1,
            max=100_000,
            help="Steps to forecast; by default the trained horizon, or of a file about a season.",
            show_default=False,
        ),
    ] = None,
    levels: Levels = None,
    future: Annotated[
        Path | None,
        typer.Option("--future", help="CSV with known values of future covariates.", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Override a policy of the run, or how a file is read: data.gaps=previous; repeatable.",
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
    anomalies: AnomalyFiles = None,
    rate: Rate = None,
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
    """
    from forecaster.atomic_files import write_atomically
    from forecaster.data.sources.files import name_source
    from forecaster.forecast import samples_to_csv

    _check_outputs([output, samples, plot, *(anomalies or [])], format, decimal_comma)
    check_picture(plot)
    kept_rate = check_anomaly_files(anomalies, rate)
    asked = _Asked(horizon, parse_levels(levels), tuple(overrides or ()), parse_max_age(max_age))
    encoding = "utf-8-sig" if decimal_comma else "utf-8"  # Excel takes a file without the mark for its local encoding
    is_streamed = format is OutputFormat.CSV and plot is None and samples is None
    batches = contextlib.closing(_WrittenBatches(decimal_comma, encoding)) if is_streamed else contextlib.nullcontext()
    with batches as written:
        if is_data(source):
            _refuse_run_options(
                source,
                {
                    "--data": data is not None,
                    "--future": future is not None,
                    "--samples": samples is not None,
                    "--version": version is not None,
                    "--trust-config": trust_config,
                },
            )
            found, names = _predict_data(source, asked, written)
            title = name_source(source).rpartition("/")[2]
            if anomalies:
                _write_anomalies_of_data(source, asked, title, anomalies, kept_rate)
        else:
            loaded = load_run(source, data, trust_config, version)
            found, names = _predict_with_run(loaded, data, asked, future, samples is not None, written)
            title = source.resolve().name
            if anomalies:
                from forecaster.evaluation.anomalies import find_anomalies_of_run

                write_anomalies({title: find_anomalies_of_run(loaded, data, kept_rate)}, anomalies)
        content = written.read() if written else _format_forecasts(found.forecasts, format, names, decimal_comma)
        console.write_result(content, output, encoding)
        if samples is not None:
            write_atomically(samples, samples_to_csv(found.forecasts, decimal_comma).encode(encoding))
        if plot is not None:
            from forecaster.forecasting.plots import plot_future

            console.write_picture(plot_future(found.panel, found.forecasts, title), plot)
        if found.problems:
            raise Partial(found.problems)


class _WrittenBatches:
    """The rows of forecasts as a CSV, which leave memory for a file without a name where they are many.

    Args:
        decimal_comma: as `forecasts_to_csv`.
        encoding: of the CSV.
    """

    def __init__(self, decimal_comma: bool, encoding: str) -> None:
        self._decimal_comma, self._encoding = decimal_comma, encoding
        self._file = tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY)  # noqa: SIM115  `close` does
        self._is_empty = True
        self.names: ColumnNames = "levels"

    def add(self, forecasts: "Sequence[Forecast]") -> None:
        """Write the rows of some forecasts, the first after a header."""
        from forecaster.data.assembly.spool import report_failures
        from forecaster.forecast import write_csv

        text, is_first = io.StringIO(), self._is_empty
        self._is_empty = False
        write_csv(text, forecasts, self.names, self._decimal_comma, is_first)
        with report_failures():
            self._file.write(text.getvalue().encode(self._encoding if is_first else "utf-8"))

    def read(self) -> Iterator[bytes]:
        """Read the CSV in parts, once."""
        self._file.seek(0)
        while part := self._file.read(_BYTES_AT_ONCE):
            yield part

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


class _Asked(NamedTuple):
    """The options that a run and a file have both."""

    horizon: int | None
    levels: list[float] | None
    overrides: tuple[str, ...]
    max_age: "MaxAge | None"


def _predict_with_run(
    loaded: "Version",
    data: Path | None,
    asked: _Asked,
    future: Path | None,
    with_samples: bool,
    written: "_WrittenBatches | None",
) -> "tuple[Prediction, ColumnNames]":
    """Forecast with a version of a run; and name its columns."""
    from forecaster.evaluation.verdict import describe_training
    from forecaster.forecasting.predict import predict as predict_version

    if written:
        written.names = loaded.config.forecast.columns
    found = predict_version(
        loaded,
        data,
        asked.horizon,
        asked.levels,
        with_samples,
        future,
        overrides=asked.overrides,
        max_age=asked.max_age,
        receive=written.add if written else None,
    )
    try:
        sentences = describe_training(loaded.metrics)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise loaded.refuse("metrics.json", repr(error)) from None
    for sentence in sentences:
        console.log.info("training found: %s", sentence)
    return found, loaded.config.forecast.columns


def _predict_data(source: Path, asked: _Asked, written: "_WrittenBatches | None") -> "tuple[Prediction, ColumnNames]":
    """Forecast the series of a file, or of a config's data, without training; and name the columns."""
    from forecaster.config import is_config
    from forecaster.forecasting.zero_shot import load_data_config, predict_zero_shot
    from forecaster.runs import find_run_of

    loaded = load_data_config(source, asked.overrides)
    horizon = loaded.config.window.horizon if is_config(source) and asked.horizon is None else asked.horizon
    chosen = is_config(source) or any(each.strip().startswith("data.gaps") for each in asked.overrides)
    if written:
        written.names = loaded.config.forecast.columns
    with explain_refusal("predict", source, asked.overrides, trains=False):
        found = predict_zero_shot(
            loaded.config,
            horizon,
            asked.levels,
            max_age=asked.max_age,
            limits_missing=not chosen,
            receive=written.add if written else None,
        )
    if run := find_run_of(source):
        console.log.info("next: forecast predict %s, for the trained network of this name", shlex.quote(run))
    else:
        console.log.info(
            "next: forecast train %s, for a network trained on these data, which may be more accurate",
            shlex.quote(str(source)),
        )
    return found, loaded.config.forecast.columns


def _write_anomalies_of_data(source: Path, asked: _Asked, title: str, paths: Sequence[Path], rate: float) -> None:
    """Write the anomalies of a file, which zero-shot forecasts from past origins find."""
    from forecaster.evaluation.anomalies import find_anomalies_without_training
    from forecaster.forecasting.zero_shot import load_data_config

    config = load_data_config(source, asked.overrides).config
    write_anomalies({title: find_anomalies_without_training(config, rate)}, paths)


def _refuse_run_options(source: Path, given: "Mapping[str, bool]") -> None:
    """Refuse the options that only a trained network has.

    Raises:
        UsageError: one is given.
    """
    detail = {"source": str(source), "command": shlex.join(["forecast", "train", str(source)])}
    if problems := [
        Problem("option-of-a-run", option, detail=detail) for option, is_given in given.items() if is_given
    ]:
        raise UsageError(problems)


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
