"""The HTML report of a run, a backtest, jobs or a store: one file without a network, for a person who decides."""

from forecaster.html_report.backtest_report import build_backtest_report, is_backtest
from forecaster.html_report.jobs_report import build_jobs_report
from forecaster.html_report.page import MOST_BYTES, render_report
from forecaster.html_report.run_report import build_run_report

__all__ = [
    "MOST_BYTES",
    "build_backtest_report",
    "build_jobs_report",
    "build_run_report",
    "is_backtest",
    "render_report",
]
