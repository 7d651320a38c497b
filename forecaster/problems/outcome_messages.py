"""Messages about what becomes of jobs: failures of their processes, limits, interruptions and their status."""

from collections.abc import Mapping

from forecaster.problems.message import Message

OUTCOMES: Mapping[str, Message] = {
    "locked-jobs": Message(
        "another forecast run is at work on this folder; try again when it has finished",
        "One `forecast run` at a time works on the jobs of a folder.",
    ),
    "status-of-other-jobs": Message(
        "is the status of {other}, which is in the same folder; move {file} to another folder, or remove {other}",
        "A folder has one jobs file, since jobs files share nothing.",
    ),
    "damaged-status": Message(
        "cannot be used ({reason}); it is kept as {aside}, and a new one is begun",
        "The status of jobs is written again; what it recorded as done is done again, with the same result.",
    ),
    "crashed-job": Message(
        "its process ended with {end}{killed:?, perhaps because memory ran out}; find out why with: forecast run "
        "{file} --only {job} --verbose",
        "A library crashed, or the system ended the process; other jobs are not affected.",
    ),
    "job-memory": Message(
        "it used more than its memory of {limit}; use a larger memory, or shorten training.batch_size and the data",
        "The process of a job was ended at its limit of memory.",
    ),
    "out-of-memory": Message(
        "memory ran out; use fewer processes with --jobs, or shorten the data", "The system has no more memory."
    ),
    "job-timeout": Message(
        "the time limit of {limit} was reached; use a longer timeout: the next run resumes a training from its "
        "checkpoint",
        "A job was stopped at its time limit.",
    ),
    "ended-job": Message(
        "it did not stop within {seconds:.0f} seconds and was ended", "A job that hangs is ended by the system."
    ),
    "untrusted-job-database": Message(
        "its run names the database {url}; add the config of the run to the job if you trust it, or data",
        "A database is sent a password, so that a run from elsewhere may not choose it.",
    ),
    "interrupted-run": Message(
        "interrupted with {left:# job left|# jobs left}; the next forecast run continues", "Ctrl-C or SIGTERM."
    ),
    "run-time-limit": Message(
        "the time limit was reached with {left:# job left|# jobs left}; the next forecast run continues",
        "`--timeout` of `forecast run`.",
    ),
}
