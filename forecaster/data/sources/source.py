"""A source of data, resolved once: which files a path names, and what they are."""

from dataclasses import dataclass

from forecaster.data.sources import files
from forecaster.data.sources.files import (
    Paths,
    Query,
    find_files,
    is_packed,
    measure_size,
    name_source,
    read_first_bytes,
)
from forecaster.data.sources.parquet import is_parquet

_HEAD = 6  # bytes that show what a file is


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

    @property
    def shown(self) -> list[str]:
        """The files as messages name them."""
        return list(map(name_source, self.files))


def resolve_source(paths: Paths) -> Source:
    """Look up the files that are named and their kind; raise `DataError` where one is absent or their kinds differ."""
    if isinstance(paths, Query):
        return Source(paths.url, query=paths)
    heads = {name: read_first_bytes(name, _HEAD) for name in find_files(paths)}
    parquet = is_parquet(heads)
    sizes = [None if is_packed(head) else measure_size(name) for name, head in heads.items()]
    size = None if None in sizes else sum(filter(None, sizes))
    return Source(name_source(paths), tuple(heads), None, parquet, size)
