"""What pictures show: where a forecast begins, how axes are labelled, how many series are left out."""

import contextvars
import re
import struct

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.explain.attention_weights import AttentionWeights
from forecaster.explain.plots import plot_attention
from forecaster.forecast import Forecast
from forecaster.forecasting.plots import plot_forecast, plot_future
from forecaster.reporting.figures import ValueFormatter, apply_style, format_time_axis, make_figure, render_figure
from forecaster.reporting.picture_style import choose_style


def make_series(name="load", steps=60, freq="h", level=0.0):
    index = pd.date_range("2026-05-14", periods=steps, freq=freq)
    return Series(name, "load", "time", index, level + np.arange(float(steps)), {"ME": "ME"}.get(freq, freq))


def forecast_of(series, steps=12):
    ahead = pd.date_range(series.timestamps[-1], periods=steps + 1, freq=series.frequency)[1:]
    mean = np.full(steps, 50.0)
    quantiles = {0.025: mean - 9, 0.1: mean - 4, 0.9: mean + 4, 0.975: mean + 9}
    return Forecast(series.name, series.timestamps[-1], ahead, mean, quantiles)


def line_of(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def test_the_forecast_and_its_intervals_begin_at_the_last_value():
    series = make_series()
    (axes,) = plot_future([series], [forecast_of(series)], "power").axes
    assert line_of(axes, "forecast").get_ydata()[:2].tolist() == [59.0, 50.0]
    for band in axes.collections:
        assert band.get_paths()[0].vertices[0, 1] == 59.0


def test_actuals_are_drawn_above_the_forecast():
    series = make_series(steps=900)
    history = pd.Series(series.values, series.timestamps)[:100]
    forecast = Forecast("load", history.index[-1], series.timestamps[100:], np.full(800, 50.0))
    (axes,) = plot_forecast(history, forecast, "power", "load", pd.Series(series.values, series.timestamps)[100:]).axes
    actual = next(line for line in axes.lines if len(line.get_xdata()) == 801 and line.get_label() != "forecast")
    forecast_line = line_of(axes, "forecast")
    assert actual.get_zorder() > forecast_line.get_zorder()
    assert actual.get_linewidth() < forecast_line.get_linewidth()


@pytest.mark.parametrize(("count", "title"), [(4, ""), (6, "; 4 of 6 series shown")])
def test_a_title_counts_the_series_that_are_shown(count, title):
    panel = [make_series(f"shop {number}") for number in range(count)]
    figure = plot_future(panel, [forecast_of(series) for series in panel], "shops")
    assert figure.get_suptitle() == f"shops: next 12 hours after 16 May 2026 11:00{title}"
    assert len(figure.axes) == 4


@pytest.mark.parametrize(
    ("freq", "name"), [("D", "12 July 2026"), ("MS", "May 2031"), ("QS", "Q2 2041"), ("YS", "2086")]
)
def test_the_title_names_the_origin_by_the_step(freq, name):
    series = make_series(freq=freq)
    assert plot_future([series], [forecast_of(series)], "x").get_suptitle().endswith(f"after {name}")


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0, 20_000, 40_000], ["0", "20,000", "40,000"]),
        ([-0.25, 0, 0.25], ["−0.25", "0.00", "0.25"]),
        ([1e9, 1.25e9, 1.5e9], ["1.00 billion", "1.25 billion", "1.50 billion"]),
        ([1e15, 1.0001e15, 1.0002e15], ["1.0000×10¹⁵", "1.0001×10¹⁵", "1.0002×10¹⁵"]),
        ([1e-7, 2e-7], ["1×10⁻⁷", "2×10⁻⁷"]),
    ],
)
def test_ticks_differ_at_every_size(ticks, texts):
    assert ValueFormatter().format_ticks(ticks) == texts


@pytest.mark.parametrize(
    ("first", "last", "label"),
    [
        ("2016-12-26", "2016-12-31", "2016"),
        ("2016-12-26", "2017-01-31", "2016 to 2017"),
        ("2016-12-26 08:00", "2016-12-26 20:00", "26 December 2016"),
        ("1949-01-01", "1960-12-01", ""),
    ],
)
def test_the_axis_names_what_no_tick_names(first, last, label):
    _, (axes,) = make_figure("x")
    format_time_axis(axes, pd.Timestamp(first), pd.Timestamp(last))
    assert axes.get_xlabel() == label


def test_the_axis_names_the_time_zone():
    _, (axes,) = make_figure("x")
    format_time_axis(axes, *pd.to_datetime(["2016-12-26", "2016-12-28"]).tz_localize("Europe/Berlin"))
    assert axes.get_xlabel() == "2016, Europe/Berlin time"


@pytest.mark.parametrize("count", [1, 2, 5, 48])
def test_each_labelled_origin_of_a_heat_map_is_named_once(count):
    series = make_series(freq="D")
    attention = AttentionWeights(
        series, np.arange(60 - count, 60), np.zeros(count, int), np.arange(11, -1, -1), 1, np.full((count, 12), 1 / 12)
    )
    axes = plot_attention([attention], "power").axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(labels)) == len(labels) == min(count, 8 if count == 48 else count)
    assert axes.get_yticks().tolist() == list(range(0, count, 6 if count == 48 else 1))
    assert labels[0].endswith("2026")


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_a_picture_is_the_same_file_each_time(suffix, start):
    series = make_series()
    one, other = (render_figure(plot_future([series], [forecast_of(series)], "x"), suffix) for _ in range(2))
    assert one.startswith(start)
    assert one == other


def test_every_figure_has_the_shape_of_a_slide():
    for rows, columns in ((1, 1), (3, 1), (2, 2)):
        figure, _ = make_figure("x", rows, columns)
        width, height = figure.get_size_inches()
        assert width / height == pytest.approx(16 / 9)


def draw_in_style(name, rows=1):
    """A picture of one line in each row, and the files that it becomes, by their ending."""

    def draw():
        choose_style(name)
        with apply_style():
            figure, panels = make_figure("power: next 12 hours", rows)
            for axes in panels:
                axes.plot([0, 1], [2, 3], linewidth=2.0, marker="o", markersize=4.0)
        return figure, {suffix: render_figure(figure, suffix) for suffix in (".png", ".svg", ".pdf")}

    return contextvars.copy_context().run(draw)


@pytest.mark.parametrize(
    ("name", "rows", "pixels", "points"),
    [
        ("screen", 1, (1200, 675), (576, 324)),
        ("slide", 1, (1920, 1080), (460.8, 259.2)),
        ("paper", 1, (2100, 1440), (252, 172.8)),  # 3.5 inches are 89 mm
        ("paper", 2, (2100, 2040), (252, 244.8)),
    ],
)
def test_a_style_has_a_size_in_every_format(name, rows, pixels, points):
    _, files = draw_in_style(name, rows)
    assert struct.unpack(">II", files[".png"][16:24]) == pixels
    svg = re.search(
        rb'width="([\d.]+)pt" height="([\d.]+)pt"|height="([\d.]+)pt"[^>]*width="([\d.]+)pt"', files[".svg"]
    )
    found = [float(size) for size in svg.groups() if size]
    assert sorted(found) == pytest.approx(sorted(points))
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", files[".pdf"])
    assert [float(size) for size in box.groups()] == pytest.approx(points)


def test_a_paper_has_a_caption_instead_of_a_title_and_thinner_lines():
    slide, _ = draw_in_style("slide")
    paper, files = draw_in_style("paper")
    assert slide.get_suptitle() == "power: next 12 hours"
    assert not paper.get_suptitle()
    assert paper.axes[0].xaxis.get_label().get_fontsize() < slide.axes[0].xaxis.get_label().get_fontsize()
    assert b"stroke-width: 1.2" in files[".svg"]  # 0.6 times 2 points
    assert paper.axes[0].lines[0].get_linewidth() == 2.0  # as it was


def test_the_style_of_one_picture_is_not_that_of_the_next():
    draw_in_style("paper")
    figure, _ = make_figure("power")
    assert figure.get_size_inches().tolist() == [8.0, 4.5]
