"""Messages about files, databases and tables: what is wrong before any cell is interpreted."""

from collections.abc import Mapping

from forecaster.problems.message import Message

_CSV = {"where": "power.csv"}
_LINE = {"where": "power.csv:7"}

_RAGGED = (
    "{found:# cell|# cells} in a row of {expected:# column|# columns}"
    "{others:?, and {others:# more such row|# more such rows}}; "
)

FILES: Mapping[str, Message] = {
    "no-match": Message(
        "no file matches this pattern",
        "A pattern of file names matches nothing.",
        {"where": "load-*.csv"},
    ),
    "no-such-file": Message(
        "no such file{nearest:suggest}{missing_folder:?; the folder {missing_folder} does not exist either}",
        "The file does not exist.",
        {"where": "power.cvs", "detail": {"nearest": "power.csv", "missing_folder": ""}},
    ),
    "not-a-file": Message("not a file; expected a CSV", "The path is a folder or a device.", {"where": "data"}),
    "damaged-file": Message(
        "damaged or cut short: {reason}",
        "A compressed file or Parquet file cannot be decoded.",
        {"where": "power.csv.gz", "detail": {"reason": "Compressed file ended early"}},
    ),
    "too-large": Message(
        "more than {limit_gib} GiB{packed:? once decompressed}; unpack it into a file, which may be of any size, "
        "or leave out the series that you do not forecast",
        "A source that has to be held in memory is too large.",
        {"where": "power.csv.gz", "detail": {"limit_gib": 1, "packed": True}},
    ),
    "too-large-for-encoding": Message(
        "too large to be read in UTF-16; save it in UTF-8",
        "A CSV that memory does not hold is read in UTF-8 alone.",
        _CSV,
    ),
    "too-large-for-layout": Message(
        "too large to be read with layout: rows; split it",
        "A CSV with one series in each row has to fit into memory.",
        _CSV,
    ),
    "spreadsheet": Message(
        "a spreadsheet; export the sheet as CSV", "Spreadsheets are not read.", {"where": "power.xlsx"}
    ),
    "zip-of-several": Message(
        "a zip of {count:,} files ({files:list}); expected one: unpack it",
        "A zip may hold one file.",
        {"where": "power.zip", "detail": {"count": 2, "files": ["a.csv", "b.csv"]}},
    ),
    "zip-with-password": Message("needs a password; unpack it", "The zip is encrypted.", {"where": "power.zip"}),
    "mixed-kinds": Message(
        "{parquet} is Parquet and {other} is not; name files of one kind",
        "Parquet and CSV files cannot be read together.",
        {"detail": {"parquet": "a.parquet", "other": "b.csv"}},
    ),
    "mixed-encodings": Message(
        "the files have different encodings: {files:all}; save them in the same encoding",
        "Files that are read together have one encoding.",
        {"detail": {"files": ["a.csv in utf-8", "b.csv in latin-1"]}},
    ),
    "different-columns": Message(
        "other columns than {first}: {columns:all}; expected {expected:all}",
        "Files that are read together have the same columns.",
        {"where": "b.csv:1", "detail": {"first": "a.csv", "columns": ["day"], "expected": ["day", "load"]}},
    ),
    "not-in-encoding": Message(
        "not {encoding} text; save it in this encoding, or set {repairs}",
        "A byte does not exist in the encoding that the config names.",
        {
            **_LINE,
            "detail": {"encoding": "UTF-8"},
            "repairs": tuple({"data.encoding": name} for name in ("auto", "utf-16", "latin-1", "cp1252")),
        },
    ),
    "unknown-encoding": Message(
        "not UTF-8 text (byte {byte}); name the encoding: {repairs}",
        "The bytes are valid in several encodings, so that the config has to name one.",
        {
            **_LINE,
            "detail": {"byte": "0x80"},
            "repairs": tuple({"data.encoding": name} for name in ("cp1252", "latin-1", "utf-16")),
        },
    ),
    "null-byte": Message("not text: a byte is 0", "A binary file, or a damaged one.", _LINE),
    "control-character": Message(
        "not text: byte {byte} is a control character",
        "A binary file, or a damaged one.",
        {**_LINE, "detail": {"byte": 27}},
    ),
    "ambiguous-delimiter": Message(
        "cells may be separated by {marks:or}; choose one: {repairs}",
        "Several delimiters cut every row into the same number of cells.",
        {
            **_CSV,
            "detail": {"marks": ["','", "';'"]},
            "repairs": ({"data.delimiter": ","}, {"data.delimiter": ";"}),
        },
    ),
    "not-a-csv": Message(
        "not a CSV: {reason}; check for a quote that is never closed",
        "The rows cannot be cut into cells.",
        {**_CSV, "detail": {"reason": "field larger than field limit (131072)"}},
    ),
    "unclosed-quote": Message(
        "a quote is opened here and never closed; close it, or double it",
        "The last record has a quote without its end.",
        _LINE,
    ),
    "empty-file": Message("the file is empty; expected a header and rows", "The file holds no line.", _CSV),
    "only-header": Message("only a header; expected rows below it", "The CSV has no row below its header.", _CSV),
    "no-rows": Message("no rows; expected at least one", "The file or the query gives no row.", _CSV),
    "duplicate-column": Message(
        "the column {name!r} is named twice; rename one",
        "Two columns have the same name.",
        {"where": "power.csv:1", "detail": {"name": "load"}},
    ),
    "ragged-row": Message(
        _RAGGED + "put quotes around a cell that holds a {mark}",
        "A row has more or fewer cells than the header.",
        {**_LINE, "detail": {"found": 3, "expected": 2, "others": 1, "mark": "comma"}},
    ),
    "commented-header": Message(
        _RAGGED + "if lines that begin with # are comments, set {repairs}",
        "The first line may be a comment.",
        {
            **_LINE,
            "detail": {"found": 3, "expected": 1, "others": 8, "mark": "comma"},
            "repairs": ({"data.comment": "#"},),
        },
    ),
    "wrong-delimiter": Message(
        _RAGGED + "if another character separates the cells, name it with data.delimiter",
        "The header is a single cell, and the rows are not.",
        {**_LINE, "detail": {"found": 2, "expected": 1, "others": 8, "mark": "comma"}},
    ),
    "header-is-data": Message(
        "the header looks like a row of data: {names:list}; choose --set data.header=false, which names the columns "
        "column_1, column_2, ..., or --set data.header=true",
        "The first row holds numbers or dates, so that it may be no header.",
        {
            "where": "power.csv:1",
            "detail": {"names": ["'2026-01-01'", "'5.2'"]},
            "repairs": ({"data.header": False}, {"data.header": True}),
        },
    ),
    "no-such-column": Message(
        "no column {name!r}{nearest:suggest}; columns: {columns:all}",
        "The config names a column that the file does not have.",
        {"where": "power.csv:1", "detail": {"name": "lode", "nearest": "load", "columns": ["day", "load"]}},
    ),
    "too-many-cells": Message(
        "{rows:,} rows of {columns:,} columns are more than {limit:,} cells; name fewer columns or rows, or a CSV, "
        "which may be of any size",
        "A database or Parquet source does not fit into memory.",
        {"where": "power.parquet", "detail": {"rows": 10**9, "columns": 2, "limit": 134_217_728}},
    ),
    "cannot-read": Message(
        "cannot be read: {reason}",
        "The operating system refuses to read the file.",
        {**_CSV, "detail": {"reason": "Permission denied"}},
    ),
    "file-changed": Message(
        "changed while it was read; try again, or have its writer write another file and rename it",
        "Another process writes the file.",
        _CSV,
    ),
    "stdin-closed": Message("stdin is closed; name a file", "The process has no standard input.", {"where": "stdin"}),
    "no-temporary-space": Message(
        "{reason}; a large CSV needs space in the folder for temporary files (TMPDIR)",
        "The folder for temporary files is full or cannot be written to.",
        {"where": "/tmp", "detail": {"reason": "No space left on device"}},
    ),
    "connection-lost": Message(
        "the connection broke: {reason}; try again",
        "The database closed the connection.",
        {"where": "postgresql://me@host/sales", "detail": {"reason": "server closed the connection"}},
    ),
    "cannot-connect": Message(
        "cannot connect: {reason}{user:?; its password is read from {variable}, which is }{user:?{is_set:set|not set}}",
        "The database does not accept the connection.",
        {
            "where": "postgresql://me@host/sales",
            "detail": {
                **{"reason": "connection refused", "user": True, "variable": "FORECAST_SQL_PASSWORD"},
                **{"is_set": False},
            },
        },
    ),
    "unknown-database": Message(
        "SQLAlchemy does not know this kind of database; expected one such as sqlite, postgresql, mysql, mssql, oracle",
        "The URL names a database that no driver exists for.",
        {"where": "postgre://me@host/sales"},
    ),
    "not-a-database-url": Message(
        "not the URL of a database; expected one such as postgresql://user@host/db",
        "The URL cannot be parsed.",
        {"where": "sqlite://"},
    ),
    "missing-driver": Message(
        "needs a driver that is not installed: pip install {package}",
        "The driver of the database is not installed.",
        {"where": "mysql://me@host/sales", "detail": {"package": "MySQLdb"}},
    ),
    "query-failed": Message(
        "{reason}",
        "The database refuses the query.",
        {"where": "sqlite:///sales.db", "column": "data.query", "detail": {"reason": "no such table: sales"}},
    ),
}
