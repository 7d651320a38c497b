"""Messages of `forecast check`: what it finds in series, and what it adds to a problem that it looked into."""

from collections.abc import Mapping

from forecaster.problems.message import Message

_OF = "{count:,} of {of:,} series: {names:list}"
_TWICE = "{count:# timestamp has|# timestamps have} several rows: {timestamps:list}; "

CHECKS: Mapping[str, Message] = {
    "several-series": Message(
        _TWICE + "the {columns:column|columns} {columns:and} {columns:separates|separate} several series: {repairs}",
        "Rows of one timestamp belong to several series.",
    ),
    "rows-are-events": Message(
        _TWICE + "rows are events, such as sales: {repairs}, for the total or the average of each timestamp",
        "Each row is an event, and none of the columns separates series.",
    ),
    "time-in-several-columns": Message(
        _TWICE + "the {columns:column|columns} {columns:and} {columns:is a part|are parts} of the time: {repairs}",
        "Dates and hours are in separate columns.",
    ),
    "repeated-hour": Message(
        _TWICE + "the clock was set back then: {repairs}, or another zone that changes its clock at the same time",
        "The hour when daylight saving time ends has two rows.",
    ),
    "skipped-hour": Message(
        "{missing:steps={frequency}} {missing:is|are} missing: {timestamps:list}; the clock was set forward "
        "then: {repairs}, or another zone that changes its clock at the same time",
        "The hour when daylight saving time begins has no row.",
    ),
    "more-notices": Message("{count:,} more notices", "There are more notices than are printed."),
    "longest-examined": Message(
        "the longest {count:,} of {of:,} series are examined", "Only some series of a large file are examined."
    ),
    "short": Message(
        "{steps:steps={frequency}} {steps:is|are} few to learn from; {enough:,} are a start", "The series is short."
    ),
    "missing": Message(
        "{missing:,} of {steps:steps={frequency}} ({share:.2%}) are missing, in {gaps:# gap|# gaps}, the longest "
        "of {longest:,}: {place}",
        "The series has gaps.",
    ),
    "missing-code": Message(
        "{value:g} occurs {count:# time|# times}, far from all other values, like a code for a missing value",
        "A value such as -999 probably means that there is none.",
    ),
    "constant-stretches": Message(
        "{count:# constant stretch|# constant stretches}{count:|, the longest first}: {places:list}",
        "The value does not change for unusually long.",
    ),
    "mostly-zero": Message(
        "{share:.0%} of the values are 0: a forecast of 0 has a small error on most of them",
        "The series is intermittent.",
    ),
    "proportional-changes": Message(
        "changes grow with the level; a logarithm evens them out: {repairs}",
        "A transform may help: changes are a share of the level.",
    ),
    "never-negative": Message(
        "no value is below 0: {repairs} keeps forecasts and intervals there{counts:?; all are whole numbers, which "
        "model.head: negative_binomial forecasts as counts}",
        "A bound may help: no value is negative.",
    ),
    "outliers": Message(
        "{count:# outlier or run of them|# outliers or runs of them}, far from the values a season before and "
        "after: {places:list}",
        "Values are far from those a season away.",
    ),
    "level-shifts": Message(
        "{count:# level shift|# level shifts}{count:|, the largest first}: {places:list}",
        "The level of the series changes for good.",
    ),
    "better-season": Message(
        "the value {best:steps={frequency}} before has a smaller error than the value {main:steps={frequency}} "
        "before, the main season",
        "A longer season forecasts better than the main one.",
    ),
    "too-short-to-measure": Message(
        "too short to measure whether there is anything to learn",
        "No naive forecast can be compared with a straight line.",
    ),
    "learnable": Message(
        "mean absolute error {errors}: there is something to learn beyond the naive forecast",
        "A straight line through the past beats the naive forecasts.",
    ),
    "perhaps-learnable": Message(
        "mean absolute error {errors}: perhaps there is something to learn; the difference may be chance",
        "A straight line through the past beats the naive forecasts by little.",
    ),
    "hard-to-beat": Message(
        "mean absolute error {errors}: the naive forecast will be hard to beat",
        "A straight line through the past does not beat the naive forecasts.",
    ),
    "last-horizon": Message(
        "the last {steps:steps={frequency}}{several:? of {count} series}, forecast from the steps before: "
        "{measure} {errors:all}; zero-shot is what `forecast predict` gives without a run",
        "What needs no training, compared on the newest steps: one forecast, too few for a verdict.",
    ),
    "copied-target": Message(
        "the column {name!r} is the target under another name: it is not known any sooner",
        "A column repeats the target.",
    ),
    "future-target": Message(
        "the column {name!r} is the target {rows:# row|# rows} later: it reveals the future",
        "A column holds later values of the target.",
    ),
    "past-target": Message(
        "the column {name!r} is the target {rows:# row|# rows} earlier: it adds no information",
        "A column holds earlier values of the target.",
    ),
    "parts-of-target": Message(
        "a weighted sum of the columns {names:and} is the target: they are its parts, and not known any sooner",
        "Columns add up to the target.",
    ),
    **{
        f"{code}-in-series": Message(text + _OF, f"The same for several series: `{code}`.")
        for code, text in {
            "short": "too short to learn much from: ",
            "missing": "steps are missing in ",
            "missing-code": "a value like a code for a missing value in ",
            "constant-stretches": "constant stretches in ",
            "mostly-zero": "mostly 0: ",
            "proportional-changes": "changes grow with the level in ",
            "never-negative": "no value is below 0 in ",
            "outliers": "outliers in ",
            "level-shifts": "level shifts in ",
            "better-season": "another season than the main one has a smaller error in ",
            "too-short-to-measure": "too short to measure whether there is anything to learn: ",
            "learnable": "there is something to learn beyond the naive forecast in ",
            "perhaps-learnable": "there is perhaps something to learn, perhaps chance, in ",
            "hard-to-beat": "the naive forecast will be hard to beat in ",
        }.items()
    },
}
