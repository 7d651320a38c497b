"""How the program talks: sentences or JSON lines on stderr, and none without a terminal."""

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from forecaster.config.database_urls import masked
from forecaster.errors import InputOutputFailed

log = logging.getLogger("forecaster")


class LogFormat(StrEnum):
    """How each line on stderr looks."""

    TEXT = "text"
    JSON = "json"


class _State:
    """What the options of the running command asked for."""

    debug = False
    verbose = False
    format = LogFormat.TEXT


def _debug(value: bool) -> bool:
    _State.debug = value
    return value


def _verbose(value: bool) -> bool:
    _State.verbose = value
    return value


def _format(value: LogFormat) -> LogFormat:
    _State.format = value
    start()
    return value


Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_verbose, is_eager=True, help="Talk without a terminal, too.")
]
Debug = Annotated[bool, typer.Option("--debug", callback=_debug, is_eager=True, help="Show tracebacks.")]
Format = Annotated[LogFormat, typer.Option("--log-format", callback=_format, help="How each line on stderr looks.")]


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(line | getattr(record, "facts", {}))


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = masked(record.getMessage()), None
    return True


def start() -> None:
    """Let the log speak as the options ask."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if _State.format is LogFormat.JSON else logging.Formatter("%(message)s"))
    handler.addFilter(_mask)
    log.handlers = [handler]
    log.propagate = False
    asked = _State.verbose or _State.format is LogFormat.JSON or sys.stderr.isatty()
    log.setLevel(logging.INFO if asked else logging.ERROR)


def complain(message: str, code: int) -> None:
    """Print an error, whatever the options."""
    if _State.format is LogFormat.JSON:
        log.error(message, extra={"facts": {"exit_code": code}})
    else:
        sys.stderr.write(masked(message) + "\n")


def answer(text: str, encoding: str = "utf-8") -> None:
    """Write a result to stdout.

    Raises:
        InputOutputFailed: there is no stdout.
        OSError: it does not take the text.
    """
    if sys.stdout is None:
        raise InputOutputFailed("stdout is closed; name a file with --output")
    try:
        if encoding == "utf-8":
            sys.stdout.write(text)
        else:
            sys.stdout.buffer.write(text.encode(encoding))
        sys.stdout.flush()
    except OSError:
        drop_stdout()
        raise


def deliver(text: str, output: str, encoding: str = "utf-8") -> None:
    """Write a result to the file that is named, or to stdout where that is `-`.

    Raises:
        CannotCreate, InputOutputFailed: it cannot be written.
    """
    from forecaster.runs import write_atomically

    if output == "-":
        answer(text, encoding)
    else:
        write_atomically(Path(output), text.encode(encoding))


def drop_stdout() -> None:
    """Let what stdout has not taken go, or the interpreter would try it again at its end and fail by itself."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def wants_traceback() -> bool:
    """Whether `--debug` was given."""
    return _State.debug


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep what libraries print on stderr while they are imported, and show it only where that fails.

    TF_CPP_MIN_LOG_LEVEL does not silence TensorFlow's first lines, and cron mails every line.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("KERAS_HOME", os.devnull)  # Keras would write a settings file into the user's home
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
