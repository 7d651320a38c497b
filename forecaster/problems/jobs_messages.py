"""Messages about a jobs file: its keys, its jobs and the files that they share."""

from collections.abc import Mapping

from forecaster.problems.message import Message

JOBS: Mapping[str, Message] = {
    "newer-jobs-format": Message(
        "received {received}; this version reads jobs files up to format {format}: upgrade forecast",
        "A later version wrote the jobs file.",
    ),
    "config-as-jobs": Message(
        "the config of one training, without the key jobs; train it with: forecast train {config}",
        "`forecast run` takes a jobs file.",
    ),
    "jobs-as-config": Message(
        "a jobs file, which lists several trainings; run it with: forecast run {jobs}",
        "A verb that takes the config of one training was called with a jobs file.",
    ),
    "not-a-store-url": Message(
        "{path!r} is not the URL of a database; for an SQLite file, write store: sqlite:///{path}",
        "The store is a database.",
    ),
    "duplicate-job": Message(
        "{name} is the name of another job, too: {other}; rename one",
        "Names of jobs, and of the files of a pattern, differ.",
    ),
    "groups-of-pattern": Message(
        "a pattern of files, {pattern}, has a job for each file; name one file, or list those that are read together",
        "`for_each` needs data that are read together.",
    ),
    "groups-of-one-name": Message(
        "the cells {cells:and} of {within} would be one job, {name}; write them in one way, or list the cells that are "
        "meant with data.where",
        "Cells of `for_each` differ in what a name of a job leaves out.",
    ),
    "group-without-name": Message(
        "{path} would be that of every group; use {{name}} in it", "Each group of `for_each` writes other files."
    ),
    "vanished-group": Message(
        "no cell is {cell!r} any more; its job ends here, and its forecast stays as it is",
        "A cell of `for_each` that had a job is no longer in the data.",
    ),
    "killed-reader": Message(
        "the process that read the cells of for_each was killed, perhaps because memory ran out",
        "The system ended a process of `forecast run` before any job began.",
    ),
    "no-groups": Message("every cell is empty, so there is no group", "The column of `for_each` has no cells."),
    "too-many-groups": Message(
        "{groups:,} different cells, each of which would be a job; expected at most {limit:,}; is it another column?",
        "The column of `for_each` has very many cells.",
    ),
    "job-without-data": Message(
        "the job {job} has no data; add data: {job}.csv, or a config that names data, or the run of an earlier "
        "training",
        "A job names data, a config or a run.",
    ),
    "job-without-output": Message(
        "the forecast of {job} would be written nowhere; add output: out/{job}.csv, or remove store: null",
        "A job that predicts has an output, or a store.",
    ),
    "job-needs-store": Message(
        "needs the forecasts that were stored; remove store: null", "Scores and drift are those of stored forecasts."
    ),
    "retrain-without-training": Message(
        "do: {do} never trains; use do: refresh, or remove retrain",
        "The rules of retraining belong to jobs that train.",
    ),
    "job-without-scores": Message(
        "do: {do} never scores; use do: refresh, or remove {key}",
        "Limits and drift are those of scores, which a job of this kind does not compute.",
    ),
    "shared-run": Message(
        "{names:and} both train {run}; use {{name}} in it, such as run: runs/{{name}}",
        "A run is trained by one job, and used by any number.",
    ),
    "shared-output": Message(
        "{path} is {other}, too; use {{name}} in it, or another name", "Each file is written by one job."
    ),
    "output-is-data": Message(
        "{path} would be read as data of {job}; write it to another folder, such as out",
        "A forecast never replaces data, and is never read as data.",
    ),
    "no-job-config": Message("{path} does not exist{nearest:suggest}", "The config of a job does not exist."),
    "no-data-yet": Message(
        "{path} does not exist yet; the job {job} fails until it does{nearest:suggest}",
        "The data of a job may be written later.",
    ),
    "no-match-yet": Message(
        "no file matches {pattern} yet; the job {job} fails until one does", "The files of a job may be written later."
    ),
    "set-with-jobs": Message(
        "cannot go with --jobs; add the keys to the jobs file, as in defaults: {{set: {{training.epochs: 30}}}}",
        "`forecast init --jobs` chooses no settings.",
    ),
    "several-files": Message(
        "{names:list} are several files; add --jobs for a job each, or name one", "A config is written for one file."
    ),
    "config-option-for-jobs": Message(
        "cannot go with a jobs file; write the key into it", "`--data` and `--set` change the config of one training."
    ),
    "no-such-job": Message("selects no job{nearest:suggest}", "`--only` and `--tag` select jobs of the jobs file."),
}
