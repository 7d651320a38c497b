"""A private PostgreSQL server, on a socket in its folder, which no network reaches."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEBIAN = Path("/usr/lib/postgresql")  # its programs are not on the PATH
# No write waits for the disk: the server lives as long as the tests.
SETTINGS = {
    "listen_addresses": "", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
    "shared_buffers": "16MB", "max_connections": "30", "max_wal_senders": "0", "wal_level": "minimal",
    "autovacuum": "off", "log_min_messages": "fatal",
}  # fmt: skip


def find_programs() -> Path:
    """The folder of initdb and pg_ctl; skips the test where there is none."""
    found = [*sorted(DEBIAN.glob("*/bin/initdb")), *filter(None, [shutil.which("initdb")])]
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found[0]).resolve().parent


def find_user() -> str | None:
    """The user to run the server as: PostgreSQL refuses to run as root. None for the user of the tests."""
    return None if os.geteuid() else "nobody"


@contextmanager
def run_postgresql(folder: Path) -> Iterator[str]:
    """Run a server; gives the URL of an empty database."""
    programs, user = find_programs(), find_user()
    data, sockets = folder / "data", folder
    if user:
        shutil.chown(folder, user)
        for parent in [folder, *folder.parents]:  # pytest's folders are closed to others
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)

    def run(*command: object) -> None:
        subprocess.run([*map(str, command)], check=True, user=user, cwd=folder, capture_output=True, timeout=60)

    run(programs / "initdb", "--no-sync", "--username=me", "--auth=trust", "--encoding=UTF8", "--pgdata", data)
    settings = {**SETTINGS, "unix_socket_directories": sockets}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    try:
        run(programs / "pg_ctl", "start", "--wait", "--pgdata", data, "--log", folder / "log", "--options", options)
        yield f"postgresql+psycopg://me@/postgres?host={sockets}"
    finally:
        subprocess.run(
            [programs / "pg_ctl", "stop", "--mode=immediate", "--pgdata", data],
            user=user,
            cwd=folder,
            check=False,
            capture_output=True,
        )
