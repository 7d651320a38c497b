"""Messages about stores of forecasts."""

from collections.abc import Mapping

from forecaster.problems.message import Message

STORES: Mapping[str, Message] = {
    "password-in-store": Message(
        "holds a password; remove it from the URL and set it in the environment as {variable}",
        "The password of a store's database is in the environment.",
    ),
    "unsupported-store": Message(
        "forecasts are stored in SQLite or PostgreSQL; use sqlite:///forecasts.db or postgresql://user@host/database",
        "The URL of a store names another kind of database, or no file.",
    ),
    "no-table-in-url": Message(
        "{received:?{received!r} is not the name of a table; }name a table, of letters, digits and _: "
        "{url}?table=forecasts",
        "Forecasts are written into a table that the URL names.",
    ),
    "reserved-table": Message(
        "SQLite keeps names that begin with sqlite_, such as {table}; name another table, such as table=forecasts",
        "`--output` names a table that only SQLite makes.",
    ),
    "view-as-table": Message(
        "{table} is a view, into which no rows are written; name a table, such as table=forecasts",
        "`--output` names a view of a database.",
    ),
    "table-of-a-store": Message(
        "the table {table} belongs to the store of forecasts that `forecast run` keeps here; name another table, "
        "such as table=next",
        "`--output` names a table of a store, which only `forecast run` writes.",
    ),
    "table-of-other-columns": Message(
        "the table {table} has no {missing:or}; name another table, or make it anew: --if-exists replace",
        "A table that exists does not have the columns of these forecasts.",
    ),
    "no-such-store": Message(
        "holds no forecasts yet; store the first with: forecast run jobs.yaml", "The store does not exist."
    ),
    "no-store": Message(
        "stores no forecasts; set store: sqlite:///forecasts.db", "The jobs file has the key `store: null`."
    ),
    "not-in-store": Message(
        "the store has no forecasts of this {what}{nearest:suggest}", "Nothing is stored of the job, series or version."
    ),
    "nothing-to-plot": Message(
        "the store has no forecasts in this span; name another with --since and --until", "There is nothing to draw."
    ),
    "invalid-moment": Message(
        "expected a date such as 2026-01-31, 2026-01 or '2026-01-31 06:00', in the local time of the data, or the "
        "number of a step",
        "The ends of a history are timestamps.",
    ),
    "foreign-store-table": Message(
        "has a table that forecast did not make ({tables:all}); name another database as the store",
        "The tables of a store belong to something else, or were changed.",
    ),
    "other-store-format": Message(
        "format {format}, this forecast reads format {known}; {newer:upgrade forecast|name another store}",
        "Another version of forecast wrote the store.",
    ),
    "damaged-store": Message(
        "damaged: {reason}; restore it from a backup{command:?, or move it away with its log, and the next run "
        "begins a new one: }{command}",
        "The database of a store cannot be read.",
    ),
    "unfinished-store": Message(
        "a process that wrote to it was stopped, and what it left cannot be undone without write access; read it as a "
        "user who may write it",
        "The log of an interrupted write is next to a store that may only be read.",
    ),
    "locked-store": Message(
        "other processes have written to the store for {seconds} seconds; try again",
        "Writers of a store wait for each other.",
    ),
    "store-failed": Message("the database failed: {reason}", "The database of a store refuses a statement."),
}
