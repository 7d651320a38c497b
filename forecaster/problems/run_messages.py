"""Messages about options, runs, trainings and outputs."""

from collections.abc import Mapping

from forecaster.problems.message import Message

_RESUME = "; resume with the same command and --resume"

RUNS: Mapping[str, Message] = {
    # Options.
    "url-as-argument": Message(
        "a database URL needs a YAML: write data: {{path: URL, query: SELECT ...}} into one and name it",
        "A database is named in a config, with its query.",
    ),
    "data-of-data": Message(
        "--data is for a config, and {source} is a data file", "`--data` replaces the data file of a config."
    ),
    "folder-not-empty": Message(
        "the folder is not empty; name a new one with --output", "An export writes into a new or empty folder."
    ),
    "tracking-failed": Message(
        "the training is not recorded completely: {reason}", "A tracker failed, which stops no training."
    ),
    "export-without-example": Message(
        "exported without example.py, which does not compute {part}; README.md describes inputs and outputs",
        "Notice: the example of an export does not compute every forecast.",
    ),
    "not-exportable": Message(
        "{part} cannot be exported to {format}: {reason}; export to onnx instead: forecast export {run} --to onnx",
        "Another library has no such part of a network.",
    ),
    "no-frame-or-run": Message(
        'there is nothing to forecast: give a frame, a run, or both: forecaster.predict(frame, "runs/name")',
        "`forecaster.predict` is called without a frame and without a run.",
    ),
    "not-a-frame": Message(
        "a pandas DataFrame or Series is needed, received {received}; for a file: pandas.read_csv(path)",
        "A function of the Python API takes a frame.",
    ),
    "other-keras-backend": Message(
        "Keras is loaded with the backend {backend}, and a training needs tensorflow; set KERAS_BACKEND=tensorflow "
        "before Keras is imported",
        "A Python process has imported Keras with another backend.",
    ),
    "option-of-a-run": Message(
        "{source} is data, and this option needs a trained network: {command}",
        "The forecast of a file, without a run, has no such option.",
    ),
    "option-of-a-run-report": Message(
        "this option is for the report of a run, and this is another", "Backtests and stores hold their data."
    ),
    "damaged-backtest": Message(
        "its files are not those of a finished backtest ({reason}); run the backtest again",
        "A file in the folder of a backtest was changed.",
    ),
    "key-not-used": Message(
        "a forecast without training does not use {key}; it uses data (without covariates, calendar, transform and "
        "difference), checks, forecast.levels, forecast.columns and forecast.reconcile",
        "The forecast of a file, without a run, has no network to set up.",
    ),
    "invalid-option": Message("expected {expected}", "The value of an option cannot be used."),
    "not-a-picture": Message(
        "pictures are PNG, SVG or PDF files; use --plot {instead}", "Pictures are PNG, SVG or PDF files."
    ),
    "not-an-output-format": Message(
        "it is not written as {ending}; use {option} {instead}",
        "The ending of a name is that of another kind of file than the output.",
    ),
    "not-an-anomaly-file": Message(
        "anomalies are written as CSV, JSON, PNG, SVG or PDF; use --anomalies {instead}",
        "The ending of a name chooses the format of its file.",
    ),
    "rate-without-anomalies": Message(
        "add --anomalies anomalies.csv, whose rate it is", "--rate is the rate of false alarms among --anomalies."
    ),
    "not-a-yaml-name": Message("the name of a config ends in .yaml", "Configs are YAML files."),
    "same-output": Message(
        "{names:all}: --output, --samples, --plot and --anomalies need a file each", "Two outputs have the same name."
    ),
    "output-exists": Message(
        "exists and is not overwritten; move it, or name another file with --output",
        "Configs that you may have edited are never overwritten.",
    ),
    "name-not-utf-8": Message(
        "its name is not UTF-8, and no YAML can hold it; rename the file or its folder",
        "A config is UTF-8, and names its data.",
    ),
    "output-of-other-search": Message(
        "exists and is not from this search; move it, or name another file with --output",
        "A search overwrites only configs that it wrote.",
    ),
    "config-of-other-data": Message(
        "exists and names other data ({data}); name the config to train with, or move it",
        "The config next to a CSV belongs to another CSV.",
    ),
    "no-such-member": Message("this run has {count:# network|# networks}", "The ensemble has fewer networks."),
    "horizon-too-long": Message(
        "this network was trained for {steps:# step|# steps}, and decoder {decoder} forecasts no more; train with "
        "window.horizon: {horizon}, use a shorter horizon, or train with model.decoder: rollout, which forecasts any "
        "number",
        "A direct decoder has a fixed horizon.",
    ),
    "level-not-learnt": Message(
        "this network learnt the quantiles {quantiles:all}, which reach level {reach:g}; use a lower level, or "
        "train with more in model.quantiles",
        "An interval lies between two quantiles that the network learnt.",
    ),
    "unknown-baseline": Message(
        "{name}: no such baseline{nearest:suggest}; choose from {known:all}", "The baseline does not exist."
    ),
    "time-in-columns": Message(
        "timestamps are in several columns, {columns:all}; add rows to the CSV instead",
        "`forecast future` writes one column of time.",
    ),
    "no-future-covariates": Message(
        "this network has no future covariates: it was trained without data.covariates.future",
        "There is nothing to know about the future.",
    ),
    "too-many-series-for-mint": Message(
        "{count} series are too many for MinT, which takes up to {most}; use {repairs}",
        "MinT estimates the covariance of the errors of all series.",
    ),
    "no-mint-projection": Message(
        "this run was not trained with forecast.reconcile: mint; train it again, or use {repairs}",
        "MinT is fitted to errors in validation when a run is trained.",
    ),
    "other-hierarchy": Message(
        "{names:list}: the series are others than those that MinT was fitted to; train again, or use {repairs}",
        "Series were added to a hierarchy or removed since the training.",
    ),
    "no-attention": Message(
        "this network was trained without attention; train with model.attention: additive (decoders dense and seq2seq)",
        "`forecast explain --show attention` shows the weights of an attention.",
    ),
    "no-embedding": Message(
        "this network was trained without an embedding of series; train over several series with model.embedding: 8",
        "`forecast explain --show similar` compares embeddings.",
    ),
    "nothing-to-draw": Message(
        "there is no picture of --show {show}; remove --plot", "`forecast explain` draws some of what it shows."
    ),
    "no-such-series": Message(
        "there is no series of the name {names:list}; expected {known:list}", "The data have no such series."
    ),
    "first-series-explained": Message(
        "the first {shown} of {count} series are explained; name others with --series",
        "An explanation takes many forecasts of each series.",
    ),
    "importance-without-validation": Message(
        "this run has no validation part; train with split.validation above 0",
        "The importance of inputs is measured on the validation part.",
    ),
    "missing-extra": Message(
        "{feature} needs {packages:all}, which {packages:is|are} not installed; install the extra {extra!r}: {command}",
        "An optional package is not installed.",
    ),
    "broken-extra": Message(
        "{feature} needs a package that cannot be imported ({reason}); install the extra {extra!r} again: {command}",
        "An optional package is installed and does not work.",
    ),
    # Runs.
    "untrusted-database": Message(
        "names the database {url}; add --trust-config if this run comes from you, or name other data with --data",
        "A database is sent a password, so that a run from elsewhere may not choose it.",
    ),
    "no-such-run": Message(
        "{unfinished:the run has no finished training|the run does not exist}; create it with: forecast train "
        "CONFIG --run {where}",
        "The folder is no run.",
    ),
    "folder-without-run": Message(
        "the folder is no run{runs:?; the runs in it are }{runs:list}{files:?; name the files in it by a pattern: }"
        "{files:or}",
        "A folder of runs or of data is named in place of a run or a file.",
    ),
    "accepted-command": Message(
        "this is accepted: {command}", "The command with the keys by which a training accepts the file."
    ),
    "run-elsewhere": Message("no run has this path; use {nearest}", "The run of this name is in runs/."),
    "unreadable-run": Message("cannot be read: {reason}", "The operating system refuses to read a file of the run."),
    "no-such-version": Message("names the version {name!r}, which does not exist", "The promoted version was removed."),
    "unknown-version": Message(
        "{run} has no version {name}{nearest:suggest}; it has {names:list}",
        "`--version` and `forecast promote` take the name of a version, or its beginning.",
    ),
    "ambiguous-version": Message(
        "several versions of {run} begin with {name!r}: {names:list}; write more of the name",
        "The beginning of a name must be that of one version.",
    ),
    "no-earlier-version": Message(
        "no earlier version is left to go back to; list them with: forecast runs {where}",
        "A rollback needs a version that was in use before.",
    ),
    "no-retention-rule": Message(
        "without a rule nothing is removed; add one, such as --keep-last 5 --keep-weekly 8",
        "`forecast forget` needs to know what to keep.",
    ),
    "pinned-run": Message(
        "pinned to {version}; remove the pin with: forecast pin {where} --remove",
        "The version of a pinned run is not replaced.",
    ),
    "other-frequency": Message(
        "the versions forecast different steps: {frequencies:and}",
        "Versions of different frequencies are not compared.",
    ),
    "no-common-series": Message(
        "no series is known to both versions", "Versions are compared over the series that both were trained on."
    ),
    "other-values": Message(
        "the versions read different values from the same rows",
        "The configs of two versions read another column, or combine rows in another way.",
    ),
    "no-common-rows": Message(
        "there are no rows that neither version was trained on; add newer rows, or train with split.test: 0.1",
        "Versions are compared on rows after the training data of both.",
    ),
    "challenger-promoted": Message(
        "{run}: the new version {version} replaces {champion}: its {measure} is {error:.4g}, {difference} "
        "{champion_error:.4g}, over {forecasts}{few:? (too few for a verdict)}",
        "A new version was not worse than the version in use on the same rows, or --promote always was given.",
    ),
    "challenger-not-promoted": Message(
        "{run}: {champion} stays in use{pinned:?, since the run is pinned}: the {measure} of the new version {version} "
        "is {error:.4g}, {difference} {champion_error:.4g}, over {forecasts}{few:? (too few for a verdict)}; use the "
        "new version with: forecast {pinned:pin|promote} {run} {version}",
        "A new version was worse than the version in use on the same rows, or the run is pinned.",
    ),
    "champion-not-comparable": Message(
        "{run}: the new version {version} {promoted:replaces|is saved next to} {champion}, which cannot be compared "
        "with it: {reason}",
        "The version in use is damaged, or forecasts something else than the new version.",
    ),
    "challenger-without-rows": Message(
        "{run}: {champion} stays in use: there are no rows that neither it nor the new version {version} was trained "
        "on, to compare them. Train with split.test: 0.1, or use the new version with: forecast "
        "{pinned:pin|promote} {run} {version}",
        "Versions are compared on rows after the training data of both.",
    ),
    "half-written-version": Message(
        "half-written: it has no {file}; train again", "The training was killed while it wrote the version."
    ),
    "damaged-manifest": Message(
        "damaged; train again, or restore it from a backup", "The list of the version's files cannot be read."
    ),
    "incomplete-manifest": Message(
        "damaged: it does not list every file; train again", "The list of the version's files is too short."
    ),
    "other-run-format": Message(
        "format {format}, this forecast reads formats {oldest} to {newest}; {newer:upgrade forecast, or |}train again",
        "Another version of forecast wrote the run.",
    ),
    "other-zero-shot-network": Message(
        "it starts from zero-shot forecasts of another version of forecast, and this version's differ; train again",
        "The network of a run with `model.pretrained` adds to the zero-shot forecasts that it was trained on.",
    ),
    "missing-run-file": Message(
        "missing; train again, or restore it from a backup", "A file of the version was removed."
    ),
    "truncated-run-file": Message(
        "truncated or edited: it has {size} bytes instead of {expected}; train again",
        "A file of the version has another size.",
    ),
    "edited-run-file": Message(
        "edited or damaged: its SHA-256 differs from the manifest; train again",
        "A file of the version has other content.",
    ),
    "unknown-run-config": Message(
        "this version of forecast cannot read its config: {reason}", "The config of the run has other keys."
    ),
    "changed-run-file": Message(
        "cannot be what training wrote: {reason}; train again, or restore it from a backup",
        "A file of the version has other content, and the manifest was changed with it.",
    ),
    "no-training-end": Message(
        "does not record where its training data ends; train again", "The run is too old to be scored."
    ),
    "locked-run": Message(
        "locked by another process; try again when it has finished", "A run is used by one process at a time."
    ),
    "damaged-study": Message(
        "cannot be read, or is of another version ({reason}); move it away", "The file of a search is damaged."
    ),
    # Trainings.
    "damaged-checkpoint": Message("damaged; train without --resume", "The checkpoint cannot be read."),
    "unusable-checkpoint": Message(
        "cannot resume from this checkpoint ({reason}); train without --resume",
        "The checkpoint does not fit the network.",
    ),
    "checkpoint-of-other-config": Message(
        "the checkpoint in {run} has a different config ({different:all}); undo the change, or train without --resume",
        "The config was changed since the training was interrupted.",
    ),
    "no-common-weights": Message(
        "no weight matrix has a matching shape; use the same cell and units",
        "`--from` starts from weights of the same shapes.",
    ),
    "diverged": Message(
        "{member}training diverged: the {what} became {value} in {place}; the old version stays. Try a smaller "
        "training.optimizer.learning_rate (now {rate:g}){unclipped:?, or clipping (training.optimizer.clip_norm: "
        "1.0)}",
        "A loss became NaN or infinite.",
    ),
    "diverged-refit": Message(
        "the refit diverged, so the training before it is used; set training.refit: none, or a smaller "
        "training.optimizer.learning_rate",
        "A loss became NaN or infinite in a refit.",
    ),
    "infinite-forecast": Message(
        "the network's forecasts become infinite at step {step}; use fewer steps, or train again: longer, with a "
        "smaller training.optimizer.learning_rate, or with model.decoder: dense",
        "A rollout left the finite numbers.",
    ),
    "infinite-intervals": Message(
        "the forecasts' intervals become infinite; use fewer steps, or data.transform: none",
        "The transform undone is infinite.",
    ),
    "infinite-fill": Message(
        "the network's values became infinite; try a smaller training.optimizer.learning_rate",
        "A filled value is infinite.",
    ),
    "no-finished-trial": Message(
        "no trial completed, so there is no best config; {outcomes}", "Every trial of a search failed."
    ),
    "killed-forecast": Message(
        "a process that forecast some of the series was killed, perhaps because memory ran out: nothing was written; "
        "run the command again with a smaller --jobs",
        "The system ended a process of `forecast predict --jobs`.",
    ),
    "killed-process": Message(
        "a process that trained one of the networks was killed, perhaps because memory ran out; resume with the "
        "same command, --resume and a smaller ensemble.processes",
        "The system ended a process of an ensemble.",
    ),
    "killed-trial": Message(
        "trial {number}: its process was killed, perhaps because memory ran out; {again:it is run again|it was the "
        "second time: the trial is left out. Use a smaller --jobs}",
        "The system ended a process of `forecast tune --jobs`.",
    ),
    "lost-host": Message(
        "another process of the training ended, or cannot be reached ({reason}); start all of them again with --resume",
        "Processes that train one network together depend on each other.",
    ),
    "hosts-differ": Message(
        "the processes do not train the same: config, data and version of forecast must be the same on all hosts",
        "Each process reads the config and the data.",
    ),
    # Signals.
    "interrupted": Message("interrupted: there was nothing to save", "Ctrl-C or SIGTERM."),
    "interrupted-before-start": Message("interrupted before it started", "Ctrl-C or SIGTERM."),
    "interrupted-without-output": Message("interrupted: nothing was written", "Ctrl-C or SIGTERM."),
    "interrupted-training": Message(
        "interrupted{members:? in member {member} of {members}} after epoch {epoch}, batch {batch}: the checkpoint "
        "is saved" + _RESUME,
        "Ctrl-C or SIGTERM.",
    ),
    "interrupted-trainings": Message(
        "interrupted: {members:the checkpoint of each network|the checkpoint} is saved" + _RESUME, "Ctrl-C or SIGTERM."
    ),
    "saved-before-refit": Message(
        "saved without the refit{promoted:?, and in use}: the same command with --resume completes the refit as a new "
        "version",
        "Ctrl-C, SIGTERM or a time limit in a refit (`training.refit`): what was trained before it is not lost.",
    ),
    "time-limit": Message("the time limit was reached", "`--timeout` of a training, or `timeout` of a job."),
    "ended-training": Message(
        "the training did not stop within {seconds:.0f} seconds and was ended: what is saved is its last checkpoint"
        + _RESUME,
        "A batch did not end, so that no checkpoint could be saved after it.",
    ),
    "interrupted-backtest": Message("interrupted at fold {fold} of {folds}: {hint}", "Ctrl-C or SIGTERM."),
    "interrupted-search": Message("interrupted, {outcomes}; resume with the same command", "Ctrl-C or SIGTERM."),
    # Outputs.
    "cannot-write": Message(
        "cannot be written: {reason}; free space, or name another place", "The device is full, read-only or broken."
    ),
    "cannot-create": Message(
        "cannot be created: {reason}; name a place that this user can write to",
        "The folder does not exist, or belongs to somebody else.",
    ),
    "system-refusal": Message(
        "cannot be read or written: {reason}", "The operating system refuses to open, read or write something."
    ),
    "stdout-closed": Message("stdout is closed; name a file with --output", "The process has no standard output."),
    "unexpected": Message(
        "unexpected error: {kind}: {reason}\nthis is a bug in forecast; please report it with the output of the "
        "same command and --debug",
        "A bug.",
    ),
}
