"""`forecast predict --jobs N` forecasts batches of series in several processes, as one process does."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from forecaster.engine import Engine
from forecaster.errors import DataError, ForecasterError
from forecaster.forecasting import predict, zero_shot
from forecaster.parallel import Parallel
from forecaster.problems import Problem
from tests.helpers.command import ROOT

RUNS = ROOT / "tests" / "runs" / "format-4"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Batches of one series, so that there are several."""
    monkeypatch.setattr(predict, "SERIES_AT_ONCE", 1)
    monkeypatch.setattr(zero_shot, "SERIES_AT_ONCE", 1)


def write_series(path, counts):
    """Write monthly series of some lengths, one after the other."""
    rows = [
        f"{2000 + month // 12}-{month % 12 + 1:02}-01,shop {number},{10 * number + (7 * month) % 12 + month / 10:.1f}"
        for number, count in enumerate(counts)
        for month in range(count)
    ]
    path.write_text("\n".join(["month,shop,sales", *rows]) + "\n")
    return path


def forecast_twice(forecast_here, tmp_path, *command):
    alone = forecast_here("predict", *command, cwd=tmp_path)
    together = forecast_here("predict", *command, "--jobs", "2", cwd=tmp_path)
    assert together.stdout == alone.stdout
    assert together.stderr == alone.stderr
    assert together.returncode == alone.returncode
    return alone


def test_a_run_forecasts_the_same_in_two_processes(forecast_here, tmp_path):
    run = RUNS / "shops"
    header, *rows = run.with_suffix(".csv").read_text().splitlines()
    first, second = ([row for row in rows if row.split(",")[1] == name] for name in ("a", "b"))
    (tmp_path / "cut.csv").write_text("\n".join([header, *first, *second[-6:]]) + "\n")  # shorter than the window
    result = forecast_twice(forecast_here, tmp_path, run, "--data", "cut.csv")
    assert result.returncode == 0
    assert "zero-shot" in result.stdout


def test_paths_and_pictures_are_those_of_one_process(forecast_here, tmp_path):
    for name, options in (("alone", []), ("together", ["--jobs", "2"])):
        outputs = ["-o", f"{name}.csv", "--samples", f"{name}-paths.csv", "--plot", f"{name}.svg"]
        command = ["predict", RUNS / "shops", "--data", RUNS / "shops.csv", *outputs, *options]
        assert forecast_here(*command, cwd=tmp_path).returncode == 0
    for ending in (".csv", "-paths.csv"):
        assert (tmp_path / f"together{ending}").read_bytes() == (tmp_path / f"alone{ending}").read_bytes()
    assert (tmp_path / "together.svg").exists()


def test_zero_shot_forecasts_are_those_of_one_process(forecast_here, tmp_path):
    data = write_series(tmp_path / "sales.csv", [60, 48, 2, 30, 60, 24])
    result = forecast_twice(forecast_here, tmp_path, data, "--set", "data.series=shop")
    assert result.returncode == 3  # one has too few values


def double(job, received):
    return 2 * job


def fail(job, received):
    raise DataError(Problem("empty-file"))


def wait(job, received):
    Path(job).write_text(str(os.getpid()))
    while not received:
        time.sleep(0.01)


def test_results_have_the_order_of_the_jobs_and_few_are_made_ahead():
    made = []
    jobs = (made.append(number) or number for number in range(40))
    found = Parallel(Engine(), 2, []).iterate_in_order(double, jobs, None, "killed-forecast")
    assert next(found) == 0
    assert len(made) <= 9
    assert list(found) == [2 * number for number in range(1, 40)]


def test_the_error_of_a_job_and_that_of_making_one_are_raised():
    def break_off():
        yield 1
        raise DataError(Problem("empty-file"))

    for work, jobs in ((fail, [1, 2, 3]), (double, break_off())):
        with pytest.raises(DataError):
            list(Parallel(Engine(), 2, []).iterate_in_order(work, jobs, None, "killed-forecast"))


def test_a_process_that_is_killed_is_reported(tmp_path):
    def kill():
        while not (tmp_path / "a").exists() or not (tmp_path / "a").read_text():
            time.sleep(0.01)
        os.kill(int((tmp_path / "a").read_text()), signal.SIGKILL)

    threading.Thread(target=kill).start()
    with pytest.raises(ForecasterError, match="nothing was written; run the command again with a smaller --jobs"):
        list(Parallel(Engine(), 1, []).iterate_in_order(wait, [str(tmp_path / "a")], None, "killed-forecast"))
