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
    # Workers of a Ray cluster.
    "unreachable-cluster": Message(
        "no Ray cluster answers ({reason}); start one with: ray start --head",
        "A cluster is named by --address, the jobs file or RAY_ADDRESS, and cannot be reached.",
    ),
    "address-of-processes": Message(
        "only a Ray cluster has an address; leave it out, or use engine: ray",
        "The engine is processes of this machine, and an address is given.",
    ),
    "other-version-on-node": Message(
        "{host} has version {version} of forecaster, and this machine has {own}; install the same on both",
        "The nodes of a cluster run the tasks with the package that they have installed.",
    ),
    "path-not-shared": Message(
        "{host}, a node of the cluster, has other files there or none; put them on a file system that all nodes share",
        "Tasks on the nodes of a cluster read and write the same files under the same paths.",
    ),
    "restarted-task": Message(
        "a worker of the cluster was lost ({reason}); its task starts again on another",
        "A node of a cluster ended or cannot be reached; a training continues from its checkpoint.",
    ),
    "lost-worker": Message(
        "its worker on the cluster was lost {times:# time|# times} ({reason})",
        "Several nodes were lost while they ran the same task, perhaps because it uses too much memory.",
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
