"""A source of data, resolved once: which files a path names, and what they are."""

from dataclasses import dataclass
from functools import cached_property

from forecaster.data.sources import files
from forecaster.data.sources.files import (
    STDIN,
    Paths,
    Query,
    find_files,
    is_packed,
    measure_size,
    name_source,
    read_bytes,
    read_first_bytes,
)
from forecaster.errors import DataError
from forecaster.problems import Problem

SMALL = 4 << 20  # bytes up to which reading line by line takes less time than importing pandas
_HEAD = 6  # bytes that show what a file is
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class Source:
    """What a path, a pattern, a list of paths or a query names.

    Attributes:
        name: in messages.
        files: in the order in which they are read; none for a query.
        size: bytes of all files, None where one is packed or comes from a pipe, so that it is read as a whole.
    """

    name: str
    files: tuple[str, ...] = ()
    query: Query | None = None
    parquet: bool = False
    size: int | None = None

    @property
    def is_typed(self) -> bool:
        """Whether its columns have types."""
        return self.parquet or self.query is not None

    @property
    def is_large(self) -> bool:
        """Whether it is text that is not read at once."""
        return not self.is_typed and self.size is not None and self.size > files.MAX_BYTES

    @cached_property
    def content(self) -> bytes | None:
        """The bytes of a small file that is not packed, read once; None for another one, and for several files."""
        is_one = len(self.files) == 1 and self.files[0] != STDIN and not (self.is_typed or self.is_large)
        is_small = is_one and self.size is not None and self.size <= SMALL
        return read_bytes(self.files[0]) if is_small else None


def resolve_source(paths: Paths) -> Source:
    """Look up the files that are named and their kind; raise `DataError` where one is absent or their kinds differ."""
    if isinstance(paths, Query):
        return Source(paths.url, query=paths)
    heads = {name: read_first_bytes(name, _HEAD) for name in find_files(paths)}
    kinds = {name: head.startswith(_PARQUET) for name, head in heads.items()}
    if len(set(kinds.values())) > 1:
        one, other = (name_source(next(name for name in kinds if kinds[name] is kind)) for kind in (True, False))
        raise DataError(Problem("mixed-kinds", detail={"parquet": one, "other": other}))
    sizes = [None if is_packed(head) else measure_size(name) for name, head in heads.items()]
    size = None if None in sizes else sum(filter(None, sizes))
    return Source(name_source(paths), tuple(heads), None, all(kinds.values()), size)
