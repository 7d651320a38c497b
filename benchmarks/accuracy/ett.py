"""Forecast errors on the ETT sets under their published protocol: trained, scored and written down run by run.

    .venv/bin/python benchmarks/accuracy/ett.py --set ETTh1

12 / 4 / 4 months of 30 days for training, validation and test, z-scores of the training part, every window of the
test part, MSE and MAE over all channels, the mean over four horizons. `--set` names a YAML in this folder, which
is trained by the project itself for each horizon and seed; its exported network is scored, and so is the mean of all
seeds' forecasts. Each result is a line of ett.jsonl, and results in it are not trained again: after an
interruption the same command resumes, even in the middle of a training.
"""

import argparse
import copy
import datetime
import hashlib
import importlib.metadata
import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecaster import __version__
from forecaster.cli.signals import collect_signals
from forecaster.config import LoadedConfig, load_config
from forecaster.errors import ForecasterError
from forecaster.evaluation.baselines import forecast_naive
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.plan import Plan, plan_training
from forecaster.preprocessing.prepared_series import PreparedSeries
from forecaster.preprocessing.windows import gather_windows
from forecaster.runs import Version, load_version, lock_run

FOLDER = Path(__file__).parent
HORIZONS = (96, 192, 336, 720)
LOG = FOLDER / "ett.jsonl"


def main() -> None:
    """Train and score what is missing in the log, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", required=True, choices=sorted(path.stem for path in FOLDER.glob("ETT*.yaml")))
    parser.add_argument("--horizons", nargs="+", type=int, default=list(HORIZONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder in which ETT-small lies")
    parser.add_argument("--table", action="store_true", help="print what is known, train nothing")
    options = parser.parse_args()
    with collect_signals() as received:
        for horizon in [] if options.table else options.horizons:
            try:
                for seed in options.seeds:
                    _run(options.set, horizon, seed, options.data, received)
                _together(options.set, horizon, options.seeds, options.data)
            except ForecasterError as error:
                sys.exit(str(error))
    for line in _table(options.set, _results(options.set, _digest(_loaded(options.set, options.data)))):
        print(line)


def _loaded(name: str, data: Path, horizon: int = 96, seed: int = 0) -> LoadedConfig:
    """Load the YAML of a set as `forecast train` does; ensembles of different seeds share no network."""
    path, csv = FOLDER / f"{name}.yaml", data / "ETT-small" / f"{name.split('-', maxsplit=1)[0]}.csv"
    ensemble = load_config(path, [], csv).document.values.get("ensemble", {})
    overrides = [f"window.horizon={horizon}", f"training.seed={seed * ensemble.get('size', 1)}"]
    return load_config(path, overrides, csv)


def _digest(loaded: LoadedConfig) -> str:
    """Hash the settings of a YAML, without the file's path, the horizon and the seed."""
    values = copy.deepcopy(loaded.document.values)
    values["data"]["path"], values["window"]["horizon"], values["training"]["seed"] = "", 0, 0
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _run(name: str, horizon: int, seed: int, data: Path, received: Sequence[int]) -> None:
    """Train, unless it is done, and score, unless the log has it."""
    loaded = _loaded(name, data, horizon, seed)
    digest = _digest(loaded)
    if any(row["horizon"] == horizon and row["seed"] == seed for row in _results(name, digest)):
        return
    folder = _folder(name, horizon, seed, digest)
    plan = plan_training(loaded)
    with lock_run(folder):
        if not (folder / "current").exists():
            from forecaster.training.train import train  # noqa: PLC0415  scores alone need no TensorFlow

            train(plan, folder, received, resume=True)
        version = load_version(folder)
        errors = _scores(plan, [load_predictor(version)], horizon)
        _log({"set": name, "horizon": horizon, "seed": seed, "config": digest, **errors, **_facts(version)})


def _together(name: str, horizon: int, seeds: Sequence[int], data: Path) -> None:
    """Score the mean of all seeds' forecasts, unless the log has it or a run lies elsewhere."""
    loaded = _loaded(name, data, horizon)
    digest = _digest(loaded)
    folders = [_folder(name, horizon, seed, digest) for seed in seeds]
    known = any(row["horizon"] == horizon and row["seed"] == list(seeds) for row in _results(name, digest))
    if known or len(seeds) == 1 or not all((folder / "current").exists() for folder in folders):
        return
    predictors = [load_predictor(load_version(folder)) for folder in folders]
    errors = _scores(plan_training(loaded), predictors, horizon)
    _log({"set": name, "horizon": horizon, "seed": list(seeds), "config": digest, **errors, **_when()})


def _folder(name: str, horizon: int, seed: int, digest: str) -> Path:
    return Path("runs/ett") / f"{name}-{horizon}-{seed}-{digest}"


def _log(row: dict[str, Any]) -> None:
    with LOG.open("a") as log:
        log.write(json.dumps(row) + "\n")
    print(json.dumps(row), file=sys.stderr)


def _scores(plan: Plan, predictors: Sequence[Predictor], horizon: int) -> dict[str, float]:
    """Errors over every window of the test part and every channel, and those of the last value repeated."""
    errors, repeated = zip(*(_errors(member, predictors, horizon) for member in plan.members), strict=True)
    found: dict[str, float] = {"windows": len(errors[0]), "channels": len(errors)}
    for name, arrays in (("", errors), ("repeat_", repeated)):
        found[f"{name}mse"] = round(statistics.fmean(float(np.mean(np.square(array))) for array in arrays), 5)
        found[f"{name}mae"] = round(statistics.fmean(float(np.mean(np.abs(array))) for array in arrays), 5)
    return found


def _errors(member: PreparedSeries, predictors: Sequence[Predictor], horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the mean forecast and the last value of a channel, (windows, horizon), in deviations of its training part."""
    split, values, length = member.split, member.series.values, predictors[0].config.window.length
    end = split.validation_end + split.training_end // 3  # 4 months, where the training part has 12
    origins = np.arange(split.validation_end - 1, end - horizon)
    windows = gather_windows(values, origins - length + 1, length)
    features = gather_windows(
        predictors[0].build_features(member.series, 0, end), origins - length + 1, length + horizon
    )
    series = [member.series] * len(origins)
    forecast = np.mean([each.predict(series, windows, horizon, features).mean for each in predictors], axis=0)
    actual = gather_windows(values, origins + 1, horizon)
    deviation = values[: split.training_end].std()
    return (actual - forecast) / deviation, (actual - forecast_naive(values, origins, horizon)) / deviation


def _facts(version: Version) -> dict[str, Any]:
    """When and how it was trained: the epochs and minutes of all networks, the mean of their best validation losses."""
    histories = [version.read(f"{folder}history.csv").decode().splitlines()[1:] for folder in version.members]
    epochs = [[line.split(",") for line in history] for history in histories]
    return {
        "epochs": sum(map(len, epochs)),
        "validation_loss": round(statistics.fmean(min(float(row[2]) for row in rows) for rows in epochs), 5),
        "minutes": round(sum(float(row[4]) for rows in epochs for row in rows) / 60, 2),
        **_when(),
    }


def _when() -> dict[str, Any]:
    """Record the date, the versions and the machine."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "forecaster": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "cores": os.cpu_count(),
    }


def _results(name: str, digest: str) -> list[dict[str, Any]]:
    """Read the rows of the log for a set with these settings."""
    lines = LOG.read_text().splitlines() if LOG.exists() else []
    return [row for line in lines if (row := json.loads(line))["set"] == name and row["config"] == digest]


def _table(name: str, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Markdown: a row for each horizon and one for the mean of all four, with the deviation over seeds."""
    yield "| set | horizon | MSE | MAE | last value | seeds | minutes each |"
    yield "|---|---|---|---|---|---|---|"
    single = [row for row in rows if isinstance(row["seed"], int)]
    for horizon in HORIZONS:
        of_it = [row for row in single if row["horizon"] == horizon]
        if of_it:
            yield _line(name, str(horizon), [[row] for row in of_it])
    by_seed = [[row for row in single if row["seed"] == seed] for seed in sorted({row["seed"] for row in single})]
    whole = [some for some in by_seed if len(some) == len(HORIZONS)]
    if whole:
        yield _line(name, "mean", whole)
    together = [row for row in rows if row not in single]
    for seeds in sorted({tuple(row["seed"]) for row in together}):
        of_them = [row for row in together if tuple(row["seed"]) == seeds]
        if len(of_them) == len(HORIZONS):
            yield _line(name, f"mean, forecasts of seeds {list(seeds)} averaged", [of_them])


def _line(name: str, horizon: str, seeds: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Of the rows of each seed, whose mean counts."""
    cells = []
    for error in ("mse", "mae"):
        means = [statistics.fmean(row[error] for row in rows) for rows in seeds]
        spread = f" ± {statistics.stdev(means):.3f}" if len(means) > 1 else ""
        cells.append(f"{statistics.fmean(means):.3f}{spread}")
    repeat = [statistics.fmean(row[f"repeat_{error}"] for row in seeds[0]) for error in ("mse", "mae")]
    took = [sum(row["minutes"] for row in rows if "minutes" in row) for rows in seeds]
    minutes = f"{statistics.fmean(took):.1f}" if all(took) else ""
    last = " / ".join(f"{value:.3f}" for value in repeat)
    return f"| {name} | {horizon} | {cells[0]} | {cells[1]} | {last} | {len(seeds)} | {minutes} |"


if __name__ == "__main__":
    main()
