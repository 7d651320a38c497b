"""The keys of a jobs file as frozen, validated records; each field's description is its documentation."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from forecaster.config.database_urls import is_url
from forecaster.config.invalid_value import InvalidValue
from forecaster.config.schema import Count, Flag, Level, MaxAgeOption, Paths, Positive, Section, Text
from forecaster.durations import EXPECTED_DURATION, parse_duration

FORMAT = 1  # of the jobs files that this version reads

LONGEST_NAME = 100  # characters of the name of a job
_NAME = re.compile(r"[^\W_][\w.-]*")
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(MB|GB|TB|MiB|GiB|TiB)", re.ASCII)
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_LEAST_MEMORY = 10**8  # bytes, less than any worker needs
_PLACEHOLDER = re.compile(r"\{\w*\}")


def parse_size(text: str) -> int | None:
    """Convert a size such as `4GB` or `512 MiB` to bytes; None where it is none."""
    found = _SIZE.fullmatch(text.strip())
    return round(float(found[1]) * _BYTES[found[2]]) if found else None


def _check_format(value: object) -> object:
    if value == FORMAT and not isinstance(value, bool):
        return value
    if isinstance(value, int) and value > FORMAT:
        raise InvalidValue(code="newer-jobs-format", format=FORMAT)
    raise InvalidValue(f"{FORMAT}")


def _check_name(value: object) -> object:
    if isinstance(value, str) and len(value) <= LONGEST_NAME and _NAME.fullmatch(value):
        return value
    quotes = "; a number needs quotes" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    raise InvalidValue(f"letters, digits, '.', '_' and '-', beginning with a letter or a digit{quotes}")


def _check_duration(value: object) -> object:
    if isinstance(value, str) and parse_duration(value) is not None:
        return value
    raise InvalidValue(EXPECTED_DURATION)


def _check_size(value: object) -> object:
    if isinstance(value, str) and (parse_size(value) or 0) >= _LEAST_MEMORY:
        return value
    raise InvalidValue("a size such as 4GB or 512MB, of at least 100MB")


def _check_placeholders(value: object) -> object:
    for text in value if isinstance(value, list | tuple) else (value,):
        unknown = [found for found in _PLACEHOLDER.findall(text) if found != "{name}"] if isinstance(text, str) else ()
        if unknown:
            raise InvalidValue(f"{{name}} instead of {unknown[0]}")
    return value


def _check_data(value: object) -> object:
    for text in value if isinstance(value, list | tuple) else (value,):
        if text == "-" or (isinstance(text, str) and is_url(text)):
            raise InvalidValue("files; a database is named by a config, with its query")
    return _check_placeholders(value)


def _check_suffix(value: object, suffixes: tuple[str, ...]) -> object:
    if isinstance(value, str) and value.lower().endswith(suffixes):
        return _check_placeholders(value)
    raise InvalidValue(f"a file that ends in {', '.join(suffixes[:-1])} or {suffixes[-1]}")


def _check_ping(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"https?://\S+|\$[A-Za-z_]\w*", value):
        return value
    raise InvalidValue("a URL that begins with http:// or https://, or $NAME of an environment variable that holds one")


def _check_jobs(jobs: tuple[Any, ...]) -> tuple[Any, ...]:
    if not jobs:
        raise InvalidValue("at least one job")
    return jobs


Format = Annotated[int, PlainValidator(_check_format, json_schema_input_type=Literal[1])]
Name = Annotated[str, PlainValidator(_check_name, json_schema_input_type=str)]
Duration = Annotated[str, PlainValidator(_check_duration, json_schema_input_type=str)]
Size = Annotated[str, PlainValidator(_check_size, json_schema_input_type=str)]
Ping = Annotated[str, PlainValidator(_check_ping, json_schema_input_type=str)]
Path = Annotated[Text, BeforeValidator(_check_placeholders)]
Output = Annotated[
    str, PlainValidator(lambda value: _check_suffix(value, (".csv", ".json", ".parquet")), json_schema_input_type=str)
]
Plot = Annotated[
    str, PlainValidator(lambda value: _check_suffix(value, (".png", ".svg", ".pdf")), json_schema_input_type=str)
]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


class Retrain(Section):
    """When a run is trained again; any of the rules is enough."""

    every: Duration | None = Field(None, description="time since the last training, promoted or not: 7d; null: no rule")
    rows: Count | None = Field(None, description="new rows since the training of the version in use; null: no rule")
    on_drift: Flag = Field(False, description="whether errors or inputs have drifted in the stored forecasts")
    age: Duration | None = Field(None, description="age of the version in use: 30d; null: no rule")
    promote: Literal["better", "always", "never"] = Field(
        "better", description="which new versions replace the one in use: better | always | never"
    )
    margin: Share = Field(
        0.0, description="by how much, as a fraction, the error of a new version may be higher and still be promoted"
    )
    fail_if_worse: Flag = Field(False, description="whether the job fails, with exit code 7, if a new version is worse")


class Keep(Section):
    """Which versions of each run, and which forecasts, are kept."""

    last: Count | None = Field(None, description="this many newest versions")
    daily: Count | None = Field(None, description="the newest version of this many days")
    weekly: Count | None = Field(None, description="the newest version of this many weeks")
    monthly: Count | None = Field(None, description="the newest version of this many months")
    yearly: Count | None = Field(None, description="the newest version of this many years")
    forecasts: Duration | None = Field("2y", description="age up to which stored forecasts are kept; null: for ever")


class JobOptions(Section):
    """The keys of a job that `defaults` may set for all jobs."""

    data: Annotated[Paths | None, BeforeValidator(_check_data)] = Field(
        None,
        description="CSV or Parquet file; a list of files that are read together; a pattern such as in/*.csv: one job "
        "for each file; null: the data that the config names",
    )
    for_each: Text | None = Field(
        None,
        description="column of the data: one job, and so one run, for each of its cells, which reads the rows of it; "
        "null: one job",
    )
    config: Path | None = Field(
        None, description="YAML config of the training; null: settings are chosen for the data, then those of the run"
    )
    run: Path = Field("runs/{name}", description="run folder")
    do: Literal["refresh", "train", "predict", "score"] = Field(
        "refresh",
        description="what the job does: refresh (score, train where due, predict) | train | predict | score",
    )
    retrain: Retrain | None = Field(
        None, description="when it is trained again; null: only where there is no version yet, or settings changed"
    )
    output: Output | None = Field(None, description="forecast, as .csv, .json or .parquet; null: none")
    plot: Plot | None = Field(None, description="picture of the forecast, as .png, .svg or .pdf; null: none")
    horizon: Count | None = Field(None, description="steps to forecast; null: the horizon of the run")
    levels: tuple[Level, ...] | None = Field(
        None, description="coverage of the intervals in percent: [80, 95]; null: the levels of the run"
    )
    future: Path | None = Field(None, description="CSV with known values of future covariates; null: none")
    max_age: MaxAgeOption = Field(
        None,
        description="how old the newest step may be: 6h, or steps such as 3, or {warn: 3h, error: 6h}; null: any age",
    )
    set: dict[Text, Any] = Field({}, description="keys of the config, as --set takes them: {training.epochs: 30}")
    intervals: Literal["adaptive", "static"] = Field(
        "adaptive",
        description="intervals that adapt to the coverage of earlier forecasts, or those of the training: adaptive | "
        "static",
    )
    timeout: Duration | None = Field(None, description="longest duration of the job: 20m; null: no limit")
    memory: Size | None = Field(None, description="largest memory of the job: 4GB; null: no limit")
    retries: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        2, description="attempts after one that failed for a reason that may pass, such as a lock or a full disk"
    )
    backoff: Duration = Field("30s", description="pause before the first of these attempts, doubled for each later one")
    priority: Annotated[int, Field(strict=True, ge=-1000, le=1000)] = Field(
        0, description="jobs of a higher priority run first"
    )
    tags: tuple[Name, ...] = Field((), description="names by which --tag selects jobs")
    ping: Ping | None = Field(None, description="URL requested at start, success and failure, or $NAME; null: none")
    fail_above: dict[Literal["mae", "mase", "wape"], Positive] = Field(
        {}, description="largest errors of the stored forecasts, above which the job fails, exit code 7: {mase: 1.2}"
    )
    fail_on_drift: Flag = Field(False, description="whether the job fails, with exit code 7, where drift is found")


class JobEntry(JobOptions):
    """A job: a run, its data, and what is done with them."""

    name: Name = Field(description="name of the job, and of the jobs of a pattern together")


class JobsFile(Section):
    """A whole jobs file; its relative paths start at its folder."""

    format: Format = Field(FORMAT, description="version of the keys, so that later versions of forecast can read it")
    defaults: JobOptions = Field(JobOptions(), description="keys of every job that does not set them")
    store: Text | None = Field(
        "sqlite:///forecasts.db",
        description="database of forecasts, as a URL: sqlite:///forecasts.db, postgresql://user@host/db; null: none",
    )
    keep: Keep | None = Field(
        Keep(last=5, weekly=8), description="which versions and forecasts are kept; null: all of them"
    )
    ping: Ping | None = Field(None, description="URL requested at start, success and failure of a whole run; or $NAME")
    metrics_file: Text | None = Field(
        None, description="file of metrics for the textfile collector of Prometheus; null: none"
    )
    engine: Literal["processes", "ray"] = Field(
        "processes", description="what runs the jobs: processes of this machine, or a Ray cluster: processes | ray"
    )
    address: Text | None = Field(
        None,
        description="Ray cluster: HOST:6379, or ray://HOST:10001 from outside it; null: RAY_ADDRESS, or this machine",
    )
    jobs: Annotated[tuple[JobEntry, ...], AfterValidator(_check_jobs)] = Field(
        description="the jobs", json_schema_extra={"minItems": 1}
    )


def merge_options(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the keys of a job over the defaults; of mappings such as `set` each key alone."""
    merged = dict(defaults)
    for key, value in given.items():
        below = merged.get(key)
        merged[key] = merge_options(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
