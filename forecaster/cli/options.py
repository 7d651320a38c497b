"""Arguments and options that several verbs share, and their parsers."""

import math
import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from forecaster.durations import EXPECTED_DURATION, parse_duration
from forecaster.errors import UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    from forecaster.config.schema import MaxAge
    from forecaster.engine import Engine
    from forecaster.runs import Version


class ReportFormat(StrEnum):
    """Format of scores and findings."""

    TEXT = "text"
    JSON = "json"


_Format = TypeVar("_Format", bound=StrEnum)
_Name = TypeVar("_Name", str, Path)
_OTHER_FILES = re.compile(r"\.(csv|json|parquet|xlsx?|ods|html|pdf|png|svg|gz|xz|bz2|zip)")


def choose_format(asked: _Format | None, output: str, default: _Format, option: str = "--output") -> _Format:
    """Choose the format of an output: the one that is asked for, or that of the ending of its name, or the default.

    Raises:
        UsageError: nothing is asked for, and the name ends as that of a file that is not written, such as a workbook.
    """
    if asked is not None:
        return asked
    ending, formats = Path(output).suffix.lower(), type(default)
    if ending[1:] in set(formats):
        return formats(ending[1:])
    if _OTHER_FILES.fullmatch(ending):
        own = "txt" if default is ReportFormat.TEXT else default.value
        instead = f"{Path(output).stem.removesuffix(f'.{own}')}.{own}"
        detail = {"ending": ending, "option": option, "instead": instead}
        raise UsageError(Problem("not-an-output-format", f"{option} {output}", detail=detail))
    return default


class _Csv(StrEnum):
    CSV = "csv"


def check_csv(option: typer.CallbackParam, output: _Name | None) -> _Name | None:
    """Refuse the name of a CSV that ends as that of another file.

    Raises:
        UsageError: it does.
    """
    if output is not None:
        choose_format(None, str(output), _Csv.CSV, option.opts[0])
    return output


class StyleName(StrEnum):
    """What a picture is for."""

    SCREEN = "screen"
    SLIDE = "slide"
    PAPER = "paper"


def _choose_style(name: StyleName) -> StyleName:
    if name is not StyleName.SCREEN:  # that of a new process
        from forecaster.reporting.picture_style import choose_style

        choose_style(name.value)
    return name


class EngineKind(StrEnum):
    """What runs jobs and trainings."""

    PROCESSES = "processes"
    RAY = "ray"


def choose_engine(kind: EngineKind | None, address: str | None, default: "Engine | None" = None) -> "Engine":
    """Choose the engine of the options, each of which replaces that of the jobs file.

    Raises:
        UsageError: an address of processes.
    """
    from forecaster.engine import Engine

    if kind is EngineKind.PROCESSES and address is not None:
        raise UsageError(Problem("address-of-processes", f"--address {address}"))
    default = default or Engine()
    if address is not None:
        return Engine("ray", address)
    if kind is None or kind.value == default.kind:
        return default
    return Engine(kind.value)


def check_file(path: Path | None) -> Path | None:
    """Refuse a database URL, which belongs into a YAML with its query, and which may hold a password.

    Raises:
        UsageError: the path is a URL.
    """
    if path is not None and re.match(r"[A-Za-z][\w+.-]+:/", str(path)):
        raise UsageError(Problem("url-as-argument"))
    return path


Run = Annotated[Path, typer.Argument(help="A run folder, such as runs/power.", show_default=False)]
RunOrData = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|FILE",
        help="A run folder, such as runs/power; or a CSV or Parquet file, a pattern, -, or a YAML that names data.",
        show_default=False,
        callback=check_file,
    ),
]
VersionName = Annotated[str, typer.Argument(help="Name of a version, or its beginning.", show_default=False)]
UseVersion = Annotated[
    str | None,
    typer.Option(
        "--version", help="Version to use instead of the one in use: its name, or its beginning.", show_default=False
    ),
]
Source = Annotated[
    Path,
    typer.Argument(help="A YAML config, or a CSV or Parquet file.", show_default=False, callback=check_file),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Data file to read instead of that of the config or the run.",
        show_default=False,
        callback=check_file,
    ),
]
TrustConfig = Annotated[
    bool, typer.Option("--trust-config", help="Connect to the database that the config of the run names.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the config: training.epochs=5; repeatable.",
        show_default=False,
    ),
]
Output = Annotated[str, typer.Option("--output", "-o", help="Output file, - for stdout.")]
CsvOutput = Annotated[str, typer.Option("--output", "-o", help="CSV to write, - for stdout.", callback=check_csv)]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Draw a picture into this PNG, SVG or PDF file.", show_default=False)
]
Style = Annotated[
    StyleName,
    typer.Option(
        "--style",
        callback=_choose_style,
        help="What the picture is for: screen; slide, 16:9 with larger letters; paper, a column without a title.",
    ),
]
AnomalyFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--anomalies",
        help="Write which observed values are outside of their interval, as CSV, JSON, PNG, SVG or PDF; repeatable.",
        show_default=False,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", help="Share of ordinary values that --anomalies may flag; 0.01 unless given.", show_default=False
    ),
]
Horizon = Annotated[
    int | None,
    typer.Option(
        "--horizon", min=1, max=100_000, help="Steps to forecast; the trained horizon by default.", show_default=False
    ),
]
Member = Annotated[int, typer.Option("--member", min=1, help="Number of a network in an ensemble.")]
Levels = Annotated[
    str | None,
    typer.Option("--levels", help="Coverage of the intervals in percent: 80,95.", show_default=False),
]


Baselines = Annotated[
    str | None,
    typer.Option("--baselines", help="Baselines to compare with: naive,seasonal_naive,ets.", show_default=False),
]
Stride = Annotated[
    int | None,
    typer.Option(
        "--stride",
        min=1,
        help="Steps between origins; by default the horizon in a backtest, 1 in evaluate (1,000 origins at most).",
        show_default=False,
    ),
]
EngineOption = Annotated[
    EngineKind | None,
    typer.Option(
        "--engine",
        help="What runs the work: processes of this machine, or a Ray cluster; the latter with --address.",
        show_default=False,
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        max=4096,
        help="Processes that work at the same time; by default 1, or the processors of a cluster.",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Ray cluster: HOST:6379, or ray://HOST:10001 from outside it; by default RAY_ADDRESS, or this machine.",
        show_default=False,
    ),
]
Report = Annotated[ReportFormat, typer.Option("--format", help="Format of the result.")]
ReportInFile = Annotated[
    ReportFormat | None,
    typer.Option(
        "--format", help="Format of the result; by default json for an --output x.json, else text.", show_default=False
    ),
]


def load_run(run: Path, data: Path | None, trusts_config: bool, name: str | None = None) -> "Version":
    """Load a version of a run, the one in use unless named, whose data are read next.

    Raises:
        RunError: it cannot be loaded.
        UsageError: its config names a database, which would be sent a password, and the user neither trusts it nor
            names other data.
    """
    from forecaster.config.database_urls import is_server
    from forecaster.runs import load_version

    version = load_version(run, name)
    source = version.config.data
    if data is None and source.query is not None and not trusts_config and is_server(str(source.path)):
        raise UsageError(Problem("untrusted-database", f"{version.path}/config.yaml", detail={"url": str(source.path)}))
    return version


_DATA_SUFFIXES = {".csv", ".tsv", ".txt", ".parquet", ".gz", ".xz", ".zip", ".yaml", ".yml"}


def is_data(source: Path) -> bool:
    """Whether a source names data, or a config of data, and no run: by what it is, or else by its name."""
    from forecaster.regular_files import is_pattern
    from forecaster.runs import find_run_of

    if os.path.isdir(source):  # noqa: PTH112  no error for any name
        return False
    if str(source) == "-" or os.path.exists(source) or is_pattern(str(source)):  # noqa: PTH110
        return True
    return source.suffix.lower() in _DATA_SUFFIXES and not find_run_of(source)


def is_picture(path: Path) -> bool:
    """Whether the name of a file ends as that of a picture that is drawn: PNG, SVG or PDF."""
    return path.suffix.lower() in {".png", ".svg", ".pdf"}


def check_picture(plot: Path | None) -> None:
    """Refuse a picture of another kind than PNG, SVG or PDF, before any work is done.

    Raises:
        UsageError: its name ends otherwise.
    """
    if plot is not None and not is_picture(plot):
        raise UsageError(Problem("not-a-picture", f"--plot {plot}", detail={"instead": f"{plot.stem}.png"}))


def check_anomaly_files(paths: Sequence[Path] | None, rate: float | None) -> float:
    """Check the options before any work is done, and return the rate.

    Raises:
        UsageError: a name has another ending, or the rate is not between 0.000001 and 0.5 or has no file.
    """
    for path in paths or ():
        if path.suffix.lower() not in {".csv", ".json"} and not is_picture(path):
            raise UsageError(
                Problem("not-an-anomaly-file", f"--anomalies {path}", detail={"instead": f"{path.stem}.csv"})
            )
    if rate is None:
        return 0.01
    if not 1e-6 <= rate <= 0.5:
        detail = {"expected": "a share from 0.000001 to 0.5, such as 0.01"}
        raise UsageError(Problem("invalid-option", f"--rate {rate:g}", detail=detail))
    if not paths:
        raise UsageError(Problem("rate-without-anomalies", f"--rate {rate:g}"))
    return rate


def parse_names(text: str | None) -> list[str] | None:
    """Split `naive,ets` into names."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def parse_seconds(text: str | None, option: str) -> float | None:
    """Convert a duration such as `90s` or `2h` to seconds, which a number without a unit is already.

    Raises:
        UsageError: the text is not a duration.
    """
    if text is None:
        return None
    seconds = parse_duration(f"{text}s" if text.strip()[-1:].isdigit() else text)
    if seconds is None:
        raise UsageError(Problem("invalid-option", f"{option} {text}", detail={"expected": EXPECTED_DURATION}))
    return seconds


def parse_max_age(text: str | None) -> "MaxAge | None":
    """Parse `6h`, or `3` for steps, as the age from which nothing is forecast.

    Raises:
        UsageError: the text is neither.
    """
    from pydantic import ValidationError

    from forecaster.config.schema import MaxAge

    if text is None:
        return None
    try:
        return MaxAge(error=int(text) if text.strip().isdecimal() else text)
    except ValidationError:
        detail = {"expected": "a duration such as 6h or 2d, or whole steps such as 3"}
        raise UsageError(Problem("invalid-option", f"--max-age {text}", detail=detail)) from None


def parse_levels(text: str | None) -> list[float] | None:
    """Parse `80,95` as numbers; an empty text gives none.

    Raises:
        UsageError: one is not a number from 0.001 to 99.999.
    """
    if text is None:
        return None
    try:
        levels = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        levels = [math.nan]
    if not all(0.001 <= level <= 99.999 for level in levels):
        detail = {"expected": "percentages from 0.001 to 99.999, such as 80,95"}
        raise UsageError(Problem("invalid-option", f"--levels {text}", detail=detail))
    return levels
