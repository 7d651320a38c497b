"""What is read as data or config: damaged archives, and names of what is no plain file, that is endless, or not allowed."""

import bz2
import gzip
import io
import lzma
import os
import random
import zipfile
from pathlib import Path

import pytest

from forecaster.config.load import load_config
from forecaster.data.options import Reading
from forecaster.data.read import read_series
from forecaster.default_config import load_or_propose
from forecaster.errors import ConfigError, DataError, ForecasterError, InputOutputFailed

ROWS = "".join(f"2026-01-{1 + hour // 24:02} {hour % 24:02}:00,{1.5 * hour}\n" for hour in range(150))
TEXT = f"time,load\n{ROWS}".encode()


def zipped(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("load.csv", TEXT)
    return file.getvalue()


ARCHIVES = {
    "gz": gzip.compress(TEXT, mtime=0),
    "xz": lzma.compress(TEXT),
    "deflate.zip": zipped(zipfile.ZIP_DEFLATED),
    "stored.zip": zipped(zipfile.ZIP_STORED),
    "bzip2.zip": zipped(zipfile.ZIP_BZIP2),
    "lzma.zip": zipped(zipfile.ZIP_LZMA),
}


def damage(content, generator):
    """Change, remove, insert or cut bytes."""
    damaged = bytearray(content)
    for _ in range(generator.choice([1, 1, 2, 5])):
        at = generator.randrange(len(damaged)) if damaged else 0
        match generator.randrange(4):
            case 0:
                damaged[at : at + 1] = generator.randbytes(1)
            case 1:
                del damaged[at : at + generator.randrange(1, 20)]
            case 2:
                damaged[at:at] = generator.randbytes(generator.randrange(1, 9))
            case 3:
                damaged = damaged[: at + 1]
    return bytes(damaged)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_damaged_archive_is_an_error_of_the_data_that_names_it(tmp_path, kind):
    generator, path = random.Random(kind), tmp_path / f"load.{kind}"
    for _ in range(60):
        path.write_bytes(damage(ARCHIVES[kind], generator))
        try:
            read_series(path, Reading())
            continue
        except ForecasterError as error:
            found = error
        assert isinstance(found, DataError)
        assert str(found).startswith(str(path))


def test_the_archives_are_read_where_they_are_whole(tmp_path):
    for kind, content in ARCHIVES.items():
        (tmp_path / kind).write_bytes(content)
        assert len(read_series(tmp_path / kind, Reading())[0]) == 150
    assert bz2.decompress(bz2.compress(TEXT)) == TEXT


def make_kinds(folder):
    """Names of what is no plain file."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    for name, target in {"device": "/dev/zero", "linked pipe": "pipe", "loop": "loop"}.items():
        (folder / name).symlink_to(target)
    return [
        "pipe",
        "folder",
        "device",
        "linked pipe",
        "loop",
        "nothing",
        "a" * 300,
        "folder/" * 600 + "x",
        "x\0y",
        "\ud800",
    ]


def test_data_that_is_no_plain_file_is_refused_without_waiting(tmp_path):
    for name in make_kinds(tmp_path):
        with pytest.raises((DataError, InputOutputFailed)) as refused:
            read_series(tmp_path / name, Reading())
        assert str(tmp_path) in str(refused.value)


def test_a_config_that_is_no_plain_file_is_refused_without_waiting(tmp_path):
    for name in make_kinds(tmp_path):
        path = tmp_path / f"{name[:200]}.yaml"
        if (tmp_path / name[:200]).is_symlink() or name in {"pipe", "folder"}:
            (tmp_path / name).rename(path)
        with pytest.raises(ConfigError) as refused:
            load_config(path)
        assert str(path) in str(refused.value)
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(ConfigError, match="larger than the 1,048,576 bytes"):
        load_config(tmp_path / "huge.yaml")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_unreadable_folder_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    (folder / "load.csv").write_bytes(TEXT)
    (folder / "load.yaml").write_text("data: {path: load.csv}")
    monkeypatch.chdir("/")
    try:
        os.seteuid(65534)
        with pytest.raises(InputOutputFailed, match=r"load.csv: cannot be read: Permission denied"):
            read_series(folder / "load.csv", Reading())
        with pytest.raises((DataError, InputOutputFailed), match=r"private"):
            read_series(folder / "*.csv", Reading())
        with pytest.raises(ConfigError, match=r"load.yaml: cannot be read: Permission denied"):
            load_config(folder / "load.yaml")
    finally:
        os.seteuid(0)


def test_a_name_that_is_too_long_is_that_of_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputOutputFailed, match=r"a{300}\.csv: cannot be read: File name too long"):
        load_or_propose(Path(f"{'a' * 300}.csv"))
