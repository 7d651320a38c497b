"""What a file is that is no CSV, by the bytes that it begins with."""

import re

from forecaster.errors import DataError
from forecaster.problems import Problem

_SIZE = 1024  # bytes that show it
_EXPORT = "export the sheet as CSV"
_UNPACK = "unpack it"
_DOWNLOAD = "download the file itself: the link may need a login, or lead to a page that shows the file"
_TABLE = "write the table as CSV or Parquet"
# What files begin with, what they are, and what to do.
_KINDS = [
    (rb"%PDF-", "a PDF", "export the table in it as CSV"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls) or another Office file", _EXPORT),
    (rb"\{\\rtf", "a rich text document", "save it as plain text"),
    (rb"version https://git-lfs\.github\.com/spec/", "a Git LFS pointer", "fetch the file itself: git lfs pull"),
    (rb"SQLite format 3\0", "an SQLite database", "name it as data.path: sqlite:///FILE, with a data.query"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _TABLE),
    (rb"CDF[\x01\x02\x05]", "a NetCDF file", _TABLE),
    (rb"\x93NUMPY", "a NumPy array", _TABLE),
    (rb"ARROW1\0|FEA1\0", "an Arrow or Feather file", _TABLE),
    (rb"ORC[^\t\n\r -~]|Obj\x01", "an ORC or Avro file", _TABLE),
    (rb"\x80[\x02-\x05]", "a Python pickle", _TABLE),
    (rb"RD[AX][23]\n", "an R workspace", _TABLE),
    (rb"\$FL2@|\$FL3@", "an SPSS file", _TABLE),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "a picture", "name the file with the numbers"),
    (rb"BZh[1-9]", "compressed by bzip2", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "compressed by Zstandard", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a", "an archive (7z or RAR)", _UNPACK),
    (rb"\x1f\x8b|\xfd7zXZ\0|PK\x03\x04", "compressed twice", _UNPACK),
    (rb".{257}ustar", "a tar archive", _UNPACK),
    (rb"(?i:\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|table|script)\b)", "an HTML page", _DOWNLOAD),
    (rb"\s*<\?xml", "an XML document", _TABLE),
    (rb'\s*(?:\{\s*(?:"[^"\n]*"\s*:|\})|\[\s*(?:[\[{]|-?\d[\d.eE+-]*\s*,|\]))', "JSON", _TABLE),
]
_PATTERNS = [(re.compile(begin, re.DOTALL), kind, remedy) for begin, kind, remedy in _KINDS]
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")  # of byte order


def check_kind(data: bytes, name: str) -> None:
    """Raise `DataError` where a decompressed file is known to be no CSV."""
    head = data[:_SIZE]
    for mark in _MARKS:
        head = head.removeprefix(mark)
    if data.startswith(_MARKS[1:]):  # UTF-16, of which ASCII is every other byte
        head = head.replace(b"\0", b"")
    for begin, kind, remedy in _PATTERNS:
        if begin.match(head):
            raise DataError(Problem("other-format", name, detail={"kind": kind, "remedy": remedy}))


def describe_zip(members: list[str]) -> tuple[str, str] | None:
    """Describe a document that is a zip of several files, and what to do; None for an archive."""
    names = set(members)
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook (.xlsx)", _EXPORT
    if any(name.endswith(".iwa") or name.startswith("Index") for name in names):
        return "an Apple Numbers document", _EXPORT
    if {"mimetype", "content.xml"} <= names:
        return "an OpenDocument spreadsheet (.ods)", _EXPORT
    if "[Content_Types].xml" in names:
        return "an Office document", _EXPORT
    if names and all(name.endswith(".npy") for name in names):
        return "NumPy arrays (.npz)", _TABLE
    return None
