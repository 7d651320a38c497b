"""Ctrl-C, SIGTERM and time limits: collected, so that a training can save its state before it stops."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from forecaster.cli import console
from forecaster.errors import ForecasterError, Interrupted
from forecaster.problems import Problem

STALL_SECONDS = 8.0  # between the time limit and the end of a process that has not stopped


@contextlib.contextmanager
def collect_signals() -> Iterator[list[int]]:
    """Collect the signals that arrive within the context; a second one has its usual effect.

    The handler does not raise, because imports of TensorFlow swallow exceptions.
    """
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        received.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield received
    except Exception as error:
        if received and not isinstance(error, ForecasterError):  # a library was interrupted: Arrow cancels its reading
            raise Interrupted(Problem("interrupted"), received[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def limit_time(seconds: float | None, option: str, received: list[int]) -> Iterator[None]:
    """Collect a SIGTERM at a time limit; end the process where the context lasts much longer.

    Args:
        seconds: None for no limit.
        option: as it was given, for the messages.
        received: what `collect_signals` collects.

    Raises:
        Interrupted: what stopped at the time limit, with that reason first.
    """
    if seconds is None:
        yield
        return
    reached = threading.Event()
    stderr = os.dup(2)  # which is not this one while libraries are imported

    def stop() -> None:
        reached.set()
        received.append(signal.SIGTERM)

    def end() -> None:
        os.dup2(stderr, 2)
        problems = [Problem("time-limit", option), Problem("ended-training", detail={"seconds": STALL_SECONDS})]
        error = Interrupted(problems, signal.SIGTERM)
        console.print_error(error)
        os._exit(error.exit_code)

    timers = [threading.Timer(seconds, stop), threading.Timer(seconds + STALL_SECONDS, end)]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    except Interrupted as error:
        if not reached.is_set():
            raise
        raise Interrupted([Problem("time-limit", option), *error.problems], signal.SIGTERM) from None
    finally:
        for timer in timers:
            timer.cancel()
        os.close(stderr)
