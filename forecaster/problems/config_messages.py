"""Messages about a config: its YAML, its keys and values, and combinations of them that cannot work together."""

from collections.abc import Mapping

from forecaster.problems.message import Message

_LAYOUT = "cannot go with layout: rows, "
_LEAK = "since it reveals later steps to earlier ones; use {repairs}"

CONFIGS: Mapping[str, Message] = {
    # The file.
    "config-name": Message(
        "its name does not end in .yaml{command:?; for a CSV, this writes one: }{command}", "A config is a YAML file."
    ),
    "config-too-large": Message(
        "larger than the {limit:,} bytes that a config has at most", "A config has at most 1 MiB."
    ),
    "config-not-utf-8": Message("not UTF-8 text (byte {byte:,})", "A config is text in UTF-8."),
    "invalid-yaml": Message(
        "{reason}{quoted:?; where the value is text, put it in quotes: {quoted}}", "The YAML cannot be parsed."
    ),
    "nested-too-deeply": Message("nested too deeply", "The YAML has too many levels."),
    "no-sections": Message(
        "expected sections such as 'data:' and 'window:', received {received}",
        "The YAML holds a single value or a list.",
    ),
    "invalid-assignment": Message(
        "expected section.key=value, such as training.epochs=5", "`--set` takes a key and a value."
    ),
    "ambiguous-assignment": Message(
        "the value reads as {received}; put it in quotes: {quoted}",
        "YAML reads the value of `--set` as something else.",
    ),
    "not-a-policy": Message(
        "{key} cannot change for one prediction{nearest:suggest}; --set takes {policies:all}",
        "`forecast predict --set` takes policies of reading and checking, on which no network depends.",
    ),
    "key-of-a-value": Message("{name} is a single value, it has no keys", "A key is set below a value."),
    # Keys and values.
    "unknown-key": Message("unknown key{nearest:suggest}", "The config has no such key."),
    "renamed-key": Message(
        "this key is now called {name}; write {name}: {value}", "The key has another name since format 1."
    ),
    "missing-key": Message("missing: this key is required", "The key has no default."),
    "missing-name": Message("missing: name is required", "The section names one of several kinds."),
    "renamed-value": Message(
        "{received} is now called {name}; write {name}", "The value has another name since format 1."
    ),
    "unknown-value": Message(
        "received {received}, expected {expected:either}{nearest:suggest}", "The key takes one of a few values."
    ),
    "unknown-name": Message(
        "name: received {received}, expected {expected:either}{nearest:suggest}",
        "The section names one of several kinds.",
    ),
    "invalid-value": Message(
        "received {received}, expected {expected}{nearest:suggest}",
        "The value has the wrong type, or lies outside its bounds.",
    ),
    "newer-format": Message(
        "received {received}; this version reads configs up to format {format}: upgrade forecast",
        "A later version wrote the config.",
    ),
    "holidays-not-installed": Message(
        "{received} needs a package that is not installed: {command}", "Public holidays are an optional extra."
    ),
    "no-regional-holidays": Message(
        "{received}: no part of {country} has other holidays; use holiday.{country}",
        "The package knows no holidays of parts of this country.",
    ),
    # Of the data.
    "password-in-url": Message(
        "holds a password; remove it from the URL and set it in the environment as {variable}",
        "Configs are copied and printed, so that they hold no password.",
    ),
    "database-in-list": Message("lists a database; name its URL alone", "A database is not read together with files."),
    "database-without-query": Message(
        "names a database; add the query: data.query: SELECT day, sold FROM sales", "A database needs a query."
    ),
    "query-without-database": Message(
        "needs a database; name its URL in data.path, such as sqlite:///sales.db", "Files are not queried."
    ),
    "not-a-select": Message("expected a SELECT, or WITH ... SELECT: nothing is ever written", "The query only reads."),
    "calendar-without-days": Message(
        "frequency {frequency} has no trading calendar; use {repairs}",
        "Weekdays and holidays belong to days and trading sessions.",
    ),
    "repeated-feature": Message(
        "{name}: {season:?a season of {season} steps }is a feature already; remove it",
        "A calendar feature is listed twice.",
    ),
    "feature-without-season": Message(
        "{name} describes every season, and there is none; set data.season, or write the steps: {example}",
        "A Fourier feature needs a season.",
    ),
    "order-too-high": Message(
        "{name}: a season of {season} steps has orders up to {most}; {instead}",
        "A season has Fourier terms up to half of its steps.",
    ),
    "calendar-without-dates": Message(
        "{name} is computed from dates; set {key}, or remove it", "Rows without dates have no calendar."
    ),
    "feature-without-steps": Message(
        "{name} counts steps of a grid, and sessions of several rows have none; use hour",
        "Trading sessions of several rows are not counted.",
    ),
    "feature-too-fine": Message(
        "{name} is the same for every step of {frequency}; remove it",
        "A feature does not change from one step to the next.",
    ),
    "unknown-holidays": Message(
        "{name}: no holiday is known from {first} to {last}; remove it", "The package knows no holidays of these years."
    ),
    "time-with-layout-rows": Message(_LAYOUT + "whose columns are the steps; use {repairs}", "Rows have no time."),
    "frequency-with-layout-rows": Message(
        "{frequency} " + _LAYOUT + "which has no dates; use {repairs}", "Rows that are series have no dates."
    ),
    "covariates-with-layout-rows": Message(
        _LAYOUT + "where a row is a series; use {repairs}", "Rows that are series have static covariates alone."
    ),
    "same-mark": Message("'{mark}' cannot go with the same data.decimal; use {repairs}", "The two marks differ."),
    "comment-holds-delimiter": Message("{comment!r} holds data.delimiter; use another", "The two differ."),
    "hierarchy-of-other-ids": Message(
        "the columns of a hierarchy are those of data.series; use {repairs}",
        "A hierarchy names id columns: all of them from the top down, or some for each level.",
    ),
    "hierarchy-of-several-targets": Message(
        "a hierarchy adds up one target, and there are several; use {repairs}, or name one in data.target",
        "Sums of several targets are not forecast.",
    ),
    "hierarchy-with-static": Message(
        "a sum has no value of a static covariate; use {repairs}", "Static covariates describe bottom series alone."
    ),
    "top-down-of-groups": Message(
        "top_down divides each sum among its parts, and levels that cross have no such order; use {repairs}",
        "Top-down forecasts need levels of which each divides the one above it.",
    ),
    "column-has-two-roles": Message(
        "column {name!r} is {roles:and}; a column has one role", "A column is named twice."
    ),
    "not-a-covariate": Message(
        "column {name!r} is not a covariate; name it in data.covariates.past or future, too",
        "The key refers to a column that the network does not read.",
    ),
    "zero-gaps-with-head": Message(
        "zero cannot go with head: {head}, which takes numbers above 0; use {repairs}", "The head has no value 0."
    ),
    "zero-gaps-with-transform": Message(
        "zero cannot go with transform: {transform}, which takes numbers above 0; use {repairs}",
        "The transform has no value at 0.",
    ),
    "zero-gaps-outside-bounds": Message(
        "zero lies outside data.minimum and data.maximum; use {repairs}", "Gaps are filled within the bounds."
    ),
    "sum-with-bounds": Message(
        "sum cannot go with data.minimum and data.maximum, which hold for each cell; use {repairs}, or minimum: "
        "0 alone",
        "A sum may leave the bounds.",
    ),
    "maximum-below-minimum": Message(
        "{maximum:g} is not above data.minimum, {minimum:g}; exchange or correct them",
        "The bounds are the wrong way round.",
    ),
    "logit-without-bounds": Message(
        "logit needs both bounds; set {missing:and}, a little beyond any value, or use {repairs}",
        "The logit transform maps the interval between two bounds.",
    ),
    "transform-with-log-normal": Message(
        "{transform} cannot go with head: log_normal, which takes the logarithm itself; use {repairs}",
        "The logarithm would be taken twice.",
    ),
    "transform-of-counts": Message(
        "{transform} turns counts into fractions, which head negative_binomial does not take; use {repairs}",
        "Counts stay whole.",
    ),
    "transform-with-student-t": Message(
        "{transform} undone gives Student's t a mean without bound; use {repairs}",
        "The exponential of Student's t has no mean.",
    ),
    "difference-with-head": Message(
        "differences fall below 0, where head {head} has no values; use {repairs}", "The head has no negative values."
    ),
    "difference-without-paths": Message(
        "needs whole paths to sum, and decoder {decoder} gives the distribution of each step alone; use {repairs}",
        "Differences are summed along sampled paths.",
    ),
    # Of the model.
    "sequence-bidirectional": Message(
        "sequence cannot go with bidirectional: true, whose backward half reads the answer; use {repairs}",
        "A backward layer sees the values to be forecast.",
    ),
    "sequence-without-rollout": Message(
        "sequence cannot go with decoder: {decoder}, which learns what follows the window; use {repairs}",
        "Only a rollout forecasts after every step of the window.",
    ),
    "normalization-leaks": Message(
        "{normalization} cannot go with output: sequence, " + _LEAK, "The normalization uses the whole window."
    ),
    "scale-leaks": Message("cannot go with output: sequence, " + _LEAK, "The scale uses the whole window."),
    "revin-has-scale": Message(
        "revin scales each window already; remove the key, or use {repairs}",
        "RevIN divides by the standard deviation of the window.",
    ),
    "copy-segments-needs-dense": Message(
        "decoder {decoder} answers step by step; use {repairs}", "Segments are copied by the dense decoder."
    ),
    "linear-needs-direct-decoder": Message(
        "decoder {decoder} forecasts step by step; use {repairs}",
        "The linear forecast is of the whole horizon, as that of the decoders dense and positional.",
    ),
    "pretrained-in-rollout": Message(
        "decoder rollout learns one segment, and the zero-shot forecast is that of the whole horizon; use {repairs}",
        "With `model.pretrained` a network learns what to add to the zero-shot forecast of the horizon.",
    ),
    "copy-segments-of-pretrained": Message(
        "with model.pretrained the forecast starts from the zero-shot forecast, not from segments; use {repairs}",
        "A forecast has one start: the zero-shot forecast, or segments of the window.",
    ),
    "cell-without-gates": Message(
        "cell simple_rnn has no gates; remove the key, or use {repairs}",
        "The recurrent activation is that of the gates.",
    ),
    "attention-needs-states": Message(
        "{attention} cannot go with decoder: {decoder}, which keeps only the last states of the window; use {repairs}",
        "Attention reads the states of every step of the window.",
    ),
    "sampling-needs-feedback": Message(
        "decoder {decoder} is not trained on its own answers; remove the key, or use {repairs}",
        "Scheduled sampling replaces actual values by forecasts while a decoder is trained.",
    ),
    "warmup-of-nothing": Message(
        "nothing rises over these epochs; set {repairs}",
        "The warm-up belongs to scheduled sampling and to the latent decoder.",
    ),
    "latent-needs-decoder": Message(
        "decoder {decoder} has no latent variable; use {repairs}, or remove the key",
        "The latent decoder alone draws a latent variable.",
    ),
    "scaling-moves-zero": Message(
        "{scaling} moves 0, below which head {head} has no values; use {repairs}",
        "The head needs the zero of the series.",
    ),
    "scaling-of-counts": Message(
        "{scaling} gives each series a unit that is no count; use {repairs}", "Counts of several series share one unit."
    ),
    "head-has-loss": Message(
        "{loss} is a loss of head point; {head} has its own: use {repairs}",
        "A distribution is trained on its likelihood.",
    ),
    "head-without-quantiles": Message(
        "head {head} has a closed form; remove the key, or use {repairs}",
        "Only the quantile head learns a list of quantiles.",
    ),
    "quantiles-not-rising": Message(
        "{quantiles} do not rise; write {rising}", "Quantiles are listed in rising order, each once."
    ),
    "quantiles-empty": Message(
        "is empty; list probabilities such as [0.1, 0.5, 0.9]", "The quantile head needs quantiles."
    ),
    "quantiles-without-median": Message(
        "the median is missing, which is the forecast; add 0.5", "The forecast is the median."
    ),
    "level-beyond-quantiles": Message(
        "{level:g} lies beyond model.quantiles; add {low:g} and {high:g} to them, or use a lower level",
        "An interval lies between two quantiles that the network learns.",
    ),
    "head-without-bins": Message(
        "head {head} has no bins; remove the key, or use {repairs}", "Only the categorical head has bins."
    ),
    "head-without-intervals": Message(
        "head cannot go with model.head: point, which has none; use {repairs}", "A point forecast has no distribution."
    ),
    "embedding-of-one-series": Message(
        "distinguishes series, and there is one; name their column in data.series", "An embedding needs several series."
    ),
    "static-covariates-of-one-series": Message(
        "distinguish series, and there is one; name their column in data.series",
        "Static covariates need several series.",
    ),
    "past-covariates-in-rollout": Message(
        "are not known of the steps that decoder rollout reads next; use {repairs}",
        "A rollout reads its own forecasts as the next window.",
    ),
    "scale-of-one-series": Message(
        "distinguishes large series from small ones, and there is one; remove the key",
        "The scale of a series is a feature of several.",
    ),
    "scale-of-joint-channels": Message(
        "distinguishes series, which channels: joint reads together; remove the key",
        "Joint channels are read together.",
    ),
    "balance-of-one-series": Message(
        "there is only one series; use {repairs}", "Windows are balanced between several series."
    ),
    "joint-of-one-target": Message(
        "joint reads several targets together; name them in data.target: [a, b]", "Joint channels need several targets."
    ),
    "residual-of-unequal-layers": Message(
        "needs layers of the same width, units are {units}; make them equal",
        "A layer adds to the output of the one below it.",
    ),
    "residual-of-one-layer": Message(
        "needs a second layer to add to the first; list two numbers in units",
        "A layer adds to the output of the one below it.",
    ),
    "dilation-of-one-layer": Message(
        "starts with the second layer; list two numbers or more in units", "The first layer is not dilated."
    ),
    "dilation-beyond-window": Message(
        "layer {layer} would read the state {distance:# step|# steps} before, and the window has {read:,}; use "
        "{most} layers or fewer, or a longer window",
        "Dilation doubles with each layer.",
    ),
    "merge-of-one-direction": Message(
        "{merge} merges two directions; set {repairs}", "The outputs of a bidirectional layer are merged."
    ),
    "window-not-in-segments": Message(
        "a window of {window:# step|# steps} does not divide into segments of {segment}; use {repairs}",
        "The window is read in whole segments.",
    ),
    "rollout-of-one-segment": Message(
        "a rollout needs a window of at least two segments, {steps:# step|# steps}",
        "A rollout learns the next segment.",
    ),
    "min-length-too-long": Message(
        "is not below window.length, {length}; use fewer steps, or null",
        "Shorter series are padded up to the length of the window.",
    ),
    "season-longer-than-window": Message(
        "change needs a window longer than a season, {season:# step|# steps}; it has {window:,}",
        "The scale is the change from one season to the next.",
    ),
    "no-season": Message(
        "{name} needs a season, and none was found; set data.season, or use {repairs}",
        "The decoder or normalization works on seasons.",
    ),
    "window-below-two-seasons": Message(
        "profile needs a window of two seasons, {needed:# step|# steps}; it has {window:,}",
        "The profile is measured on two seasons.",
    ),
    "season-not-in-segments": Message(
        "{name} needs a season that divides into segments; {season:# step|# steps}, {segment} each; use {repairs}",
        "A season consists of whole segments.",
    ),
    "window-not-in-seasons": Message(
        "{name} reads whole seasons of {season:# step|# steps}; use {repairs}", "The window consists of whole seasons."
    ),
    "window-too-short-for-season": Message(
        "seasonal needs a window of at least {needed:# step|# steps}; it has {window:,}",
        "The window holds a season and two segments.",
    ),
    # Of the training.
    "clipped-twice": Message("cannot go with clip_norm; use {repairs} next to it", "Gradients are clipped in one way."),
    "optimizer-without-momentum": Message(
        "{optimizer} has no momentum; use {repairs}", "Adam and its relatives have their own moments."
    ),
    "nesterov-without-sgd": Message(
        "needs name: sgd and a momentum above 0, such as momentum: 0.9", "Nesterov's method is a kind of momentum."
    ),
    "plateau-without-validation": Message(
        "plateau watches the validation loss; set split.validation above 0", "The schedule needs a validation part."
    ),
    "one-sided-head": Message(
        "head {head} has no values of the other sign; use {repairs}", "Sign-flipped windows need values of both signs."
    ),
    "warmup-too-long": Message(
        "{warmup:# epoch|# epochs} of warm-up leave none of {epochs:,}; use fewer",
        "The warm-up is shorter than the training.",
    ),
    "percentage-without-logarithm": Message(
        "{loss} is computed on log-transformed data; use {repairs}",
        "MAPE and sMAPE losses are differences of logarithms.",
    ),
    "percentage-with-scaling": Message(
        "{loss} is computed on logarithms that are not scaled; use {repairs}",
        "MAPE and sMAPE losses are differences of logarithms.",
    ),
    "percentage-with-scale": Message(
        "{loss} is relative already; use {repairs}", "MAPE and sMAPE losses are relative already."
    ),
    "nothing-to-train-on": Message(
        "validation and test, {shares:and}, leave nothing to train on", "The shares add up to the whole series."
    ),
    "part-too-short": Message(
        "{steps:# step|# steps} of {part} {steps:is|are} too few for {ahead:# step|# steps} ahead; use {repairs}",
        "A part holds at least one forecast, however long the series is.",
    ),
    "no-validation-part": Message(
        "trials are compared on the validation part, and it is 0; use {repairs}",
        "A search compares trials on held-out data.",
    ),
    # Of ensembles.
    "ensemble-of-one": Message(
        "{vary} varies several networks, and size is 1; use a larger size", "An ensemble has several networks."
    ),
    "more-processes-than-networks": Message(
        "more than there are networks; use {repairs} or fewer", "Each process trains a network."
    ),
    "losses-with-head": Message(
        "loss cannot go with head: {head}, which has its own; use {repairs}",
        "A distribution is trained on its likelihood.",
    ),
    "sign-flipped-twice": Message(
        "ensemble.vary: sign_flip trains every second network on sign-flipped windows; remove the key",
        "The ensemble flips signs already.",
    ),
    "start-without-pretrained": Message(
        "half of the networks would start from the zero-shot forecast, which model.pretrained turns on; use {repairs}",
        "The networks of the ensemble start differently.",
    ),
    "shards-of-one-series": Message(
        "shards share series among networks; name the columns of several, data.series, or use {repairs}",
        "The data hold a single series.",
    ),
    "shards-with-embedding": Message(
        "a network that is trained on some of the series has no vectors for the others; use {repairs}",
        "An embedding of series is trained on all of them.",
    ),
    "more-shards-than-series": Message(
        "{size:# network|# networks} would share {groups:# series|# series}, of which each needs one; use {repairs}",
        "`ensemble.vary: shards` needs as many series as networks.",
    ),
    "window-cannot-be-shorter": Message(
        "this network reads no window shorter than {window:# step|# steps}; use {repairs}, or a longer window",
        "The networks of the ensemble read windows of different lengths.",
    ),
    "snapshots-in-processes": Message(
        "snapshot continues from one network to the next; use {repairs}", "Snapshots are taken of a single training."
    ),
    "epochs-not-in-cycles": Message(
        "{epochs:,} do not divide into {cycles:# cycle|# cycles} of ensemble.vary: snapshot; use {repairs}",
        "Each snapshot is a cycle of the same length.",
    ),
    "warmup-longer-than-cycle": Message(
        "{warmup:# epoch|# epochs} leave none of a cycle's {cycle:,}; use fewer", "The warm-up is shorter than a cycle."
    ),
    "snapshots-stop-early": Message(
        "snapshot trains each cycle to its end; use {repairs}", "A cycle ends with the lowest learning rate."
    ),
    "snapshots-have-schedule": Message(
        "snapshot has its own schedule, a cosine for each cycle; remove the key",
        "The learning rate of a snapshot falls along a cosine.",
    ),
    "snapshots-are-averaged": Message(
        "snapshot takes the weights at the end of each cycle; use {repairs}", "Averaged weights are no snapshot."
    ),
    "carry-without-rollout": Message(
        "carry is for decoder: rollout only, and the decoder is {decoder}; remove the key",
        "Other decoders produce the horizon in their own way.",
    ),
    "carry-bidirectional": Message(
        "carry cannot go with model.bidirectional: true, whose backward half has no state to carry; use {repairs}",
        "A backward layer starts at the end of the window.",
    ),
    # Of the search space.
    "no-search-space": Message(
        "received {received}, expected keys such as model.units: [[32], [64]]",
        "The section `tune` lists keys with their values.",
    ),
    "untunable-key": Message(
        "is the same for every trial; what may be tuned: model.*, training.*, {tunable:all}",
        "Trials are compared on the same forecasts.",
    ),
    "untunable-section": Message(
        "is a whole section; name a key of it, such as {example}", "A search varies single keys."
    ),
    "tuned-channels": Message(
        "changes which steps are compared; tune each value in its own file", "Joint channels are scored on other steps."
    ),
    "tuned-seed": Message(
        "is chance, and what it chooses does not last; remove it",
        "The best seed of a search is not better on new data.",
    ),
    "tuned-twice": Message("is given twice", "A key has one set of values."),
    "tuned-overlap": Message(
        "overlaps with {other}; tune the inner key alone, or the outer", "One key is inside the other."
    ),
    "too-many-candidates": Message(
        "{count:,} keys and candidates; list at most {limit:,}, or give ranges: {{low: ..., high: ...}}",
        "Each candidate is validated.",
    ),
    "no-candidates": Message("is empty; list the values to choose from", "There is nothing to try."),
    "repeated-candidate": Message("{received} is given twice", "A value is listed once."),
    "no-range": Message(
        "received {received}, expected a list of values, or {{low: ..., high: ...}}", "A key has a list or a range."
    ),
    "open-range": Message(
        "{name} is missing: a range is {{low: ..., high: ...}}, with step: ... or log: true where wanted",
        "A range has two ends.",
    ),
    "empty-range": Message("{high:g} is not above low, {low:g}", "The ends of the range are the wrong way round."),
    "no-logarithm": Message(
        "{low:g} has no logarithm; use a low above 0, or remove log", "A logarithmic range starts above 0."
    ),
    "step-with-log": Message(
        "cannot go with log: true, whose steps are ratios; remove one of them", "A logarithmic range has no fixed step."
    ),
    "uneven-range": Message(
        "{high:g} is no whole number of steps of {step:g} above {low:g}; use {fitting:g}", "The step divides the range."
    ),
    # Of imputation.
    "impute-reads-both-sides": Message(
        "a gap is filled from both sides, and a forward network sees one; set {repairs}",
        "`forecast impute` reads the values before and after a gap.",
    ),
    "impute-learns-one-value": Message(
        "{received} cannot fill gaps: impute learns one value for each cell, with intervals from hidden cells; "
        "use {repairs}",
        "`forecast impute` has no distribution head.",
    ),
    "impute-fills-single-steps": Message(
        "{received} cannot fill gaps: impute fills single steps, not whole segments; use {repairs}",
        "`forecast impute` fills single steps.",
    ),
    "impute-reads-every-step": Message(
        "{received} cannot fill gaps: impute reads every step at its own place; use {repairs}",
        "`forecast impute` has no attention.",
    ),
    "impute-finds-the-level": Message(
        "{received} cannot fill gaps: impute takes level and scale of a window from its observed cells; use {repairs}",
        "`forecast impute` normalizes windows itself.",
    ),
    "impute-reads-no-forecast": Message(
        "a zero-shot forecast reads only the values before a gap, and impute reads both sides; use {repairs}",
        "`forecast impute` does not start from a forecast.",
    ),
    "impute-one-network": Message(
        "impute trains one network; remove the section", "`forecast impute` has no ensembles."
    ),
    "impute-no-difference": Message(
        "{received} cannot fill gaps, next to which no difference is known; use {repairs}",
        "A difference needs both of its values.",
    ),
    "impute-whole-series": Message(
        "impute reads one series from its first step; use {repairs}", "`forecast impute` pads no series."
    ),
    "impute-no-calendar": Message(
        "impute reads no calendar; use {repairs}", "`forecast impute` has no calendar features."
    ),
    "impute-no-covariates": Message(
        "impute reads the target alone; remove {columns:and}", "`forecast impute` has no covariates."
    ),
    "impute-one-series": Message(
        "impute fills one series; use a CSV with one, and {repairs}", "`forecast impute` fills one series."
    ),
    "impute-one-column": Message(
        "impute fills one series; name one column of numbers in data.target", "`forecast impute` fills one series."
    ),
    "impute-one-time-column": Message(
        "impute writes timestamps into one column; join them into one", "`forecast impute` adds rows to the CSV."
    ),
    "impute-without-validation": Message(
        "intervals are measured on gaps hidden in the validation part, and there is none; use a share such as "
        "0.1, or ask for no intervals with --levels ''",
        "Intervals need held-out values.",
    ),
}
