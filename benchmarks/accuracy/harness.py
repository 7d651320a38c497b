"""What the benchmarks of this folder share: trainings by a YAML, forecasts of what comes after, a log of their scores.

A benchmark names one or more cases, each a CSV that ends where the forecast begins and the truth that follows. Its
YAML is trained by the project itself and forecast from the exported network. What is chosen is chosen on the last
horizon of the CSV (`--part validation`, which is then held out); the test part is scored once for each seed by the
settings of the YAML. Each score is a line of the log next to the YAML, and scores in it are not computed again: after
an interruption the same command resumes, even in the middle of a training.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import io
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scores import seasonal_naive

from forecaster import __version__
from forecaster.cli.signals import collect_signals
from forecaster.config import LoadedConfig, load_config
from forecaster.data import Series
from forecaster.errors import ForecasterError
from forecaster.forecasting.predict import load_predictor, read_newest
from forecaster.preprocessing.plan import plan_training
from forecaster.runs import Version, load_version, lock_run

Scores = Callable[[Sequence[np.ndarray], np.ndarray, np.ndarray], dict[str, float]]
RUNS = Path("runs/accuracy")
_REPEATED = "last season repeated"


@dataclass(frozen=True)
class Case:
    """One file to train on.

    Attributes:
        csv: it ends where the forecasts begin.
        truth: what follows in each series, (series, horizon).
        overrides: keys of the YAML that are this case's own.
    """

    csv: Path
    truth: np.ndarray
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """A YAML, its cases, and how their forecasts are scored.

    Attributes:
        config: the YAML; the log is in the same folder.
        cases: by name, a function of the data's folder.
        scores: by name, of the past of each series, what followed and its forecast, (series, horizon) each.
        season: steps in the season of the seasonal naive, whose score checks the protocol.
    """

    config: Path
    cases: Callable[[Path], Mapping[str, Case]]
    scores: Scores
    season: int

    @property
    def name(self) -> str:
        """That of its YAML."""
        return self.config.stem

    @property
    def log(self) -> Path:
        """The file of its scores."""
        return self.config.with_suffix(".jsonl")


def run(benchmark: Benchmark, description: str) -> None:
    """Train and score what is missing in the log, as the command line asks, then print the table."""
    options = _options(description)
    benchmark = replace(benchmark, config=options.config or benchmark.config)
    cases = benchmark.cases(options.data)
    with collect_signals() as received:
        for name, case in cases.items():
            if _is_logged(benchmark, name, case, options):
                continue
            found = []
            for seed in options.seeds:
                try:
                    found.append(_forecasts(benchmark, name, case, options, seed, received))
                except ForecasterError as error:
                    sys.exit(str(error))
                _log(benchmark, name, options, found[-1], found[-1].forecast, found[-1].facts)
            _together(benchmark, name, options, found)
    for line in _table(benchmark, options):
        print(line)


def written(name: str, lines: Sequence[str]) -> Path:
    """Write a CSV that a benchmark makes, under the runs."""
    path = RUNS / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the published data")
    parser.add_argument("--config", type=Path, help="another YAML for the same cases, such as m3-pretrained.yaml")
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="what is forecast and scored")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting to try in validation"
    )
    options = parser.parse_args()
    if options.set and options.part == "test":
        parser.error("--set: changed settings are scored on the validation part only; add --part validation")
    return options


def _is_logged(benchmark: Benchmark, name: str, case: Case, options: argparse.Namespace) -> bool:
    """Whether the log has every row of a case, so that nothing is trained."""
    digest = _digest(_loaded(benchmark, case, options, 0))
    wanted = {*options.seeds, _REPEATED, *([_median_of(options.seeds)] if len(options.seeds) > 1 else [])}
    return wanted <= {
        row["seed"]
        for row in _rows(benchmark)
        if (row["case"], row["part"], row["config"]) == (name, options.part, digest)
    }


@dataclass(frozen=True)
class _Found:
    """The forecasts of one training.

    Attributes:
        seed: of the training.
        past: of each series, its values up to the origin.
        truth, forecast: (series, horizon).
        facts: when and how it was trained.
    """

    seed: int
    past: list[np.ndarray]
    truth: np.ndarray
    forecast: np.ndarray
    facts: dict[str, Any]


def _loaded(benchmark: Benchmark, case: Case, options: argparse.Namespace, seed: int) -> LoadedConfig:
    """Load the YAML as `forecast train` does."""
    held_out = [f"split.validation={case.truth.shape[1]}"] if options.part == "validation" else []
    overrides = [*case.overrides, *options.set, *held_out, f"training.seed={seed}"]
    return load_config(benchmark.config, overrides, case.csv)


def _digest(loaded: LoadedConfig) -> str:
    """Hash the settings that the YAML and the case state, without the file's path and the seed.

    What they leave to the defaults is not hashed, so that a key that is new does not change the hash of older rows.
    """
    values = loaded.config.model_dump(mode="json", exclude_unset=True)
    values.pop("format", None)
    for section, key in (("data", "path"), ("data", "query"), ("training", "seed")):
        values[section].pop(key, None)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _forecasts(
    benchmark: Benchmark, name: str, case: Case, options: argparse.Namespace, seed: int, received: Sequence[int]
) -> _Found:
    """Those of a training, which is done where it is not yet."""
    loaded = _loaded(benchmark, case, options, seed)
    folder = RUNS / f"{benchmark.name}-{name}-{seed}-{_digest(loaded)}"
    with lock_run(folder):
        if not (folder / "current").exists():
            from forecaster.training.train import train  # noqa: PLC0415  forecasts alone need no TensorFlow

            train(plan_training(loaded), folder, received, resume=True)
        version = load_version(folder)
    horizon = case.truth.shape[1]
    panel, problems = read_newest(version.config, case.csv)
    if problems:
        sys.exit("\n".join(map(str, problems)))
    held_out = horizon if options.part == "validation" else 0
    past = [series.cut(0, len(series) - held_out) for series in panel]
    predictor = load_predictor(version)
    forecast = np.stack([each.mean for each in predictor.forecast(past, horizon, [])])
    truth = np.stack([series.values[-held_out:] for series in panel]) if held_out else case.truth
    observed = [_observed(series) for series in past]
    return _Found(seed, observed, truth, forecast, {"config": _digest(loaded), "seed": seed, **_facts(version)})


def _observed(series: Series) -> np.ndarray:
    """Read the values of the file, without filled ones."""
    return series.values if series.observed is None else series.values[series.observed]


def _together(benchmark: Benchmark, name: str, options: argparse.Namespace, found: Sequence[_Found]) -> None:
    """Score what all seeds make, the median of their forecasts step by step; and the last season repeated."""
    facts = {key: found[0].facts[key] for key in ("config", "date", "forecaster", "tensorflow", "cores")}
    if len(found) > 1:
        minutes = round(sum(each.facts["minutes"] for each in found), 2)
        median = np.median([each.forecast for each in found], axis=0)
        _log(
            benchmark, name, options, found[0], median, {**facts, "seed": _median_of(options.seeds), "minutes": minutes}
        )
    repeated = seasonal_naive(found[0].past, benchmark.season, found[0].truth.shape[1])
    _log(benchmark, name, options, found[0], repeated, {**facts, "seed": _REPEATED, "minutes": 0.0})


def _log(
    benchmark: Benchmark,
    name: str,
    options: argparse.Namespace,
    found: _Found,
    forecast: np.ndarray,
    facts: Mapping[str, Any],
) -> None:
    """Write down the scores of a forecast, unless the log has them."""
    row = {"case": name, "part": options.part, **facts, "set": options.set}
    if any(_same(row, other) for other in _rows(benchmark)):
        return
    scores = benchmark.scores(found.past, found.truth, forecast)
    row |= {key: round(value, 5) for key, value in scores.items()}
    with benchmark.log.open("a") as log:
        log.write(json.dumps(row) + "\n")
    print(json.dumps(row), file=sys.stderr)


def _median_of(seeds: Sequence[int]) -> str:
    return f"median of {list(seeds)}"


def _same(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(row[key] == other[key] for key in ("case", "part", "config", "seed"))


def _facts(version: Version) -> dict[str, Any]:
    """When and how it was trained: the epochs of one network, the minutes of all."""
    histories = [pd.read_csv(io.BytesIO(version.read(f"{folder}history.csv"))) for folder in version.members]
    return {
        "epochs": len(histories[0]),
        "minutes": round(sum(history["seconds"].sum() for history in histories) / 60, 2),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "forecaster": __version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "cores": os.cpu_count(),
    }


def _rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Read the rows of the log."""
    lines = benchmark.log.read_text().splitlines() if benchmark.log.exists() else []
    return [json.loads(line) for line in lines]


def _table(benchmark: Benchmark, options: argparse.Namespace) -> list[str]:
    """Markdown: of each case the mean and the deviation over seeds, and the median of their forecasts."""
    cases = benchmark.cases(options.data)
    table: list[str] = []
    for name, case in cases.items():
        digest = _digest(_loaded(benchmark, case, options, 0))
        rows = [
            row for row in _rows(benchmark) if (row["case"], row["part"], row["config"]) == (name, options.part, digest)
        ]
        single = [row for row in rows if row["seed"] in options.seeds]
        extra = [row for row in rows if row["seed"] in {_median_of(options.seeds), _REPEATED}]
        names = [key for key in single[0] if key not in _FACTS]
        if not table:
            table += [f"| case | forecast | {' | '.join(names)} | minutes |", f"|---|---|{len(names) * '---|'}---|"]
        table.append(f"| {name} | one training, {len(single)} seeds | {' | '.join(_cells(single, names))} |")
        table += [f"| {name} | {row['seed']} | {' | '.join(_cells([row], names))} |" for row in extra]
    return table


_FACTS = {"case", "part", "config", "seed", "epochs", "minutes", "date", "forecaster", "tensorflow", "cores", "set"}


def _cells(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Mean and deviation of each score, and the mean of the minutes."""
    cells = []
    for name in names:
        values = [row[name] for row in rows]
        spread = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
        cells.append(f"{statistics.fmean(values):.4g}{spread}")
    return [*cells, f"{statistics.fmean(row['minutes'] for row in rows):.1f}"]
