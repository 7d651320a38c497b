"""`Shard`, a share of jobs or series, for several machines: `--shard 2/4`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from forecaster.errors import UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    import numpy as np

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """A share of jobs or series.

    Attributes:
        number: from 1.
        count: of shards.
    """

    number: int
    count: int

    def select(self, items: Sequence[Item]) -> list[Item]:
        """Select every `count`-th item, beginning with the `number`-th."""
        return list(items[self.number - 1 :: self.count])

    def has(self, places: "np.ndarray") -> "np.ndarray":
        """Whether the items at some places, from 0, are in this share."""
        are_own: np.ndarray = places % self.count == self.number - 1
        return are_own

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


def parse_shard(text: str | None) -> Shard | None:
    """Parse `2/4`, the second of four shards.

    Raises:
        UsageError: the text names no shard.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text.strip(), re.ASCII)
    if not found or int(found[1]) > int(found[2]):
        expected = "NUMBER/COUNT, such as 2/4 for the second of four shards"
        raise UsageError(Problem("invalid-option", f"--shard {text}", detail={"expected": expected}))
    return Shard(int(found[1]), int(found[2]))
