"""`Hosts`, the processes that train one network together, each on its share of every batch, and how they meet."""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from forecaster.errors import InputOutputFailed, Interrupted, UsageError
from forecaster.problems import Problem

_ADDRESS = re.compile(r"[\w.-]+:([1-9]\d{0,4})", re.ASCII)
_LAST_PORT = 65_535
_POLL = 0.2  # seconds between two looks at signals and the time
_ROUND_TRIP = 3.0  # seconds that a connection and a greeting may take
WAIT = 600.0  # seconds until all processes have to be started
_GREETING = b"forecast host %6d\n"  # equally long for any number
_ASK, _ANSWER, _START = b"?", b"!", b"."


@dataclass(frozen=True)
class Hosts:
    """The processes of a training, one on each host or for each GPU.

    Attributes:
        addresses: HOST:PORT of each, in the same order for all.
        number: of this process, from 1; the first writes the run.
    """

    addresses: tuple[str, ...]
    number: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run."""
        return self.number == 1


def parse_hosts(text: str | None, number: int | None) -> Hosts | None:
    """Parse `--hosts a:2222,b:2222 --host 2`; None where neither is given.

    Raises:
        UsageError: an address is invalid or repeated, or the number is missing or that of no host.
    """
    if text is None and number is None:
        return None
    addresses = tuple(part.strip() for part in (text or "").split(","))
    found = [_ADDRESS.fullmatch(each) for each in addresses]
    are_addresses = all(each is not None and int(each[1]) <= _LAST_PORT for each in found)  # gRPC waits at any other
    if not are_addresses or len(set(addresses)) < max(len(addresses), 2):
        expected = "--hosts with HOST:PORT of two or more processes, such as a:2222,b:2222"
        raise UsageError(Problem("invalid-option", f"--hosts {text or ''}".strip(), detail={"expected": expected}))
    if number is None or number > len(addresses):
        expected = f"--host with the number of this process, from 1 to {len(addresses)}"
        where = "--hosts" if number is None else f"--host {number}"
        raise UsageError(Problem("invalid-option", where, detail={"expected": expected}))
    return Hosts(addresses, number)


def wait_for_hosts(hosts: Hosts, received: Sequence[int], seconds: float = WAIT) -> None:
    """Wait until all processes are started; TensorFlow, which connects them then, waits without heeding signals.

    The others report to the first, which asks whether they are still there once all have, and starts them together.

    Args:
        hosts: the processes, with the number of this one.
        received: signals received so far.
        seconds: to wait.

    Raises:
        InputOutputFailed: some are not started in time, or the port of the first is in use.
        Interrupted: a signal was received.
    """
    deadline = time.monotonic() + seconds

    def check(reason: str) -> None:
        if received:
            raise Interrupted(Problem("interrupted"), received[0])
        if time.monotonic() > deadline:
            raise InputOutputFailed(Problem("lost-host", "--hosts", detail={"reason": reason}))

    if hosts.is_first:
        _gather_hosts(hosts, check)
    else:
        _report_to_first(hosts, check)


def _gather_hosts(hosts: Hosts, check: Callable[[str], None]) -> None:
    """Wait for the reports of all others, and start them."""
    port = int(hosts.addresses[0].rpartition(":")[2])
    others = range(2, len(hosts.addresses) + 1)
    present: dict[int, socket.socket] = {}
    with ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", port)))
        except OSError as error:
            reason = f"port {port}: {error.strerror}"
            raise InputOutputFailed(Problem("lost-host", "--hosts", detail={"reason": reason})) from None
        server.settimeout(_POLL)
        while len(present) < len(others):
            check(f"{', '.join(hosts.addresses[each - 1] for each in others if each not in present)} did not report")
            with contextlib.suppress(OSError):
                connection = stack.enter_context(server.accept()[0])
                connection.settimeout(_ROUND_TRIP)
                number = {_GREETING % each: each for each in others}.get(connection.recv(len(_GREETING % 0)))
                if number is not None:
                    present[number] = connection
            if len(present) == len(others):
                present = {number: each for number, each in present.items() if _is_there(each)}
        for each in present.values():
            with contextlib.suppress(OSError):  # one that ends now is found missing by TensorFlow
                each.sendall(_START)
                each.recv(1)  # it closes first, so that this port is free at once


def _is_there(connection: socket.socket) -> bool:
    """Whether the process at the other end answers."""
    with contextlib.suppress(OSError):
        connection.sendall(_ASK)
        return connection.recv(1) == _ANSWER
    return False


def _report_to_first(hosts: Hosts, check: Callable[[str], None]) -> None:
    """Report to the first process until it starts this one."""
    name, _, port = hosts.addresses[0].rpartition(":")
    reason = ""
    while True:
        check(f"{hosts.addresses[0]} cannot be reached{reason}")
        try:
            with socket.create_connection((name, int(port)), timeout=_ROUND_TRIP) as connection:
                connection.sendall(_GREETING % hosts.number)
                connection.settimeout(_POLL)
                if _wait_for_start(connection, check):
                    return
        except OSError as error:
            reason = f": {error.strerror}" if error.strerror else ""
        time.sleep(_POLL)


def _wait_for_start(connection: socket.socket, check: Callable[[str], None]) -> bool:
    """Wait until the first process starts this one; whether it does, False where it ends before."""
    while True:
        check("the first process waits for others")
        try:
            mark = connection.recv(1)
        except TimeoutError:
            continue
        if mark != _ASK:
            return mark == _START
        connection.sendall(_ANSWER)
