"""Ctrl-C and SIGTERM, collected instead of obeyed at once, so that a training can save itself first."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def collected() -> Iterator[list[int]]:
    """The signals that came while the context lasts; a second one does what it always did.

    Imports of TensorFlow are why nothing is raised from the handler: they swallow exceptions.
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
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
