"""The verbs of `forecast`, and the message and exit code of each error."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, NoReturn

import typer

from forecaster import __version__, errors
from forecaster.cli import console
from forecaster.cli.backtest import backtest
from forecaster.cli.check import check
from forecaster.cli.diagnose import diagnose
from forecaster.cli.evaluate import evaluate
from forecaster.cli.explain import explain
from forecaster.cli.future import future
from forecaster.cli.impute import impute
from forecaster.cli.init import init
from forecaster.cli.predict import predict
from forecaster.cli.schema import schema
from forecaster.cli.train import train
from forecaster.cli.tune import tune
from forecaster.cli.validate import validate
from forecaster.config.database_urls import masked
from forecaster.problems import Problem

_CODES = "\n".join(f"  {code:<10} {meaning}" for code, meaning in errors.EXIT_CODES)
_HELP = f"""\b
Forecast time series with recurrent networks.

\b
Examples:
  forecast train power.csv               choose settings, write them to power.yaml, train
  forecast train configs/power.yaml      train with the settings of a YAML
  forecast predict runs/power            forecast the next steps, as CSV on stdout
  forecast check power.csv               list what is wrong with a CSV and how to repair it

\b
Exit codes:
{_CODES}
"""

app = typer.Typer(
    name="forecast", help=_HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"forecast {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_VERBS = (train, predict, future, impute, backtest, evaluate, tune, explain, diagnose, validate, check, init, schema)
for verb in _VERBS:
    app.command()(verb)


def main() -> NoReturn:
    """Run the command line and exit with a code of `errors.EXIT_CODES`."""
    _open_standard_streams()
    # ONNX Runtime would write a device id and an event log into the user's home.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    interrupts: list[int] = []

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        interrupts.append(number)
        raise errors.Interrupted(Problem("interrupted"), number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    console.configure_logging()
    try:
        app()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except errors.ForecasterError as error:
        code = _report(error, error)
    except BrokenPipeError:
        console.drop_stdout()  # the reader of stdout is gone, and a message would have no reader
        code = 74
    except OSError as error:
        code = _report(error, errors.output_error(error, error.filename or "stdout"))
    except Exception as error:
        if interrupts:  # some imports replace exceptions that are raised in them
            sys.exit(_report(error, errors.Interrupted(Problem("interrupted"), interrupts[0])))
        detail = {"kind": type(error).__name__, "reason": str(error)}
        code = _report(error, errors.ForecasterError(Problem("unexpected", detail=detail)))
    sys.exit(code)


def _report(cause: BaseException, error: errors.ForecasterError) -> int:
    """Print an error, with the traceback of its cause if asked for, and return the exit code."""
    if console.wants_traceback():
        sys.stderr.write(masked("".join(traceback.format_exception(cause))))
    console.print_error(error)
    return error.exit_code


def _open_standard_streams() -> None:
    """Open what is closed of stdin, stdout and stderr, or errors would be written into the first file opened."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
