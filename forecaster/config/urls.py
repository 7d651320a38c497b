"""URLs of databases, as `data.path` names them: without a password, which is in the environment."""

import re
from pathlib import Path

from forecaster.masking import IN_PARAMETER, IN_URL

_SCHEME = re.compile(r"[A-Za-z][\w.-]*(?:\+\w+)?://")
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^?]+)(.*)", re.DOTALL)


def is_url(path: str) -> bool:
    """Whether a path is the URL of a database."""
    return _SCHEME.match(path) is not None


def has_password(url: str) -> bool:
    """Whether a password stands in a URL."""
    return bool(IN_URL.search(url) or IN_PARAMETER.search(url))


def absolute_url(url: str, base: Path) -> str:
    """A URL as seen from everywhere: the file of an SQLite database may be relative to a folder."""
    if not (found := _SQLITE.fullmatch(url)):
        return url
    return f"{found[1]}{(base / Path(found[2]).expanduser()).resolve()}{found[3]}"
