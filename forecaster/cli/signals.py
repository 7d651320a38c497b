"""Ctrl-C and SIGTERM: collected, so that a training can save its state before it stops."""

import contextlib
import signal
from collections.abc import Iterator

from forecaster.errors import ForecasterError, Interrupted
from forecaster.problems import Problem


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
