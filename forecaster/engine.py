"""`Engine`, the choice of what runs tasks; `engine_workers` opens its workers."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Engine:
    """What runs tasks.

    Attributes:
        kind: processes of this machine, or workers of a Ray cluster.
        address: of the cluster: `auto`, `HOST:6379`, or `ray://HOST:10001` from outside it; None: that of
            RAY_ADDRESS, or one that is started on this machine for as long as the command lasts.
    """

    kind: Literal["processes", "ray"] = "processes"
    address: str | None = None
