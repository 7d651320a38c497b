"""Messages about files, databases and tables: what is wrong before any cell is interpreted."""

from collections.abc import Mapping

from forecaster.problems.message import Message

_RAGGED = (
    "{found:# cell|# cells} in a row of {expected:# column|# columns}"
    "{others:?, and {others:# more such row|# more such rows}}; "
)

FILES: Mapping[str, Message] = {
    "no-match": Message("no file matches this pattern", "A pattern of file names matches nothing."),
    "no-such-file": Message(
        "no such file{nearest:suggest}{missing_folder:?; the folder {missing_folder} does not exist either}",
        "The file does not exist.",
    ),
    "not-a-file": Message("not a file; expected a CSV", "The path is a folder or a device."),
    "damaged-file": Message("damaged or cut short: {reason}", "A compressed file or Parquet file cannot be decoded."),
    "too-large": Message(
        "more than {limit_gib} GiB{packed:? once decompressed}; unpack it into a file, which may be of any size, "
        "or leave out the series that you do not forecast",
        "A source that has to be held in memory is too large.",
    ),
    "too-large-for-encoding": Message(
        "too large to be read in UTF-16; save it in UTF-8", "A CSV that memory does not hold is read in UTF-8 alone."
    ),
    "too-large-for-layout": Message(
        "too large to be read with this data.layout; split it",
        "Data with one series in each row, or dates in the header, has to fit into memory.",
    ),
    "other-format": Message(
        "{kind}, not a CSV; {remedy}",
        "The file is a page, a document, a workbook or another file of no text.",
    ),
    "zip-of-several": Message(
        "a zip of {count:,} files ({files:list}); expected one: unpack it", "A zip may hold one file."
    ),
    "zip-with-password": Message("needs a password; unpack it", "The zip is encrypted."),
    "mixed-kinds": Message(
        "{parquet} is Parquet and {other} is not; name files of one kind",
        "Parquet and CSV files cannot be read together.",
    ),
    "mixed-encodings": Message(
        "the files have different encodings: {files:all}; save them in the same encoding",
        "Files that are read together have one encoding.",
    ),
    "different-columns": Message(
        "other columns than {first}: {columns:all}; expected {expected:all}",
        "Files that are read together have the same columns.",
    ),
    "not-in-encoding": Message(
        "not {encoding} text; save it in this encoding, or set {repairs}",
        "A byte does not exist in the encoding that the config names.",
    ),
    "unknown-encoding": Message(
        "not UTF-8 text (byte {byte}); name the encoding: {repairs}",
        "The bytes are valid in several encodings, so that the config has to name one.",
    ),
    "null-byte": Message("not text: a byte is 0", "A binary file, or a damaged one."),
    "control-character": Message("not text: byte {byte} is a control character", "A binary file, or a damaged one."),
    "ambiguous-delimiter": Message(
        "cells may be separated by {marks:or}; choose one: {repairs}",
        "Several delimiters cut every row into the same number of cells.",
    ),
    "not-a-csv": Message(
        "not a CSV: {reason}; check for a quote that is never closed", "The rows cannot be cut into cells."
    ),
    "unclosed-quote": Message(
        "a quote is opened here and never closed; close it, or double it",
        "The last record has a quote without its end.",
    ),
    "empty-file": Message("the file is empty; expected a header and rows", "The file holds no line."),
    "only-header": Message("only a header; expected rows below it", "The CSV has no row below its header."),
    "no-rows": Message("no rows; expected at least one", "The file or the query gives no row."),
    "no-rows-kept": Message(
        "no row in which {asked:and}; there are {found:and}", "`data.where` leaves no row of the file."
    ),
    "duplicate-column": Message("the column {name!r} is named twice; rename one", "Two columns have the same name."),
    "ragged-row": Message(
        _RAGGED + "put quotes around a cell that holds a {mark}; if the header is in another line, name it, as with "
        "data.header: 4",
        "A row has more or fewer cells than the header.",
    ),
    "cut-number": Message(
        "{cell!r} may be one number with a decimal comma, as the column behind it has no name; put quotes around such "
        "numbers, or name the column",
        "Numbers with a decimal comma are not in quotes, in a file with commas between cells.",
    ),
    "commented-header": Message(
        _RAGGED + "if lines that begin with # are comments, set {repairs}", "The first line may be a comment."
    ),
    "wrong-delimiter": Message(
        _RAGGED + "if another character separates the cells, name it with data.delimiter; if the header is in another "
        "line, name it, as with data.header: 4",
        "The header is a single cell, and the rows are not.",
    ),
    "header-is-data": Message(
        "the header looks like a row of data: {names:list}; choose --set data.header=false, which names the "
        "columns column_1, column_2, ..., or --set data.header=true",
        "The first row holds numbers or dates, so that it may be no header.",
    ),
    "labels-below-header": Message(
        "no data, but {rows:a row|# rows} of labels such as units or names below the first row: {cells:list}; set "
        "{repairs}",
        "Rows of units, codes or names follow the header.",
    ),
    "no-such-column": Message(
        "no column {name!r}{nearest:suggest}; columns: {columns:all}",
        "The config names a column that the file does not have.",
    ),
    "too-many-cells": Message(
        "{rows:,} rows of {columns:,} columns are more than {limit:,} cells; name fewer columns or rows",
        "A database or Parquet source whose cells are read as text does not fit into memory.",
    ),
    "cannot-read": Message("cannot be read: {reason}", "The operating system refuses to read the file."),
    "file-changed": Message(
        "changed while it was read; try again, or have its writer write another file and rename it",
        "Another process writes the file.",
    ),
    "stdin-closed": Message("stdin is closed; name a file", "The process has no standard input."),
    "no-temporary-space": Message(
        "{reason}; large data needs space in the folder for temporary files (TMPDIR)",
        "The folder for temporary files is full or cannot be written to.",
    ),
    "connection-lost": Message("the connection broke: {reason}; try again", "The database closed the connection."),
    "cannot-connect": Message(
        "cannot connect: {reason}{user:?; its password is read from {variable}, which is }{user:?{is_set:set|not set}}",
        "The database does not accept the connection.",
    ),
    "unknown-database": Message(
        "SQLAlchemy does not know this kind of database; expected one such as sqlite, postgresql, mysql, mssql, oracle",
        "The URL names a database that no driver exists for.",
    ),
    "not-a-database-url": Message(
        "not the URL of a database; expected one such as postgresql://user@host/db", "The URL cannot be parsed."
    ),
    "missing-driver": Message(
        "needs a driver that is not installed: pip install {package}", "The driver of the database is not installed."
    ),
    "query-failed": Message("{reason}", "The database refuses the query."),
}
