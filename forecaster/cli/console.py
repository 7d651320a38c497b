"""Output: results on stdout, messages as text or JSON lines on stderr, which are off without a terminal."""

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from forecaster.cli.options import ReportFormat
from forecaster.errors import InputOutputFailed, Stop, make_output_error
from forecaster.extras import configure_libraries
from forecaster.problems import Problem

log = logging.getLogger("forecaster")


class LogFormat(StrEnum):
    """Format of the lines on stderr."""

    TEXT = "text"
    JSON = "json"


class _State:
    """Options of the running command."""

    debug = False
    verbose = False
    format = LogFormat.TEXT


def _set_debug(value: bool) -> bool:
    _State.debug = value
    return value


def _set_verbose(value: bool) -> bool:
    _State.verbose = value
    return value


def _set_format(value: LogFormat) -> LogFormat:
    _State.format = value
    configure_logging()
    return value


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_set_verbose,
        is_eager=True,
        help="Print progress even when stderr is not a terminal.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", callback=_set_debug, is_eager=True, help="Print tracebacks.")]
Format = Annotated[LogFormat, typer.Option("--log-format", callback=_set_format, help="Format of messages on stderr.")]


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(line | getattr(record, "facts", {}))


def _mask(record: logging.LogRecord) -> bool:
    """Hide passwords; problems among the arguments become facts of the line."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    problems = [argument for argument in arguments if isinstance(argument, Problem)]
    if problems:
        record.facts = getattr(record, "facts", {}) | {"problems": _problems_to_json(problems)}
    record.msg, record.args = _mask_text(record.getMessage()), None
    return True


def _mask_text(text: str) -> str:
    """Hide passwords in a text."""
    from forecaster.config.database_urls import mask_passwords  # the package takes longer to import than `--help`

    return mask_passwords(text)


def _problems_to_json(problems: Iterable[Problem]) -> list[Any]:
    return [_mask_texts(problem.to_json()) for problem in problems]


def _mask_texts(value: Any) -> Any:
    """Hide passwords in every text of a JSON value."""
    if isinstance(value, str):
        return _mask_text(value)
    if isinstance(value, dict):
        return {key: _mask_texts(each) for key, each in value.items()}
    return [_mask_texts(each) for each in value] if isinstance(value, list | tuple) else value


class _Printer(logging.StreamHandler[TextIO]):
    """Prints the log on stderr as long as stderr accepts it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name that logging calls
        """Discard the line where stderr is full or closed; report any other error as logging does."""
        if isinstance(sys.exc_info()[1], OSError):
            _discard(sys.stderr)
        else:
            super().handleError(record)


def configure_logging() -> None:
    """Set the level and format of the log from the options."""
    handler = _Printer(sys.stderr)
    handler.setFormatter(_JsonLines() if _State.format is LogFormat.JSON else logging.Formatter("%(message)s"))
    handler.addFilter(_mask)
    log.handlers = [handler]
    log.propagate = False
    # matplotlib warns of a home that it cannot write to, and uses a temporary folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    asked = _State.verbose or _State.format is LogFormat.JSON or sys.stderr.isatty()
    log.setLevel(logging.INFO if asked else logging.WARNING)


class _NoticeKeeper(logging.Handler):
    """Keeps the notices among what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[Problem] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notices += [each for each in record.args or () if isinstance(each, Problem)]


def keep_notices(format: ReportFormat) -> list[Problem]:
    """Keep the notices of what follows for `format_json`, printed or not; the list grows with them.

    Nothing is kept for another format than JSON.
    """
    keeper = _NoticeKeeper()
    if format is ReportFormat.JSON:
        for printer in log.handlers:
            printer.setLevel(log.level)
        log.setLevel(logging.INFO)
        log.handlers.insert(0, keeper)  # before a printer replaces the arguments of the record by its text
    return keeper.notices


def format_json(facts: Mapping[str, Any], notices: Iterable[Problem], errors: Iterable[Problem] = ()) -> str:
    """Write facts as JSON, with errors and notices as `problems`: each with its level and every field."""
    levels = [("error", errors), ("note", dict.fromkeys(notices))]
    problems = [{"level": level, **each} for level, some in levels for each in _problems_to_json(some)]
    return json.dumps({**facts, "problems": problems}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def print_error(error: Stop) -> None:
    """Print an error, regardless of the options; as JSON with every problem."""
    if _State.format is LogFormat.JSON:
        facts = {"exit_code": error.exit_code, "problems": _problems_to_json(error.problems)}
        log.error("%s", str(error), extra={"facts": facts})
    else:
        print_message(str(error) + "\n")


def print_message(text: str) -> None:
    """Write a message to stderr, without its passwords; a stderr that is full or closed changes nothing else."""
    try:
        sys.stderr.write(_mask_text(text))
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def print_result(content: str | bytes, encoding: str = "utf-8") -> None:
    """Write a result to stdout.

    Raises:
        CannotCreate, InputOutputFailed: there is no stdout, or it cannot be written.
        Exit: nobody reads it any more.
    """
    if sys.stdout is None:
        raise InputOutputFailed(Problem("stdout-closed"))
    try:
        if isinstance(content, str) and encoding == "utf-8":
            sys.stdout.write(content)
        else:
            sys.stdout.buffer.write(content if isinstance(content, bytes) else content.encode(encoding))
        sys.stdout.flush()
    except OSError as error:
        drop_stdout()
        if isinstance(error, BrokenPipeError):  # the reader is gone, and a message would have no reader
            raise typer.Exit(InputOutputFailed.exit_code) from None
        raise make_output_error(error, "stdout") from None


def write_result(content: str | bytes | Iterable[bytes], output: str, encoding: str = "utf-8") -> None:
    """Write a result, whole or in parts, to a file, or to stdout for `-`.

    Raises:
        CannotCreate, InputOutputFailed: the file cannot be written.
    """
    from forecaster.atomic_files import write_atomically

    if output == "-":
        for part in [content] if isinstance(content, str | bytes) else content:
            print_result(part, encoding)
    else:
        write_atomically(Path(output), content.encode(encoding) if isinstance(content, str) else content)


def write_picture(figure: Any, path: Path) -> None:
    """Write a figure to a file, as PNG, SVG or PDF by its suffix.

    Args:
        figure: of matplotlib.
        path: of the file.

    Raises:
        CannotCreate, InputOutputFailed: the file cannot be written.
    """
    from forecaster.atomic_files import write_atomically
    from forecaster.reporting.figures import render_figure

    write_atomically(path, render_figure(figure, path.suffix))


def drop_stdout() -> None:
    """Discard what stdout has not accepted."""
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Send a stream to nowhere, or the interpreter would fail at exit when it flushes what was not accepted."""
    handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, stream.fileno())
    os.close(handle)


def is_verbose() -> bool:
    """Return whether `--verbose` was given."""
    return _State.verbose


def wants_traceback() -> bool:
    """Return whether `--debug` was given."""
    return _State.debug


@contextlib.contextmanager
def silence_imports() -> Iterator[None]:
    """Hold back what libraries print on stderr while they are imported; print it if an import fails.

    TF_CPP_MIN_LOG_LEVEL does not silence TensorFlow's first lines, and cron mails every line.
    """
    configure_libraries()
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except ImportError:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
