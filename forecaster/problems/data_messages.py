"""Messages about the columns, cells and rows of a source, and notices of what was done about them."""

from collections.abc import Mapping

from forecaster.problems.message import Message

DATA: Mapping[str, Message] = {
    "no-time-column": Message(
        "no column holds timestamps such as 2026-01-31 ({text_column!r} begins with {example!r}); name it with "
        "data.time, and how it is written with data.time_format; rows that have no dates and are oldest first "
        "need data.time: null",
        "No column can be read as dates.",
    ),
    "no-numeric-column": Message(
        "{column}: no column holds numbers; columns: {columns:all}{cells:?; the first cells: {cells:list}}",
        "There is no column to forecast.",
    ),
    "several-numeric-columns": Message(
        "{column}: several columns hold numbers: {columns:all}{more:?, ...}; choose one, such as {option}, or "
        'forecast each as a series: data.target: "*"',
        "The config has to name the column to forecast.",
    ),
    "slash-in-hierarchy": Message(
        "{names:list}: an id with a / cannot be taken apart into {columns:and}; replace it in the file",
        "The names of series in a hierarchy are their ids, joined by a slash.",
    ),
    "sum-named-as-series": Message(
        "{names:list}: two series of the hierarchy have this name; rename one in the file",
        "A sum has the name of another series, such as total.",
    ),
    "categories-in-hierarchy": Message(
        "{columns:and}: a covariate of a sum is the mean of its series', and categories have none; use numbers",
        "Categorical covariates cannot be averaged.",
    ),
    "hierarchy-ends-apart": Message(
        "{names:list}: not all series end at {last}, so that sums would be too small; complete them, or set data.late",
        "The series of a hierarchy do not end at the same step.",
    ),
    "no-id-column": Message(
        "no column of text holds the names of the series; name one with data.series",
        "With layout: rows, a column names the series of each row.",
    ),
    "dates-in-header": Message(
        "the header holds dates: {names:list}; to read a date from each column: {repairs}",
        "Months, years or days are across, in the names of the columns.",
    ),
    "series-in-rows": Message(
        "each row seems to be a series, named by {text_column!r}, with values in the columns {first} to {last}; "
        "to read it so: {repairs}",
        "The columns of values are numbered, as where each row is a series.",
    ),
    "no-dates-in-header": Message(
        "no dates among the columns {columns:list}; layout: dates needs dates, or months next to a column of years",
        "The header of a file with layout: dates holds no dates.",
    ),
    "no-value-columns": Message(
        "no columns follow {last!r}; name the first column of values with data.target",
        "With layout: rows, the values are in the columns after the ids.",
    ),
    "empty-series-id": Message(
        "{cells} empty; every row needs the name of its series", "A row does not name its series."
    ),
    "ambiguous-dates": Message(
        "{cell!r} can be read as {formats:and}; choose --set data.date_order=day_first or --set "
        "data.date_order=month_first, or write dates as 2026-01-31",
        "All dates can be read with the day first and with the month first.",
    ),
    "ambiguous-timestamps": Message(
        "{cell!r} can be read as {formats:and}; choose one: {options:or}",
        "Digits, or dates with a year of two digits, can be read in several ways.",
    ),
    "not-a-timestamp": Message(
        "{cells} not a timestamp: {places}; expected a date such as 2026-01-31 or 2026-01-31 13:45:00",
        "Cells of the time column cannot be read as dates.",
    ),
    "mixed-offsets": Message(
        "{cells} not like the others, of which some have an offset from UTC and some have none: {places}; write all "
        "with it, or all without it",
        "Some timestamps end with an offset or Z, others do not, so that nobody knows their zone.",
    ),
    "nonexistent-time": Message(
        "{cells} a time that does not exist in {zone}, where the clock is set forward over it: {places}; correct "
        "the cells, or data.timezone",
        "Local times fall into the hour that daylight saving time skips.",
    ),
    "far-from-step": Message(
        "{cells} further than {tolerance} from a step: {places}; correct the cells, or allow more with data.tolerance",
        "Timestamps are further from their step than data.tolerance.",
    ),
    "not-a-number": Message(
        "{cells} not a number: {places}; correct the cells, or empty them; or set {repairs}, or list them in "
        "data.na_values",
        "Cells of the target are text.",
    ),
    "unknown-number-format": Message(
        "{cells} not a number: {places}; write the number alone, such as 12.3",
        "Cells of the target hold digits and something else that is no known mark.",
    ),
    "mixed-units": Message(
        "{cells} not in the unit of the column{unit:?, which is {unit}}: {places}; write all of its numbers in the "
        "same unit, or all without it",
        "Some cells of a column have a unit, a currency or a percent sign that the others do not have.",
    ),
    "mixed-minus": Message(
        "{cells} negative in another form than the rest of the column: {places}; write negative numbers as -12.3",
        "A column has negative numbers such as (12.3) or 12.3- next to others such as -12.3.",
    ),
    "bound": Message(
        "{cells} a bound, not a number: {places}; write the number that you use for it, such as half of the bound",
        "Cells such as <5 do not state a number.",
    ),
    "unclear-scale": Message(
        "{cells} in thousands or millions, or in a unit: {places}; write the numbers in full; or name the unit, as "
        "with data.unit: {{{name}: K}}",
        "A single letter behind a blank may be a multiplier or a unit: 300 K.",
    ),
    "not-a-number-in-covariate": Message(
        "{cells} not a number: {places}; correct the cells, or empty them; or set {repairs}",
        "A covariate of numbers has cells of text.",
    ),
    "mixed-covariate": Message(
        "text below this line, and numbers above; correct the cells, or set {repairs}",
        "A covariate of a large file begins with numbers and continues with text.",
    ),
    "missing-cell": Message(
        "{cells} {kind}: {places}; choose how to fill them: {repairs}",
        "Cells of the target are empty, infinite, or listed in data.na_values.",
    ),
    "outside-head": Message(
        "{cells} not among {expected}: {places}; model.head takes {expected}; correct the cells, or use {repairs}",
        "The distribution of the model's head has no such values.",
    ),
    "outside-transform": Message(
        "{cells} not among {expected}: {places}; data.transform: {transform} takes no others; correct the cells, "
        "or use {repairs}",
        "The transform is not defined for these values.",
    ),
    "outside-logit": Message(
        "{cells} not among {expected}: {places}; data.transform: logit takes no others; correct the cells, or "
        "move data.minimum and data.maximum further apart",
        "The logit transform takes values between the two bounds.",
    ),
    "outside-bounds": Message(
        "{cells} not among {expected}: {places}; correct the cells, or change the bound",
        "Values lie below data.minimum or above data.maximum.",
    ),
    "ambiguous-numbers": Message(
        "{cell!r} can be read in several ways; choose one: {ways:either}",
        "A mark may be a decimal mark or separate thousands.",
    ),
    "several-static-values": Message(
        "{count:,} values in one series: {values:list}; a static covariate has one",
        "A static covariate changes within a series.",
    ),
    "duplicate-timestamps": Message(
        "{count:# timestamp has|# timestamps have} duplicate rows: {timestamps:list}; {clock_change:?where the "
        "clock was set back, name the time zone, such as data.timezone: Europe/Berlin; or }choose the value to "
        "keep: {repairs}; or name the column that separates several series: data.series",
        "Several rows of a series have the same timestamp.",
    ),
    "missing-steps": Message(
        "{missing:steps={frequency}} {missing:is|are} missing: {timestamps:list}{closed:?, most of them }{closed}"
        "{closed:?, as when a shop is closed}; {clock_change:?where the clock was set forward, name the time zone, "
        "such as data.timezone: Europe/Berlin; or }{calendar:?leave these times out, or }choose how to fill them: "
        "{repairs}{weekdays:?; or where they are holidays: data.frequency: sessions}",
        "The file has no row for some steps.",
    ),
    "gap-too-long": Message(
        "{missing:steps={frequency}} {missing:is|are} missing in a row, {first} to {last}: more than "
        "data.max_gap, {limit:,}; add the rows, or allow more: {repairs}",
        "A run of missing steps is longer than data.max_gap.",
    ),
    "same-in-other-series": Message(
        "... and {count:,} more series have such a problem ({code}): {names:list}",
        "Many series have the same problem, of which the first few are written out.",
    ),
    "no-season-for-gaps": Message(
        "data.gaps: seasonal needs a season, and none was found; set data.season",
        "Gaps cannot be filled from a season that is not there.",
    ),
    "no-number-in-target": Message("no cell of the target holds a number", "The target of a series is empty."),
    "sparse-series": Message(
        "{rows:,} {rows:row lies|rows lie} on a grid of {steps:steps={frequency}}: almost all are missing; check "
        "data.time and data.frequency",
        "Rows are so far apart that the step is probably wrong.",
    ),
    "coarser-rows": Message(
        "the rows are {found:apart} apart, but the step is {frequency:apart}: most values would be made up; give a row "
        "for each step, or train on these rows: {repairs}",
        "The rows are further apart than the step that is stated, or that a run was trained with.",
    ),
    "too-few-rows": Message(
        "{rows:,} {rows:row is|rows are} too few to infer a frequency; expected at least 3, and more to train on",
        "Three rows are needed to see how far apart they are.",
    ),
    "stray-row": Message(
        "the timestamps follow no regular step: all but {stray} are on steps of {frequency}; correct this row, "
        "or remove it",
        "A single row lies between the steps of all others.",
    ),
    "irregular-timestamps": Message(
        "the timestamps follow no regular step: {reason}; correct the rows that are off, or aggregate them to "
        "one step, such as the mean of each hour or day",
        "No frequency fits the timestamps.",
    ),
    "dates-in-zone": Message(
        "the timestamps follow no regular step: {reason}; all are midnight in {zone}: {repairs}",
        "Dates were converted to UTC by their time zone.",
    ),
    "jittered-timestamps": Message(
        "the timestamps follow no regular step: {reason}; all are within {distance} of steps of {step}; to move "
        "them there: {repairs}",
        "Timestamps are a little off their steps.",
    ),
    "irregular-months": Message(
        "the timestamps follow no regular step: {reason}; set {repairs}: one row for each {period}",
        "Rows are some months apart.",
    ),
    "days-within-months": Message(
        "the timestamps follow no regular step: {reason}; there is one row for each {period}: date it by the "
        "first of the month, such as {example}",
        "There is one row for each month or quarter, on changing days.",
    ),
    "irregular-sessions": Message(
        "the timestamps follow no regular step: {reason}; set {repairs}: each row is a step, as in trading hours",
        "Rows are trading days or trading hours.",
    ),
    "frequency-mismatch": Message(
        "{column}: {frequency} does not fit timestamps such as {example}",
        "Dates need a frequency of the calendar, and numbers of rows need step.",
    ),
    "unknown-frequency": Message(
        "{column}: {frequency!r} is not a frequency; expected auto, or one such as h, 15min, D, B, W-MON, MS, "
        "QS, YS, C, sessions, step",
        "The frequency is not a pandas alias.",
    ),
    "off-grid": Message(
        "{column}: the timestamps are not all on steps of {frequency}, the first that is not: {stray}",
        "The stated frequency does not hold all timestamps.",
    ),
    "jittered-grid": Message(
        "{column}: the timestamps are not all on steps of {frequency}, the first that is not: {stray}; all are "
        "within {distance} of steps of {step}; to move them there: {repairs}",
        "Timestamps are a little off the steps of the stated frequency.",
    ),
    "different-frequencies": Message(
        "{column}: most series have the frequency {common}, but {others:list}; move them to a file that holds "
        "them alone, or set data.frequency",
        "The series of a file have one frequency.",
    ),
    "no-earlier-sessions": Message(
        "{column}: frequency sessions has no step before the first row; use {repairs}",
        "window.min_length needs steps before the start of each series.",
    ),
    "missing-channel": Message(
        "{series}: not every target has a number here; model.channels: joint reads {targets:all} together; add "
        "the numbers, or use {repairs}",
        "Joint channels need every target of a group.",
    ),
    "no-common-step": Message(
        "{series}: they have no step in common; use {repairs}", "Joint channels need steps that all targets have."
    ),
}

NOTICES: Mapping[str, Message] = {
    "encoding-found": Message("read as {encoding} (data.encoding)", "Notice: the encoding that was detected."),
    "delimiter-found": Message(
        "cells are separated by {delimiter} (data.delimiter)", "Notice: the delimiter that was detected."
    ),
    "header-found": Message(
        "line {line} is the header: {names:list} (data.header)", "Notice: there are lines above the header."
    ),
    "decimal-comma": Message("decimals have a comma (data.decimal)", "Notice: the decimal mark that was detected."),
    "thousands-mark": Message(
        "thousands have a mark, {mark!r} (data.thousands)", "Notice: the thousands mark that was detected."
    ),
    "marks-read": Message(
        "{examples:list}{unit:?; the unit is {unit} (data.unit)}",
        "Notice: cells carry a unit, a multiplier, a footnote mark, or a minus in another form.",
    ),
    "incomplete-line": Message(
        "the last line has no end and seems half-written: {text!r} is left out",
        "Notice: the last line is being written, or was cut.",
    ),
    "known-columns": Message(
        "recognized by name: {roles:list}{rest:?; not read: {rest}}",
        "Notice: columns are named as Prophet and Nixtla's libraries name them: unique_id, ds, y.",
    ),
    "ids-not-read": Message(
        "has {count:,} different cells, and all rows are read as one series; if it names the series, set {repairs}",
        "Warning: a column is called as those that name series, and no key reads it.",
    ),
    "dates-not-read": Message(
        "the timestamps; {names:and} {names:holds|hold} dates, too: to use another column, set data.time",
        "Warning: several columns hold dates, and the first one of them is used.",
    ),
    "similar-ids": Message(
        "series whose names differ in capitals, blanks or the composition of letters alone: {names:list}; if they are "
        "the same, write their names alike",
        "Warning: a series may be two by how its id is written.",
    ),
    "categories-found": Message(
        "text, taken for {count:,} {count:category|categories}: {levels:list}",
        "Notice: a covariate of text is categorical.",
    ),
    "text-as-missing": Message(
        "{cells} not a number: {places}; taken for missing",
        "Notice: data.invalid_values: missing applies to these cells.",
    ),
    "infinite-as-missing": Message(
        "{cells} infinite: {places}; taken for missing", "Notice: infinite numbers are missing values."
    ),
    "missing-code-as-number": Message(
        "{value:g} occurs {count:# time|# times}, far from all other values; if it means a missing one, set {repairs}",
        "Warning: a value such as -999 is used as a number.",
    ),
    "timestamps-moved": Message(
        "{count:,} {count:timestamp is|timestamps are} moved to the nearest step, by {furthest} at most "
        "(data.tolerance)",
        "Notice: timestamps were a little off their steps.",
    ),
    "empty-series-dropped": Message(
        "{count:,} {count:series has|series have} no number and are left out: {names:list}",
        "Notice: some target columns are empty.",
    ),
    "rows-sorted": Message(
        "rows are not in order of time (the first at {place}): sorted", "Notice: rows were sorted by time."
    ),
    "duplicates-merged": Message(
        "{count:# timestamp has|# timestamps have} several rows: {timestamps:list}: took the {policy}",
        "Notice: rows of one timestamp were merged by data.duplicates.",
    ),
    "unfinished-bar": Message(
        "{timestamps:list}: not complete yet: left out", "Notice: the last bar lasts beyond now (data.last_bar: drop)."
    ),
    "steps-filled": Message(
        "{missing:steps={frequency}} {missing:is|are} missing: {timestamps:list}: filled ({policy})",
        "Notice: missing steps were filled by data.gaps.",
    ),
    "late-steps-filled": Message(
        "{missing:steps={frequency}} of the newest {missing:is|are} missing and filled ({policy}): {timestamps:list}",
        "Notice: the newest steps are late, and data.late fills them.",
    ),
    "origin-moved-back": Message(
        "{missing:steps={frequency}} {missing:is|are} left out at the end, so that forecasts begin after {origin}",
        "Notice: the newest steps are late, and data.late moves the origin back.",
    ),
    "steps-masked": Message(
        "{missing:steps={frequency}} {missing:is|are} missing: {timestamps:list}",
        "Notice: missing steps stay missing (data.gaps: mask).",
    ),
    "calendar-unexplained": Message(
        "the calendar of the config does not explain the rows: {reason}; each row is a step (data.frequency: sessions)",
        "Notice: rows disagree with data.weekmask and data.holidays.",
    ),
    "weekdays-found": Message(
        "all rows are on {weekmask}: data.frequency: C", "Notice: some weekdays never have a row."
    ),
    "holidays-found": Message(
        "{closed:,} of {days:,} days that are {weekmask} have no row, as on holidays: {dates:list}; each row is "
        "a step (data.frequency: sessions), and future sessions are those weekdays without data.holidays; to "
        "fill the days instead, set data.gaps",
        "Notice: the rows are trading days.",
    ),
    "seasons-found": Message(
        "{series}: a season of {main:steps={frequency}}, {natural:by the frequency|found by "
        "autocorrelation}{longer:?, and of {longer:and}}{longer_by_data:?, by autocorrelation}{others:?; by "
        "autocorrelation {others:and} too}{instead:?; to use another: data.season: {instead}}",
        "Notice: the data show a season, or longer ones.",
    ),
}
