"""Plots of stored forecasts and of their scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecaster.evaluation.metrics import find_levels
from forecaster.forecast import shorten
from forecaster.jobs.history import History
from forecaster.jobs.score import Score
from forecaster.reporting.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MAX_SERIES,
    ORANGE,
    SKY,
    ValueFormatter,
    add_legend,
    add_row_legend,
    apply_style,
    count_shown,
    drop_repeated_labels,
    format_time_axis,
    make_figure,
    make_panels,
    style_band,
    to_axis,
)
from forecaster.store.timestamps import classify_timestamp, parse_timestamps
from forecaster.wording import count_of, format_timestamp

_DENSE = 400  # timestamps above which lines are drawn thinner
_MAX_FAN = 40  # forecasts up to which those that a newer one replaced are drawn, too
_MAX_MARKED = 8  # new versions up to which each is marked
_GAP = 4  # steps between two timestamps from which a line is interrupted
_CONTEXT = 0.25  # of the span of the forecasts: how much of the actuals before them is shown


def plot_history(history: History) -> Figure:
    """Plot the newest forecast of each timestamp and its actual, the first few series in a panel each."""
    rows = history.forecasts
    groups = [((str(job), str(series)), part) for (job, series), part in rows.groupby(["job", "series"], sort=False)]
    shown = min(len(groups), MAX_SERIES)
    jobs = rows["job"].unique()
    name = jobs[0] if len(jobs) == 1 else count_of(len(jobs), "job")
    count = len(rows[["job", "version", "origin"]].drop_duplicates())
    title = f"{name}: {count_of(count, 'forecast')} against actuals{count_shown(shown, len(groups))}"
    with apply_style():
        figure, panels = make_panels(title, max(shown, 1))
        for axes, ((job, series), part) in zip(panels, groups, strict=False):
            own = (history.actuals["job"] == job) & (history.actuals["series"] == series)
            _draw_history(axes, part, history.actuals[own])
            label = series if len(jobs) == 1 else f"{job}: {series}"
            if shown > 1:
                axes.set_title(shorten(label))
            else:
                axes.set_ylabel(shorten(series))
        if shown > 1:
            drop_repeated_labels(panels, 2)
            add_row_legend(figure, panels[0])
        else:
            add_legend(panels[0])
        return figure


def _draw_history(axes: Axes, forecasts: pd.DataFrame, actuals: pd.DataFrame) -> None:
    """Draw the forecasts of one series, with the actuals over their time and a little before it."""
    # Data that got dates later, or a time zone, have timestamps of several kinds; those of one kind have one axis.
    kind = classify_timestamp(forecasts["timestamp"].iloc[-1])
    rows = forecasts[[classify_timestamp(text) == kind for text in forecasts["timestamp"]]]
    known = actuals[np.array([classify_timestamp(text) == kind for text in actuals["timestamp"]], bool)]
    rows = rows.assign(at=parse_timestamps(rows["timestamp"]), start=parse_timestamps(rows["origin"]))
    newest = rows.sort_values(["start", "made_at"], kind="stable").drop_duplicates("at", keep="last").sort_values("at")
    first, last = newest["at"].iloc[0], newest["at"].iloc[-1]
    observed = pd.Series(known["actual"].to_numpy(float), parse_timestamps(known["timestamp"])) if len(known) else None
    if observed is not None:
        observed = observed[observed.index >= min(rows["start"].min(), first - _CONTEXT * (last - first))]
        axes.plot(to_axis(observed.index), observed.to_numpy(), color=INK, label="actual", zorder=3, **_size(observed))
    x = to_axis(pd.Index(newest["at"]))
    gaps = _find_gaps(x)  # where nothing was forecast: a value that is NaN interrupts each line
    shown, mean = np.insert(x, gaps, x[gaps - 1]), np.insert(newest["mean"].to_numpy(float), gaps, np.nan)
    axes.plot(shown, mean, color=BLUE, label="newest forecast", zorder=2.5, **_size(newest, 1.6))
    several = newest["quantiles"].to_list()
    every = {probability for quantiles in several for probability in quantiles}
    lows = sorted((low for low in every if low < 0.5 and round(1 - low, 10) in every), reverse=True)
    for place, low in enumerate(lows):
        lower, upper = (
            np.insert([quantiles.get(each, np.nan) for quantiles in several], gaps, np.nan)
            for each in (low, round(1 - low, 10))
        )
        axes.fill_between(shown, lower, upper, linewidth=0, **style_band(low, place, len(lows)))
    _draw_replaced(axes, rows)
    _mark_versions(axes, rows)
    begin = first if observed is None or not len(observed) else min(first, observed.index[0])
    format_time_axis(axes, begin, last)
    axes.margins(x=0.02)
    axes.yaxis.set_major_formatter(ValueFormatter())


def _size(rows: Sequence[Any] | pd.DataFrame | pd.Series, width: float = 1.2) -> dict[str, Any]:
    """Return the width of a line, thinner where it has many values, and markers where it has few."""
    markers: dict[str, Any] = {"marker": "o", "markersize": 3} if len(rows) <= 40 else {}
    return {"linewidth": width if len(rows) <= _DENSE else width / 2, **markers}


def _find_gaps(x: np.ndarray) -> np.ndarray:
    """Find the values of an x axis, rising, before which more than a few steps are missing."""
    distances = np.diff(x.astype("int64"))
    return np.flatnonzero(distances > _GAP * np.median(distances)) + 1 if len(distances) else np.zeros(0, int)


def _draw_replaced(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw every forecast in a light color, where few are and newer ones replace a part of some."""
    groups = list(rows.groupby(["start", "version"]))
    if rows["at"].is_unique or len(groups) > _MAX_FAN:
        return
    for number, (_, part) in enumerate(groups):
        label = "earlier forecast" if number == 0 else None
        axes.plot(
            to_axis(pd.Index(part["at"])), part["mean"].to_numpy(float), color=SKY, linewidth=0.8, label=label, zorder=2
        )


def _mark_versions(axes: Axes, rows: pd.DataFrame) -> None:
    """Mark the origin of the first forecast of each version but the first."""
    starts = rows.groupby("version")["start"].min().sort_values().iloc[1:]
    if len(starts) <= _MAX_MARKED:
        for number, start in enumerate(to_axis(pd.Index(starts))):
            label = "new version" if number == 0 else None
            axes.axvline(start, color=GREY, linewidth=0.9, linestyle=(0, (2, 3)), label=label, zorder=1)


_BASELINE_STYLES = {"naive": ("last value", ORANGE), "seasonal_naive": ("seasonal naive", GREEN)}


def plot_score(score: Score) -> Figure:
    """Plot the error of each week with those of the baselines, the skill, and the coverage of the intervals.

    Where timestamps are steps, a point is a horizon of origins instead of a week. Drift of errors is marked.
    """
    past, measure = score.latest, score.measure
    weeks = _score_weeks(score)
    levels = [f"coverage_{level:g}" for level in find_levels(past.quantiles)]
    skills = [name for name in _BASELINE_STYLES if f"skill_{name}" in weeks]
    title = f"{score.job}: {count_of(score.summary['forecasts'], 'forecast')} of {len(past.names):,} series, by week"
    title = title if len(past.names) > 1 else title.replace(" of 1 series", "")
    with apply_style():
        figure, rows = make_figure(title, 1 + bool(skills) + bool(levels))
        x = to_axis(weeks.index)
        for name in skills:
            label, color = _BASELINE_STYLES[name]
            error = weeks[measure] / (1 - weeks[f"skill_{name}"])
            rows[0].plot(x, error, color=color, linewidth=1.4, label=label)
            rows[1].plot(x, 100 * weeks[f"skill_{name}"], color=color, linewidth=1.8, label=f"against the {label}")
        rows[0].plot(x, weeks[measure], color=BLUE, linewidth=3, label="forecast", zorder=3)
        rows[0].set_ylabel(measure.upper())
        rows[0].set_ylim(bottom=0)
        if skills:
            rows[1].axhline(0, color=INK, linewidth=1)
            rows[1].set_ylabel("skill (%)")
        for place, name in enumerate(reversed(levels)):
            level, color = float(name.removeprefix("coverage_")), (SKY, BLUE, INK)[min(place, 2)]
            rows[-1].plot(x, weeks[name], color=color, linewidth=1.8, label=f"{level:g} % interval")
            rows[-1].axhline(level, color=color, linewidth=1.2, linestyle=(0, (2, 3)))
        if levels:
            rows[-1].set_ylabel("coverage (%)")
            rows[-1].set_ylim(min(48, float(weeks[levels].min().min()) - 2), 102)
        for axes in rows:
            _mark_drift(axes, score, weeks.index)
            format_time_axis(axes, weeks.index[0], weeks.index[-1])
            axes.yaxis.set_major_formatter(ValueFormatter())
            add_legend(axes)
        for axes in rows[:-1]:
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
        figure.align_ylabels(rows)
        return figure


def _score_weeks(score: Score) -> pd.DataFrame:
    """Score each week by its Monday, or each horizon of steps by its first."""
    if isinstance(score.past.times, pd.DatetimeIndex):
        weeks = score.tabulate("week")
        return weeks.set_axis(pd.DatetimeIndex(weeks.index))
    return score.tabulate("origins")


def _mark_drift(axes: Axes, score: Score, index: pd.Index) -> None:
    """Shade the time since errors became larger."""
    since = score.drift.errors_since
    if since is not None:
        ends = to_axis(pd.Index([since, index[-1]]))
        label = f"drift since {format_timestamp(since)}" if axes is axes.figure.axes[0] else None
        axes.axvspan(ends[0], ends[1], color="#f6d5c5", linewidth=0, zorder=0.3, label=label)
