"""Threads: how many a process may use, and a reader that is an item ahead in another thread."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

Item = TypeVar("Item")


def count_threads() -> int:
    """Count the threads of this process: the share of a worker process, or the cores of the machine."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(threads) if threads.isdecimal() else os.cpu_count() or 1, 1)


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Iterate over items of which another thread makes the next one while the caller uses one.

    Readers and writers of arrays hold the interpreter for little of their time, so that two threads use two cores.
    """
    if count_threads() == 1:
        yield from items
        return
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        ahead: Any = pool.submit(next, iterator, end)
        while (item := ahead.result()) is not end:
            ahead = pool.submit(next, iterator, end)
            yield cast(Item, item)
