"""Messages about series that cannot be trained on, forecast, scored or filled, though their file can be read."""

from collections.abc import Mapping

from forecaster.problems.message import Message

FORECASTS: Mapping[str, Message] = {
    "too-few-rows-to-train": Message(
        "{source:?{source}: }{rows:# row is|# rows are} too few for a window of {window:# step|# steps}, a "
        "horizon of {horizon}, a validation part of {validation} and a test part of {test}; expected at least "
        "{needed:,} rows, or a shorter window or horizon",
        "A series does not hold a window and a horizon in each of its parts.",
    ),
    "too-few-windows-to-train": Message(
        "{rows:# row is|# rows are} too few to learn from: the training part holds {windows:# window|# windows} of "
        "{window:# step|# steps} with {ahead:# step|# steps} after it; expected at least {needed}",
        "A network that learns from a handful of windows forecasts by chance.",
    ),
    "forecast-without-training": Message(
        "this forecasts without training: {command}", "The command for series that are too short to train on."
    ),
    "only-filled-windows": Message(
        "every window of the {part} part consists mostly of filled values; use a shorter window.length, or add "
        "more of the missing rows",
        "Too little was observed to train on.",
    ),
    "values-too-large": Message(
        "values up to {largest:.3g} are too large to work with; divide them",
        "Numbers near the largest that a computer knows cannot be scaled.",
    ),
    "too-many-categories": Message(
        "{count:,} categories, each of which would be a feature: at most {limit:,} are possible; remove the "
        "column, or write numbers into it",
        "A categorical covariate has too many values.",
    ),
    "missing-covariate": Message(
        "{count:# cell is|# cells are} missing: {timestamps:list}; add them{ahead:? in rows behind the last "
        "value, or in a CSV that `forecast future` writes and --future reads}; or choose what replaces them: {repairs}",
        "A covariate has no value where the network reads it.",
    ),
    "blank-as-none": Message(
        "most cells are blank, as where there is no event: blank is none (data.covariates.missing: {{{column}: none}})",
        "Notice: a column of events is blank where there is none.",
    ),
    "new-category": Message(
        "the network was not trained on {levels:list}: read as none of its categories",
        "Notice: a categorical covariate has a value that was not in the training part.",
    ),
    "text-instead-of-numbers": Message(
        "holds text, {levels:list}, and the network was trained on numbers; correct the cells",
        "A covariate was numeric in training.",
    ),
    "unknown-category": Message(
        "{value!r} was not in the training data, so that the network has no embedding of it; train again, or "
        "without model.embedding",
        "A series or a category is new to an embedding.",
    ),
    "constant-training-part": Message(
        "the training {names:part|parts} of {names:list} {names:is|are} constant, so nothing was learned about "
        "changes: after a change, forecasts repeat the last value; train again when more rows have changed",
        "Warning: a series did not change until its training part ended, such as a product before its launch.",
    ),
    "outside-training-range": Message(
        "{series}: {value:g} is far outside the training data, {low:g} to {high:g}, so the forecast is unreliable; "
        "correct the value, or train again",
        "Warning: the window of a forecast holds values that the network was not trained on.",
    ),
    "stale-data": Message(
        "the newest row, {newest}, ended {age} ago, and at most {limit} is allowed; deliver newer rows, or allow older "
        "ones with --max-age {enough}, or max_age: {enough} in a job",
        "The data are older than checks.max_age or --max-age allows.",
    ),
    "aging-data": Message(
        "the newest row, {newest}, ended {age} ago, more than the {limit} of checks.max_age.warn; deliver newer rows",
        "Warning: the data are older than checks.max_age.warn.",
    ),
    "age-without-dates": Message(
        "the data have no dates, so that their age is not known; remove the largest age",
        "A largest age needs timestamps.",
    ),
    "other-unit": Message(
        "{series}: the newest {count} values, {value:g} at most, are less than a twentieth of all before, {low:g} to "
        "{high:g}: is this another unit? Correct the values, or forecast from them with --set checks.range=ignore, or "
        "set: {{checks.range: ignore}} in a job",
        "A series that was always positive fell to a small part of its range. Warning in `predict`, error in jobs.",
    ),
    "implausible-value": Message(
        "{series}: {value:g} is more than {factor:g} times the range ever seen, {low:g} to {high:g}, outside it; "
        "correct the value, or forecast from it with --set checks.range=ignore, or "
        "set: {{checks.range: ignore}} in a job",
        "The window of a forecast holds a value that is far outside the range of training and history. Warning in "
        "`predict`, error in jobs.",
    ),
    "implausible-forecast": Message(
        "{series}: the forecast of {timestamp} is {value:g}, more than {factor:g} times the range ever seen, "
        "{low:g} to {high:g}, outside it; train again, or write it with --set checks.range=ignore, or "
        "set: {{checks.range: ignore}} in a job",
        "A forecast is far outside the range of training and history. Warning in `predict`, error in jobs.",
    ),
    "constant-end": Message(
        "{series}: the last {steps:steps={frequency}} are all {value:g}, and no value stayed longer than "
        "{longest:steps={frequency}} before; check its sensor or source, or forecast from it with "
        "--set checks.constant=ignore, or set: {{checks.constant: ignore}} in a job",
        "A series is stuck at one value for more than twice as long as ever before. Warning in `predict`, error in "
        "jobs.",
    ),
    "coarser-end": Message(
        "{series}: the newest rows are {apart:steps={frequency}} apart, and a step is {frequency:apart}; deliver "
        "the rows between, or forecast from filled ones with --set checks.step=ignore, or "
        "set: {{checks.step: ignore}} in a job",
        "The newest rows are of a longer step than the run's. Warning in `predict`, error in jobs.",
    ),
    "too-few-rows-to-forecast": Message(
        "{rows:# row is|# rows are} too few to forecast from; expected at least {needed:,}, the "
        "window{differences:? and its differences}",
        "A series is shorter than the window of the network.",
    ),
    "too-few-rows-for-network": Message(
        "{rows:# row is|# rows are} too few for the network, which reads at least {needed:,}; "
        "the forecast is zero-shot",
        "A series is shorter than the window of the network. Its forecast is that of the pretrained network.",
    ),
    "too-few-values-to-forecast": Message(
        "{values:# value is|# values are} too few to forecast from; expected at least {needed}",
        "A series is too short, even for a forecast without training.",
    ),
    "too-many-missing-steps": Message(
        "{missing:steps={frequency}} of {steps:,} are missing; choose how to fill them, or mask to forecast from the "
        "others: {repairs}",
        "More than a tenth of a series that is forecast without training is missing, and data.gaps is not set.",
    ),
    "no-future-rows": Message(
        "no row is a step ahead, {first} to {last}; correct the timestamps, or start from the CSV of `forecast future`",
        "The file of --future has no row within the horizon.",
    ),
    "future-off-grid": Message(
        "{stray} is not on a step of {frequency}; expected {expected:all}, ...",
        "A row of --future lies between two steps.",
    ),
    "hierarchy-incomplete": Message(
        "series of the hierarchy have no forecast{names:?: {names:list}}, so that sums cannot agree with their parts; "
        "correct their data, or set forecast.reconcile: none",
        "Forecasts of sums need those of all their parts.",
    ),
    "hierarchy-series-left-out": Message(
        "{names:list}: too short to train on, and the sums hold them; set window.min_length, or remove them",
        "A hierarchy needs forecasts of all its series.",
    ),
    "unseen-series": Message(
        "{series}: not in the training data of this run", "The run keeps no record of this series."
    ),
    "no-new-rows": Message(
        "{series}: no rows after {last}, where the training data of this run ends",
        "There is nothing to score the run on.",
    ),
    "evaluated-before-refit": Message(
        "no rows follow those of the refit, so the networks before it are scored on the rows after theirs",
        "A refit is trained on all rows, and has no test part.",
    ),
    "too-few-rows-to-score": Message(
        "{series}: {rows:# row is|# rows are} too few; expected more than {window:,}, the window",
        "A series is not longer than the window of the network.",
    ),
    "folds-too-long": Message(
        "{folds:# fold holds|# folds hold} back {rows:,} rows of each series; use fewer --folds or a shorter --stride",
        "A backtest leaves too little to train on.",
    ),
    "too-short-for-baseline": Message(
        "{series}: {rows:# row is|# rows are} too few for the baseline {baseline}, which reads {needed:,}",
        "A baseline needs a longer history.",
    ),
    "baseline-not-fitted": Message(
        "{baseline} could not be fitted at {count:,} of {of:# origin|# origins}; the last value replaces it there: "
        "{reason}",
        "Notice: the model of a baseline fails on the values before an origin.",
    ),
    "window-too-long-for-trial": Message(
        "the window is too long for series that other trials forecast",
        "A trial of a search leaves out series, so that it cannot be compared.",
    ),
    "too-short-for-trial": Message(
        "{short:,} of {count:,} series are too short for this trial",
        "A trial of a search leaves out series, so that it cannot be compared.",
    ),
    "nothing-observed": Message(
        "the validation part has no observed value, so that trials cannot be compared",
        "A search needs observed values to compare trials on.",
    ),
    "outside-domain-in-trial": Message(
        "expected {expected}; the data hold others", "The head or the transform of a trial does not take all values."
    ),
    "reserved-column": Message(
        "{names:and} will be {names:a column|columns} of the filled CSV; rename or remove {names:it|them} here",
        "The CSV has columns that `forecast impute` adds.",
    ),
    "too-few-rows-to-impute": Message(
        "{source}: {rows:# step is|# steps are} too few to learn windows of {window:,} from, with a validation "
        "part of {validation} and a test part of {test}; use a shorter window, or hold out less",
        "The CSV is too short for its window.",
    ),
    "gap-longer-than-window": Message(
        "{missing:steps={frequency}} {missing:is|are} missing in a row, {first} to {last}: more than half of the "
        "window of {window:steps={frequency}}; use {repairs}",
        "A gap has to fit into half of the window.",
    ),
    "too-few-cells-for-intervals": Message(
        "the validation part has too few observed cells to measure intervals on; hold out more, or ask for no "
        "intervals with --levels ''",
        "Intervals of filled values need errors in the validation part.",
    ),
    "rows-outside": Message(
        "{count:# row is|# rows are} before the first number or after the last, and not filled: one side is missing",
        "Notice: gaps at the ends of a series are not filled.",
    ),
}
