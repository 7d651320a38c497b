"""The verbs of `forecast`, and the message and exit code of each error."""

import copy
import gc
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from forecaster import __version__, errors
from forecaster.cli import console
from forecaster.cli.backtest import backtest
from forecaster.cli.check import check
from forecaster.cli.compare import compare
from forecaster.cli.diagnose import diagnose
from forecaster.cli.evaluate import evaluate
from forecaster.cli.explain import explain
from forecaster.cli.export import export
from forecaster.cli.forget import forget
from forecaster.cli.future import future
from forecaster.cli.history import history
from forecaster.cli.impute import impute
from forecaster.cli.init import init
from forecaster.cli.pin import pin
from forecaster.cli.predict import predict
from forecaster.cli.promote import promote
from forecaster.cli.report import report
from forecaster.cli.rollback import rollback
from forecaster.cli.run import run
from forecaster.cli.runs import list_runs
from forecaster.cli.schedule import schedule
from forecaster.cli.schema import schema
from forecaster.cli.score import score
from forecaster.cli.train import train
from forecaster.cli.tune import tune
from forecaster.cli.validate import validate
from forecaster.problems import Problem

_UNWINDING_SECONDS = 1.0  # that files get to be closed and removed after a signal

_CODES = "\n".join(f"  {code:<10} {meaning}" for code, meaning in errors.EXIT_CODES)
_HELP = f"""\b
Forecast time series with recurrent networks.

\b
Examples:
  forecast predict power.csv             forecast a file without training
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


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"forecast {__version__}")
        raise typer.Exit


@app.callback()
def _read_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_VERBS = (
    train,
    predict,
    future,
    impute,
    backtest,
    evaluate,
    report,
    tune,
    compare,
    promote,
    rollback,
    pin,
    forget,
    export,
    explain,
    diagnose,
    validate,
    check,
    init,
    schema,
    run,
    history,
    score,
    schedule,
)
for verb in _VERBS:
    app.command()(verb)
app.command("runs")(list_runs)


def main() -> NoReturn:
    """Run the command line and exit with a code of `errors.EXIT_CODES`."""
    # Imports make a million objects that stay. Looking for garbage after every 700 of them takes 0.5 s with TensorFlow.
    gc.set_threshold(20_000)
    _open_standard_streams()
    console.configure_logging()
    # ONNX Runtime would write a device id and an event log into the user's home.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Looking for plugins of pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    interruptions: list[errors.Interrupted] = []
    finished = False

    def stop(number: int, frame: FrameType | None) -> None:
        if finished and number != signal.SIGALRM:
            os._exit(128 + number)
        if not finished:
            if number != signal.SIGALRM:
                interruptions.append(errors.Interrupted(Problem("interrupted"), number))
            # Callbacks and some libraries, such as statsforecast, drop exceptions: raise again until the verb ends.
            sys.unraisablehook = lambda dropped: None
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, _UNWINDING_SECONDS)
            raise interruptions[-1]

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        try:
            # which returns the code of --help and --version
            result = _choose_verb(sys.argv[1:2])(standalone_mode=False)
        finally:
            finished = True
            signal.setitimer(signal.ITIMER_REAL, 0)
        code = result if isinstance(result, int) else 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except BrokenPipeError:
        console.drop_stdout()  # the reader of stdout is gone, and a message would have no reader
        code = 74
    except BaseException as cause:
        if hasattr(cause, "format_message"):  # a usage error of the parser
            sys.exit(_print_usage_error(cause))
        replaced = interruptions and not isinstance(cause, errors.Interrupted)  # as some imports do
        code = _report(cause, interruptions[0] if replaced else errors.convert_to_stop(cause))
    if interruptions and code == 0:
        code = _report(interruptions[0], interruptions[0])
    sys.exit(code)


def _choose_verb(named: Sequence[str]) -> typer.Typer:
    """Choose the verb that is named, or all: building the parsers of all takes as long as importing NumPy."""
    found = [each for each in app.registered_commands if (each.name or getattr(each.callback, "__name__", "")) in named]
    if not found:
        return app
    chosen = copy.copy(app)
    chosen.registered_commands = found
    return chosen


def _print_usage_error(error: Any) -> int:
    """Print what is wrong with the arguments, which may hold a password, and return the exit code."""
    text = io.StringIO()
    error.show(file=text)
    console.print_message(text.getvalue())
    return int(error.exit_code)


def _report(cause: BaseException, error: errors.Stop) -> int:
    """Print an error, with the traceback of its cause if asked for, and return the exit code."""
    if console.wants_traceback():
        console.print_message("".join(traceback.format_exception(cause)))
    console.print_error(error)
    return error.exit_code


def _open_standard_streams() -> None:
    """Open what is closed of stdin, stdout and stderr, or errors would be written into the first file opened.

    Files and pipes get UTF-8, as every output; a terminal of another encoding gets escapes for what it cannot show.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8")
