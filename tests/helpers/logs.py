"""What is logged, whatever earlier tests have set."""

import contextlib
import logging
from collections.abc import Iterator


class _Keeper(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self.records = records

    def emit(self, record):
        self.records.append(record)


@contextlib.contextmanager
def keep_log(level: int = logging.INFO) -> Iterator[list[logging.LogRecord]]:
    """Keep what the program logs from a level on."""
    log, records = logging.getLogger("forecaster"), []
    keeper, before = _Keeper(records), log.level
    log.addHandler(keeper)
    log.setLevel(level)
    try:
        yield records
    finally:
        log.removeHandler(keeper)
        log.setLevel(before)
