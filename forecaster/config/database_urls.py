"""URLs of databases, as `data.path` names them: without a password, which is in the environment."""

import os
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

_SCHEME = re.compile(r"[A-Za-z][\w.-]*(?:\+\w+)?://")
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^?]+)(.*)", re.DOTALL)


def is_url(path: str) -> bool:
    """Whether a path is the URL of a database."""
    return _SCHEME.match(path) is not None


def has_password(url: str) -> bool:
    """Whether a URL holds a password."""
    return bool(IN_URL.search(url) or IN_PARAMETER.search(url))


def make_url_absolute(url: str, base: Path) -> str:
    """Make the path of an SQLite database in a URL absolute; it may be relative to a folder."""
    if not (found := _SQLITE.fullmatch(url)):
        return url
    return f"{found[1]}{(base / Path(found[2]).expanduser()).resolve()}{found[3]}"


def find_sqlite_path(url: str) -> str | None:
    """Find the path in the URL of an SQLite file; None where it names anything else, or has options."""
    found = _SQLITE.fullmatch(url)
    return found[2] if found and not found[3] else None


def is_server(url: str) -> bool:
    """Whether a URL names more than an SQLite file: a server, which is sent a password."""
    return _SQLITE.fullmatch(url) is None


PASSWORD = "FORECAST_SQL_PASSWORD"

# pathlib makes `:/` of `://`. A password may hold blanks, where it does not begin like a port.
IN_URL = re.compile(r"(:/{1,2}[^\s:/@]*?)(?::|%3[aA])(?:\S*@|(?!\d+(?:[/?:]|$))[^@\n]*@(?:\S*@)?)")
IN_PARAMETER = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|(?<![a-z])(?:pass|api[-_]?key|auth|key|credentials?))(?:=|%3d))[^\s&;'\"]+"
)
_SHORT, _LONG = 4, 8  # characters of a password from which it is hidden as a word, and wherever it occurs


def mask_passwords(text: str) -> str:
    """Replace each password in a URL, and the one in the environment, by `***`.

    A password of few letters is hidden only where it is one, since every message has these letters.
    """
    text = IN_PARAMETER.sub(r"\1***", IN_URL.sub(r"\1:***@", text))
    password = os.environ.get(PASSWORD, "")
    for secret in {password, quote(password, safe=""), quote_plus(password)}:
        if len(secret) >= _LONG:
            text = text.replace(secret, "***")
        elif len(secret) >= _SHORT:  # it may be a part of usual words
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
