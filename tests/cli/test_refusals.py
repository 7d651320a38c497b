"""What `train` and `init` print of a file that they refuse, and what a training prints at its end."""

import logging
import shlex
from pathlib import Path

import pandas as pd
import pytest

from forecaster.cli.refusals import explain_refusal
from forecaster.cli.train import _describe_run
from forecaster.default_config import load_or_propose, propose, write_proposal
from forecaster.errors import DataError
from forecaster.preprocessing.plan import plan_training


def write_shops(path: Path) -> Path:
    days = pd.date_range("2026-01-01", periods=90)
    shops = [
        pd.DataFrame({"day": days, "shop": shop, "sold": range(start, start + 90)})
        for start, shop in ((1, "a"), (5, "b"))
    ]
    pd.concat(shops).to_csv(path, index=False)
    return path


def write_gap(path: Path) -> Path:
    rows = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=90), "sold": range(90)})
    rows.drop([40, 41]).to_csv(path, index=False)
    return path


def refuse(verb: str, source: Path, *overrides: str) -> list[str]:
    with pytest.raises(DataError) as caught, explain_refusal(verb, source, overrides):
        plan_training(load_or_propose(source, overrides).loaded)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("write", "reason", "key"),
    [
        (write_shops, "the column 'shop' separates several series", "data.series=shop"),
        (write_gap, "2 days are missing", "data.gaps=interpolate"),
    ],
)
@pytest.mark.parametrize("verb", ["train", "init"])
def test_a_refusal_ends_with_the_command_that_is_accepted(tmp_path, monkeypatch, verb, write, reason, key):
    monkeypatch.chdir(tmp_path)
    source = write(Path("my sales.csv"))
    problem, command = refuse(verb, source, "training.epochs=2")
    assert reason in problem
    assert command == f"this is accepted: forecast {verb} 'my sales.csv' --set training.epochs=2 --set {key}"
    words = shlex.split(command.partition(": ")[2])
    plan_training(propose(Path(words[2]), words[4::2]).loaded)
    assert not list(tmp_path.glob("*.yaml"))


def test_a_config_is_refused_with_a_command_that_names_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_gap(Path("sales.csv"))
    Path("sales.yaml").write_text("data: {path: sales.csv}\nwindow: {length: 8, horizon: 2}\n")
    *_, command = refuse("train", Path("sales.yaml"))
    assert command == "this is accepted: forecast train sales.yaml --set data.gaps=interpolate"


def test_a_file_that_nothing_repairs_is_refused_without_a_command(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("day,sold\n")
    assert not any("accepted" in line for line in refuse("train", path))


def test_what_set_put_into_a_new_yaml_is_printed(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("forecaster"), "propagate", True)
    source = write_shops(Path("sales.csv"))
    with caplog.at_level(logging.INFO, "forecaster"):
        write_proposal(source, Path("sales.yaml"), ["data.series=shop", "training.epochs=2"])
    assert "\nfrom --set: data.series=shop, training.epochs=2\nsales.yaml: written;" in caplog.messages[-1]
    assert "epochs: 2 " in Path("sales.yaml").read_text()


def test_a_training_ends_with_its_folder_its_pictures_and_the_next_command():
    for promoted, option in ((True, ""), (False, " --version 1")):
        assert _describe_run(Path("runs/my sales"), Path("runs/my sales/versions/1"), promoted).splitlines() == [
            "runs/my sales: trained and saved",
            "pictures: runs/my sales/versions/1/forecast.png, runs/my sales/versions/1/loss.png",
            f"next: forecast predict 'runs/my sales'{option} --output forecast.csv --plot forecast.png",
        ]


@pytest.mark.parametrize("rows", [3, 5, 11])
def test_a_csv_too_short_to_train_on_is_refused_with_the_command_that_forecasts_it(
    tmp_path, monkeypatch, forecast, rows
):
    monkeypatch.chdir(tmp_path)
    lines = [f"2024-{month:02},{month % 3 + 5}\n" for month in range(1, rows + 1)]
    (tmp_path / "few.csv").write_text("month,sales\n" + "".join(lines))
    refused = forecast("train", "few.csv", cwd=tmp_path)
    assert refused.returncode == 4
    assert f"few.csv: {rows} rows are too few" in refused.stderr
    assert refused.stderr.endswith("this forecasts without training: forecast predict few.csv\n")
    found = forecast("predict", "few.csv", "--horizon", 2, cwd=tmp_path)
    assert found.returncode == 0
    assert found.stdout.count("zero-shot") == 2


def test_a_csv_that_cannot_be_forecast_either_is_refused_without_that_command(tmp_path, forecast):
    (tmp_path / "few.csv").write_text("month,sales\n2024-01,5\n2024-02,6\n")
    refused = forecast("train", "few.csv", cwd=tmp_path)
    assert refused.returncode == 4
    assert "forecast predict" not in refused.stderr
