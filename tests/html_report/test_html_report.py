"""Reports: what they show is what was measured, every text is escaped, and the file needs no network."""

import html
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecaster.data import Series
from forecaster.errors import RunError, UsageError
from forecaster.evaluation.backtest import _write
from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.metrics import Scale
from forecaster.evaluation.origins import Origins
from forecaster.explain.explain_forecasts import explain_run
from forecaster.forecast import Forecast
from forecaster.html_report import MOST_BYTES, build_backtest_report, build_jobs_report, build_run_report, render_report
from forecaster.html_report.charts import choose_ticks, draw_plot, format_value, pick_times
from forecaster.html_report.content import Chart, Code, Facts, Line, Panel, Report, Section, Sentences, Table, Tile
from forecaster.html_report.error_sections import describe_worth
from forecaster.html_report.explained_section import build_explained_section
from forecaster.html_report.run_report import _describe_rows
from forecaster.html_report.series_panels import build_forecast_chart
from forecaster.jobs.history import find_store
from forecaster.runs import load_version
from forecaster.store.store import open_store
from tests.evaluation.test_backtest import panel_of

RUNS = Path(__file__).parents[1] / "runs" / "format-4"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EMPTY = {"meta", "link", "input", "path", "br"}
HOSTILE = "</script><img src=x onerror=alert(1)>'\"&<!--\u2028"


class Page(HTMLParser):
    """The parts of a page that tests ask for; elements that are not closed are an error."""

    def __init__(self, text):
        super().__init__()
        self.text, self.open, self.elements, self.tables, self.script = text, [], [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append(dict(attributes).get("data-value", ""))

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"td", "th"} and not self.tables[-1][-1][-1]:
            self.tables[-1][-1][-1] = data
        if self.open and self.open[-1] == "script":
            self.script.setdefault(len(self.script), data)

    @property
    def charts(self):
        return json.loads(self.script[0])

    def find_table(self, *columns):
        return next(table for table in self.tables if {*columns} <= {*table[0]})


def render(report) -> Page:
    text = render_report(report)
    assert len(text.encode()) < MOST_BYTES
    page = Page(text)
    for tag, attributes in page.elements:
        assert not {"src", "srcset"} & {*attributes}, tag
        assert attributes.get("href", "#").startswith(("#", "data:"))
    assert not re.search(r"https?://|url\(|@import|import\(", text)
    return page


def make_report(*blocks, title="load"):
    return Report(title, "", "headline", [], [Tile("error", "1")], [Section("Errors", blocks)])


def make_chart(panels, **options):
    return Chart("steps", "errors", [Line("forecast", "blue")], panels, **options)


@pytest.fixture(scope="module")
def run_page():
    version = load_version(RUNS / "load")
    return version, render(build_run_report(version, "load", RUNS / "load.csv"))


def test_the_errors_of_a_run_are_those_of_its_metrics(run_page):
    version, page = run_page
    table = page.find_table("forecaster", "MASE")
    scores = version.metrics["scores"]
    for row, (_, expected) in zip(table[1:], scores.items(), strict=True):
        shown = dict(zip(table[0], row, strict=True))
        for column, metric in (("MAE", "mae"), ("RMSE", "rmse"), ("MASE", "mase"), ("bias", "bias")):
            assert float(shown[column]) == expected[metric]
    covered = page.find_table("covered %")
    assert [float(row[1]) for row in covered[1:]] == list(version.metrics["coverage"].values())


def test_the_report_of_a_run_has_all_its_sections(run_page):
    version, page = run_page
    titles = re.findall(r"<h2>(.*?)</h2>", page.text)
    assert titles == ["Forecast", "Errors", "Coverage", "Anomalies", "Explained", "Data", "Network", "Reproduce"]
    assert version.path.name in page.text
    assert html.escape(version.read("config.yaml").decode()) in page.text
    assert {"forecast", "steps", "coverage", "explained", "losses"} == {*page.charts["charts"]}


def test_the_chart_holds_the_history_and_the_forecast_of_the_run(run_page):
    _, page = run_page
    expected, rows = pd.read_csv(RUNS / "load-expected.csv"), pd.read_csv(RUNS / "load.csv")
    (panel,) = page.charts["charts"]["forecast"]["panels"]
    times = page.charts["times"][panel["t"]]
    assert times[-len(expected) :] == [text[:16] for text in expected["timestamp"]]
    assert panel["o"] == len(rows) - 1
    assert panel["l"][0][: len(rows)] == pytest.approx(rows["load"].to_list(), rel=1e-5)
    assert panel["l"][1][len(rows) :] == pytest.approx(expected["mean"].to_list(), rel=1e-5)
    assert panel["b"][0][0][len(rows) :] == pytest.approx(expected["q0.025"].to_list(), rel=1e-5)  # the widest first


def test_errors_by_step_are_those_of_the_evaluation(run_page):
    version, page = run_page
    chart = page.charts["charts"]["steps"]
    place = [name for name, *_ in chart["lines"]].index("forecast")
    errors = chart["panels"][0]["l"][place]
    assert len(errors) == version.config.window.horizon
    assert np.mean(errors) == pytest.approx(version.metrics["scores"]["model"]["mase"], rel=0.02)


def test_contributions_and_baseline_add_up_to_the_forecast(run_page):
    _, page = run_page
    (panel,) = page.charts["charts"]["explained"]["panels"]
    table = page.find_table("part", "lowest")
    baseline, expected = table[1], pd.read_csv(RUNS / "load-expected.csv")["mean"]
    assert [row[0] for row in (table[1], table[-1])] == ["baseline", "forecast"]
    added = np.sum(panel["l"], axis=0) + float(baseline[1])
    assert added == pytest.approx(expected.to_list(), rel=1e-4)
    assert float(table[-1][1]) == pytest.approx(expected.mean(), rel=1e-4)


def test_series_of_a_run_are_sorted_by_their_errors():
    version = load_version(RUNS / "shops")
    page = render(build_run_report(version, "shops", RUNS / "shops.csv"))
    table = next(table for table in page.tables if table[0][0] == "series" and "MASE" in table[0])
    errors = [float(row[table[0].index("MASE")]) for row in table[1:]]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) > 1
    names = [row[0] for row in table[1:]]
    assert [panel["n"] for panel in page.charts["charts"]["forecast"]["panels"]] == names


def test_a_run_without_its_data_has_what_it_stores(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    page = render(build_run_report(load_version(RUNS / "load"), "load"))
    assert "There is no forecast: load.csv: no such file" in page.text
    assert "There is no forecast" in caplog.text
    assert "losses" in page.charts["charts"]
    assert page.find_table("forecaster", "MASE")


def make_comparison():
    panel = panel_of(np.tile([1.0, 2.0, 3.0, 4.0], 5))
    origins = Origins(panel, np.zeros(2, int), np.array([11, 15]))
    actual = origins.read_actuals(4)
    mean = actual + np.array([[1.0], [3.0]])
    forecasts = {
        "model": BaselineForecast(mean, {0.1: mean - 1.5, 0.9: mean + 1.5}),
        "naive": BaselineForecast(actual + 4.0, {}),
    }
    return Comparison(forecasts, origins, np.array([1, 2]), actual, Scale(np.ones(2), np.ones(2)), 4, [80.0], 1)


def test_the_report_of_a_backtest_is_read_from_its_files(tmp_path):
    _write(make_comparison(), tmp_path, "levels")
    report = build_backtest_report(tmp_path)
    assert (
        report.headline == "On average the forecast is off by 2, and the last value by 4: its errors are 50% smaller."
    )
    page = render(report)
    (panel,) = page.charts["charts"]["forecast"]["panels"]
    assert panel["l"] == [[1, 2, 3, 4, 1, 2, 3, 4], [2, 3, 4, 5, 4, 5, 6, 7], [5, 6, 7, 8, 5, 6, 7, 8]]
    assert panel["b"][0][0] == [0.5, 1.5, 2.5, 3.5, 2.5, 3.5, 4.5, 5.5]
    assert page.charts["charts"]["folds"]["panels"][0]["l"][0] == [1, 3]
    # Where the stride is longer than the horizon, a line ends with each forecast.
    rows = pd.read_csv(tmp_path / "forecasts.csv")
    rows[rows["step"] < 4].to_csv(tmp_path / "forecasts.csv", index=False)
    (panel,) = render(build_backtest_report(tmp_path)).charts["charts"]["forecast"]["panels"]
    assert panel["l"][0] == [1, 2, 3, None, 1, 2, 3]
    assert panel["b"][0][1] == [3.5, 4.5, 5.5, None, 5.5, 6.5, 7.5]
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(RunError, match="not those of a finished backtest"):
        build_backtest_report(tmp_path)


@pytest.fixture
def jobs(tmp_path):
    """A jobs file with a store of two jobs: the forecasts of one are perfect, those of the other 2 too high."""
    hours = pd.date_range("2026-01-01", periods=24 * 16, freq="h")
    values = 10 + np.sin(np.arange(len(hours)) * np.pi / 12) + np.random.default_rng(0).normal(0, 0.1, len(hours))
    (tmp_path / "jobs.yaml").write_text(
        "store: sqlite:///store.db\njobs:\n"
        + "".join(f"  - {{name: {name}, data: a.csv, run: runs/{name}}}\n" for name in ("good", "poor", "new"))
    )
    with open_store("sqlite:///store.db", tmp_path) as store:
        for job, error in (("good", 0.0), ("poor", 2.0)):
            for day in range(3, 15):
                part = slice(24 * day, 24 * day + 24)
                mean = values[part] + error
                made = Forecast("load", hours[24 * day - 1], hours[part], mean, {0.1: mean - 1, 0.9: mean + 1})
                store.add_forecasts(job, "v1", [made], datetime(2026, 2, 1, tzinfo=UTC))
            store.add_actuals(
                job,
                pd.DataFrame({"series": "load", "timestamp": hours, "value": values}),
                datetime(2026, 2, 1, tzinfo=UTC),
            )
    return tmp_path


@pytest.mark.parametrize("source", ["jobs.yaml", "store.db"])
def test_the_report_of_jobs_begins_with_the_worst(jobs, source):
    path = str(jobs / source)
    report = build_jobs_report(path, *find_store(path))
    assert report.headline == "1 of 2 jobs forecast better than the value a season before, or the last one."
    page = render(report)
    assert [row[0] for row in page.find_table("job", "MAE")[1:]] == ["poor", "good"]
    assert [float(row[1]) for row in page.find_table("job", "MAE")[1:]] == pytest.approx([2.0, 0.0])
    assert [panel["n"] for panel in page.charts["charts"]["forecast"]["panels"]] == ["poor", "good"]
    assert ("new: no stored forecast has an actual yet" in page.text) == (source == "jobs.yaml")


def test_lines_stop_where_no_forecast_follows_and_one_origin_has_no_chart_of_origins(tmp_path):
    hours = pd.date_range("2026-01-01", periods=24 * 9, freq="h")
    values = 10 + np.sin(np.arange(len(hours)) * np.pi / 12)
    with open_store("sqlite:///store.db", tmp_path) as store:
        for first in (24 * 6, 24 * 6 + 6, 24 * 8):  # the second follows the first; 36 hours later there is a third
            part = slice(first, first + 6)
            made = Forecast(
                "load", hours[first - 1], hours[part], values[part], {0.1: values[part] - 1, 0.9: values[part] + 1}
            )
            store.add_forecasts("load", "v1", [made], datetime(2026, 2, 1, tzinfo=UTC))
        known = {"series": "load", "timestamp": hours[: 24 * 6 + 6], "value": values[: 24 * 6 + 6]}
        store.add_actuals("load", pd.DataFrame(known), datetime(2026, 2, 1, tzinfo=UTC))
    path = str(tmp_path / "store.db")
    page = render(build_jobs_report(path, *find_store(path)))
    (panel,) = page.charts["charts"]["forecast"]["panels"]
    assert [place for place, value in enumerate(panel["l"][1]) if value is None] == [12]
    assert panel["b"][0][0][12] is None
    assert page.charts["times"][panel["t"]][12] == "2026-01-08 23:00"
    assert "origins" not in page.charts["charts"]
    assert "Errors by origin need two origins" in page.text


def test_parts_that_add_nothing_to_a_forecast_are_0(run_page):
    _, page = run_page
    cells = [row[1:] for row in page.find_table("part", "lowest")[1:]]
    assert not [text for row in cells for text in row if "e-" in text]
    means = [float(row[0]) for row in cells]
    assert sum(means[:-1]) == pytest.approx(means[-1], abs=0.005)


def test_a_hierarchy_names_the_rows_of_its_errors_and_what_is_explained():
    measured = {"scores": {"model": {"mae": 2.0}}}
    found = {"scores": {"model": {"mae": 1.9}, "unreconciled": {"mae": 2.0}}}
    assert "test part, with the forecast after reconciliation" in _describe_rows(found, measured)
    for other in ({"unreconciled": {"mae": 3.0}}, {}):
        assert "after the training data" in _describe_rows({"scores": {"model": {"mae": 1.9}} | other}, measured)
    found, _ = explain_run(load_version(RUNS / "load"), RUNS / "load.csv")
    for is_reconciled in (True, False):
        page = render(Report("", "", "", [], [], [build_explained_section(found, is_reconciled)]))
        assert ("before reconciliation" in page.text) == is_reconciled


@pytest.mark.parametrize("block", [
    Facts([(HOSTILE, HOSTILE)]), Sentences([HOSTILE]), Code(HOSTILE, HOSTILE), Table([HOSTILE], [[HOSTILE]], HOSTILE, HOSTILE),
    Chart(HOSTILE, HOSTILE, [Line(HOSTILE, "blue")], [Panel(HOSTILE, ['2026-01-01'], [np.ones(1)], [(np.ones(1), np.ones(1))])] * 2,
          [HOSTILE], HOSTILE, note=HOSTILE),
], ids=["facts", "sentences", "code", "table", "chart"])  # fmt: skip
def test_every_text_is_escaped(block):
    page = render(
        Report(HOSTILE, HOSTILE, HOSTILE, [HOSTILE], [Tile(HOSTILE, HOSTILE, HOSTILE)], [Section(HOSTILE, [block])])
    )
    assert not [tag for tag, attributes in page.elements if tag == "img" or "onerror" in attributes]
    assert [tag for tag, _ in page.elements].count("script") == 2
    if isinstance(block, Chart):
        assert page.charts["charts"][HOSTILE]["panels"][0]["n"] == HOSTILE


def test_many_series_stay_below_the_size_and_the_page_counts_those_it_holds():
    times = [str(time) for time in pd.date_range("2020-01-01", periods=500, freq="h")]
    values = np.random.default_rng(0).normal(size=(600, 500)) * 1e5
    panels = [Panel(f"series {number}", times, [row]) for number, row in enumerate(values)]
    table = Table(["series", "error"], [[panel.name, float(number)] for number, panel in enumerate(panels * 20)], "")
    page = render(make_report(make_chart(panels, total=10_000), table))
    held = page.charts["charts"]["steps"]["panels"]
    assert 100 < len(held) < 600
    assert f"{len(held):,} of 10,000 series can be selected, those with the largest errors." in page.text
    assert "The first 1,000 of 12,000 rows." in page.text


def test_a_long_history_is_thinned_to_its_extremes_and_kept_near_the_forecast():
    steps = np.arange(20_000)
    values = np.sin(steps / 50.0)
    values[[777, 5000]] = [9.0, -9.0]
    index = pd.date_range("2020-01-01", periods=20_003, freq="h")
    series = Series("load", "load", "time", index[:20_000], values, "h", observed=steps != 19_990)
    forecast = Forecast("load", index[19_999], index[20_000:], np.ones(3), {0.1: np.zeros(3), 0.9: np.full(3, 2.0)})
    chart = build_forecast_chart([(series, forecast)], 1, "hours")
    (panel,) = chart.panels
    assert len(panel.times) <= 3003
    assert {777, 5000, *range(19_700, 20_003)} <= {*panel.places.tolist()}
    assert np.nanmax(panel.lines[0]) == 9.0
    assert np.nanmin(panel.lines[0]) == -9.0
    assert "lowest and the highest" in chart.note
    filled = np.flatnonzero(np.isfinite(panel.lines[2]))
    assert panel.places[filled].tolist() == [19_989, 19_990, 19_991]  # with the observed ones next to it
    lower, upper = panel.bands[0]
    assert (lower[panel.origin], upper[panel.origin + 1]) == (values[-1], 2.0)


def test_gaps_interrupt_a_line_and_a_single_value_is_a_dot():
    panel = Panel("", list("123456"), [np.array([1.0, 2.0, np.nan, 3.0, np.nan, 1.0])])
    lines = re.findall(r'class="line blue dash0" d="(.*?)"', draw_plot(make_chart([panel]), panel))
    assert [part.count("L") for part in lines[0].split("M")[1:]] == [1, 0, 0]
    assert lines[0].count("h0") == 2


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pd.date_range("2026-01-30", periods=97, freq="h").strftime("%Y-%m-%d %H:%M"), ["30 Jan", "31 Jan", "Feb 2026", "2 Feb", "3 Feb"]),
        ([*pd.date_range("2026-03-04 12:00", periods=3, freq="h").strftime("%Y-%m-%d %H:%M"), "2026-03-06 11:00", "2026-03-06 12:00"], ["12:00", "13:00", "14:00", "6 Mar", "12:00"]),
        (pd.date_range("2026-03-04", periods=18, freq="h").strftime("%Y-%m-%d %H:%M"), ["4 Mar", "06:00", "12:00"]),
        (pd.date_range("2025-11-15", periods=120, freq="D").strftime("%Y-%m-%d"), ["Dec 2025", "2026", "Feb 2026", "Mar 2026"]),
        (pd.date_range("1957-01-01", periods=60, freq="MS").strftime("%Y-%m-%d"), ["1957", "1958", "1959", "1960", "1961"]),
        (map(str, range(1, 25)), ["5", "10", "15", "20"]),
        (map(str, range(1, 4)), ["1", "2", "3"]),
    ],
)  # fmt: skip
def test_times_are_labelled_where_years_months_and_days_begin(times, expected):
    labels = [text for _, text in pick_times(list(times))]
    assert labels == expected


def test_a_time_at_the_right_end_is_not_cut():
    panel = Panel("", ["1", "2", "3"], [np.ones(3)])
    labels = re.findall(r'<span( class="end")? style="left:(.*?)%">', draw_plot(make_chart([panel]), panel))
    assert labels == [("", "0.00"), ("", "50.00"), (' class="end"', "100.00")]


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.0, 10.0, [0, 2, 4, 6, 8, 10]), (-1.1, 1.2, [-1, -0.5, 0, 0.5, 1]), (97, 131, [100, 110, 120, 130])]
)  # fmt: skip
def test_values_are_labelled_with_round_numbers(low, high, expected):
    assert choose_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234567.0, "1,234,570"), (-12.5, "\N{MINUS SIGN}12.5"), (0.1 + 0.2, "0.3"), (1e-7, "1.000e-07")],
)
def test_numbers_have_six_digits(value, text):
    assert format_value(value) == text


def make_summary(model, naive, series=1, **others):
    scores = {"model": {"mae": model, "mase": model}, "naive": {"mae": naive, "mase": naive}}
    return {"scores": {**scores, **others}, "series": series, "measure": "mase"}


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        (make_summary(3.0, 4.0), "On average the forecast is off by 3, and the last value by 4: its errors are 25% smaller."),
        (
            make_summary(3.0, 9.0, seasonal_naive={"mae": 2.0, "mase": 2.0}),
            "On average the forecast is off by 3, and the value 24 hours before by 2: its errors are 50% larger; "
            "use that value instead.",
        ),
        (make_summary(4.0, 4.0), "On average the forecast is off by 4, and the last value by 4: its errors are equal."),
        (make_summary(3.0, 4.0, 7), "Over all 7 series, the forecast's errors are 25% smaller than those of the last value."),
    ],
)  # fmt: skip
def test_one_sentence_compares_with_the_value_that_everybody_knows(summary, sentence):
    assert describe_worth(summary, 24, "h") == sentence


def test_the_command_writes_a_page(forecast, tmp_path):
    shutil.copytree(RUNS / "load", tmp_path / "load")
    result = forecast("report", "load", "--data", RUNS / "load.csv", "--output", "page.html", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_options_of_a_run_are_refused_for_other_sources(tmp_path):
    from forecaster.cli.report import _build

    _write(make_comparison(), tmp_path, "levels")
    with pytest.raises(UsageError, match="report of a run"):
        _build(str(tmp_path), Path("new.csv"), None, False)


@pytest.mark.parametrize(
    ("source", "error", "code"),
    [("missing", RunError, 6), ("missing.yaml", UsageError, 2), ("sqlite:///missing.db", RunError, 6)],
)
def test_a_source_that_is_missing_is_reported_as_what_it_seems_to_be(source, error, code, tmp_path, monkeypatch):
    from forecaster.cli.report import _build

    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        _build(source, None, None, False)
    assert raised.value.exit_code == code


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_script_runs_without_an_error(run_page, tmp_path):
    """The script adds controls and draws the charts again; an error would be printed as a line of the console."""
    (tmp_path / "page.html").write_text(run_page[1].text)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
    command = [
        CHROMIUM,
        *options,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        f"file://{tmp_path}/page.html",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "CONSOLE" not in result.stderr
    assert result.stdout.count('class="controls"') >= 1
    assert result.stdout.count('<th scope="col"') > 5
    assert 'class="theme"' in result.stdout
    assert 'role="application"' in result.stdout
