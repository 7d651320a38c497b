"""Threads next to the main one."""

import threading

import pytest

from forecaster.threads import count_threads, read_ahead


@pytest.fixture(params=["1", "2"])
def threads(request, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)
    return int(request.param)


def test_the_threads_of_a_worker_are_counted(threads):
    assert count_threads() == threads


def test_items_come_in_their_order_and_errors_after_those_before(threads):
    def read():
        yield from range(3)
        raise ValueError("damaged")

    found = []
    with pytest.raises(ValueError, match="damaged"):
        found.extend(found.append(item) for item in read_ahead(read()))
    assert [item for item in found if item is not None] == [0, 1, 2]
    assert list(read_ahead([])) == []


def test_the_next_item_is_made_while_one_is_used(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    made = [threading.Event() for _ in range(3)]

    def read():
        for number, event in enumerate(made):
            event.set()
            yield number

    items = read_ahead(read())
    assert next(items) == 0
    assert made[1].wait(10)  # the caller still uses 0
    assert not made[2].is_set()
    assert list(items) == [1, 2]
