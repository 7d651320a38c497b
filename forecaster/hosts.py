"""`Hosts`, the processes that train one network together, each on its share of every batch."""

import re
from dataclasses import dataclass

from forecaster.errors import UsageError
from forecaster.problems import Problem

_ADDRESS = re.compile(r"[\w.-]+:([1-9]\d{0,4})", re.ASCII)
_LAST_PORT = 65_535


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
