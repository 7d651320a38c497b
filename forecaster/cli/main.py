"""The verbs together, and how each error becomes its message and exit code."""

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

_CODES = "\n".join(f"  {code:<10} {meaning}" for code, meaning in errors.EXIT_CODES)
_HELP = f"""\b
Forecast time series with recurrent networks.

\b
Examples:
  forecast train power.csv               from a CSV alone: settings are found, said and written
  forecast train configs/power.yaml      from a YAML
  forecast predict runs/power            the future, as CSV on stdout
  forecast impute gaps.csv power.yaml    the same CSV, its gaps filled and marked

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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


_VERBS = (train, predict, future, impute, backtest, evaluate, tune, explain, diagnose, validate, check, init, schema)
for verb in _VERBS:
    app.command()(verb)


def main() -> NoReturn:
    """Run the command line and leave with the exit code of `errors.EXIT_CODES`."""
    _open_standard_streams()
    # ONNX Runtime would leave a device id and a log of events in the user's home.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    interrupts: list[int] = []

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        interrupts.append(number)
        raise errors.Interrupted("interrupted: nothing had to be saved", number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    console.start()
    try:
        app()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except errors.ForecasterError as error:
        code = _failed(error, str(error), error.exit_code)
    except BrokenPipeError:
        console.drop_stdout()  # whoever read our output has left: there is nobody to tell
        code = 74
    except OSError as error:
        mended = errors.output_error(error, error.filename or "stdout")
        code = _failed(error, str(mended), mended.exit_code)
    except Exception as error:
        if interrupts:  # some imports turn what is raised in them into errors of their own
            sys.exit(_failed(error, "interrupted: nothing had to be saved", 128 + interrupts[0]))
        hint = "this is a bug in forecast: please report it, with what the same command prints with --debug"
        code = _failed(error, f"unexpected error: {type(error).__name__}: {error}\n{hint}", 1)
    sys.exit(code)


def _failed(error: BaseException, message: str, code: int) -> int:
    if console.wants_traceback():
        sys.stderr.write(masked("".join(traceback.format_exception(error))))
    console.complain(message, code)
    return code


def _open_standard_streams() -> None:
    """A process that was started without stderr must not write its errors into the first file it opens."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
