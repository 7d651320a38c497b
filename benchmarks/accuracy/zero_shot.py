"""How accurate the pretrained network is before anything is trained, next to naive forecasts, Theta, ETS and FLAIR.

    .venv/bin/python benchmarks/accuracy/zero_shot.py --data ../shared/data
    .venv/bin/python benchmarks/accuracy/zero_shot.py --sets "M3 Monthly" ETTh1 --methods zero_shot

Panels are forecast once from the end of each series, under the protocols of m3.py, m4.py and tourism.py. ETT is
forecast under that of ett.py, from evenly spaced origins of the test part (all with `--ett-origins 12000`). The CSVs of
defaults.py are forecast from origins throughout the held-out tenth: `defaults` from those of its `metrics.json`,
`defaults, few origins` from up to 20 of each CSV, few enough to fit Theta and FLAIR at each.

Each score is a line of zero_shot.jsonl, and scores in it are not computed again; those of the pretrained network are
keyed by the hash of its file. `--table` prints the log, next to what the trained networks have in theirs.
"""

import argparse
import datetime
import functools
import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import defaults
import m3
import m4
import numpy as np
import pandas as pd
import tourism
from ett import HORIZONS
from scores import NAIVE2

import forecaster
from forecaster.default_config import propose
from forecaster.evaluation.baselines import BASELINES
from forecaster.evaluation.held_out import MAX_ORIGINS, space_origins, spread_over_panel
from forecaster.evaluation.metrics import (
    Scale,
    ScoredForecasts,
    compute_owa,
    compute_scores,
    compute_seasonal_scale,
)
from forecaster.evaluation.origins import compute_scale
from forecaster.forecast import levels_to_probabilities
from forecaster.preprocessing.plan import plan_training
from forecaster.pretrained.features import count_history_steps
from forecaster.pretrained.zero_shot import forecast_zero_shot

FOLDER = Path(__file__).parent
LOG = FOLDER / "zero_shot.jsonl"
NETWORK = Path(forecaster.__file__).parent / "pretrained" / "network.onnx"
LEVELS = (80.0, 95.0)
METHODS = ("zero_shot", "naive", "seasonal_naive", "theta", "ets", "flair")
_FEW_ORIGINS = 20


@dataclass(frozen=True)
class Part:
    """Forecasts of one horizon to score together.

    Attributes:
        name: in the log.
        history: of each series, its values, with those that are forecast after the origins; NaN where missing.
        members: the series of each origin, (origins,).
        steps: the last step that is known at each origin, (origins,).
        horizon: steps.
        seasons: steps in each season, the main one first; those that forecasts read.
        scale: what scaled errors of each origin are divided by.
        unit: what errors and values are divided by first, by series; 1 where they are in the series' own unit.
    """

    name: str
    history: Sequence[np.ndarray]
    members: np.ndarray
    steps: np.ndarray
    horizon: int
    seasons: tuple[int, ...]
    scale: Scale | None = None
    unit: np.ndarray | None = None

    @property
    def actual(self) -> np.ndarray:
        """The values that follow each origin, (origins, horizon)."""
        pairs = zip(self.members.tolist(), self.steps.tolist(), strict=True)
        return np.stack([self.history[member][step + 1 : step + 1 + self.horizon] for member, step in pairs])


@dataclass(frozen=True)
class Benchmark:
    """A set of the table.

    Attributes:
        parts: of the command line.
        scores: the metrics in its table.
        methods: those that are fast enough for all of its origins.
    """

    parts: Callable[[argparse.Namespace], Iterator[Part]]
    scores: tuple[str, ...] = ("mase", "smape", "coverage_80", "coverage_95")
    methods: tuple[str, ...] = METHODS


def main() -> None:
    """Score what is missing in the log, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the published data")
    parser.add_argument("--sets", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--ett-horizons", nargs="+", type=int, choices=HORIZONS, default=[96])
    parser.add_argument("--ett-origins", type=int, default=200, help="origins to forecast each channel of ETT from")
    parser.add_argument("--table", action="store_true", help="print what is known, forecast nothing")
    options = parser.parse_args()
    for name in [] if options.table else options.sets:
        score_set(name, options)
    for line in build_tables(options.sets):
        print(line)


def score_set(name: str, options: argparse.Namespace) -> None:
    """Score a set with each method, and add what the log lacks."""
    suitable = [method for method in options.methods if method in BENCHMARKS[name].methods]
    known = {_get_key(row) for row in read_log() if row["set"] == name}
    for part in BENCHMARKS[name].parts(options):
        for method in suitable:
            if (part.name, method, len(part.steps), part.horizon) not in known and _can_forecast(method, part):
                row = {
                    "set": name,
                    "part": part.name,
                    "method": method,
                    **score_part(part, method, BENCHMARKS[name].scores),
                    **_facts(method),
                }
                with LOG.open("a") as log:
                    log.write(json.dumps(row) + "\n")
                print(json.dumps(row), file=sys.stderr, flush=True)


def _get_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["part"], row["method"], row["origins"], row["horizon"]


def score_part(part: Part, method: str, names: Sequence[str]) -> dict[str, float]:
    """Forecast from every origin and compute some metrics."""
    actual, started = part.actual, time.perf_counter()
    mean, quantiles = forecast_part(part, method)
    seconds = time.perf_counter() - started
    unit = 1.0 if part.unit is None else part.unit[part.members][:, None]
    scored = ScoredForecasts(
        actual / unit,
        mean / unit,
        {probability: values / unit for probability, values in quantiles.items()},
        series=part.members,
        scale=part.scale,
    )
    found = compute_scores(scored)
    if "owa" in names:
        found["owa"] = compute_owa(found, NAIVE2)
    chosen = {name: round(found[name], 5) for name in names}
    return {"origins": len(part.steps), "horizon": part.horizon, **chosen, "seconds": round(seconds, 2)}


def forecast_part(part: Part, method: str) -> tuple[np.ndarray, dict[float, np.ndarray]]:
    """Forecast from every origin: the point forecast, (origins, horizon), and the quantiles by probability."""
    if method == "zero_shot":
        return _forecast_zero_shot(part)
    probabilities = levels_to_probabilities(LEVELS)
    mean = np.empty((len(part.steps), part.horizon))
    quantiles = {probability: np.empty_like(mean) for probability in probabilities}
    for member in np.unique(part.members).tolist():
        rows = np.flatnonzero(part.members == member)
        values, steps = _fill(part.history[member]), part.steps[rows]
        first = int(np.flatnonzero(~np.isnan(part.history[member]))[0])
        found = BASELINES[method](values[first:], steps - first, part.horizon, part.seasons, LEVELS)
        mean[rows] = found.mean
        for probability in probabilities:
            quantiles[probability][rows] = found.quantiles[probability]
    return mean, quantiles


def _forecast_zero_shot(part: Part, rows: int = 1024) -> tuple[np.ndarray, dict[float, np.ndarray]]:
    """Forecast with the pretrained network, in blocks of some windows; its point forecast is the median."""
    length = count_history_steps(part.seasons)
    probabilities = sorted([*levels_to_probabilities(LEVELS), 0.5])
    blocks = []
    for first in range(0, len(part.steps), rows):
        chosen = slice(first, first + rows)
        windows = np.full((len(part.steps[chosen]), length), np.nan)  # (batch, steps)
        for row, (member, step) in enumerate(
            zip(part.members[chosen].tolist(), part.steps[chosen].tolist(), strict=True)
        ):
            known = part.history[member][max(0, step + 1 - length) : step + 1]
            windows[row, length - len(known) :] = known
        blocks.append(forecast_zero_shot(windows, part.seasons, part.horizon, probabilities))
    answer = np.concatenate(blocks)  # (origins, horizon, probabilities)
    quantiles = dict(zip(probabilities, np.moveaxis(answer, -1, 0), strict=True))
    return quantiles.pop(0.5), quantiles


def _fill(values: np.ndarray) -> np.ndarray:
    """Fill missing values by the last one before them, which reads nothing after an origin."""
    return pd.Series(values).ffill().to_numpy()


def _can_forecast(method: str, part: Part) -> bool:
    """Whether the set has the season, and the history at each origin, that a seasonal naive needs."""
    season = next(iter(part.seasons), 1)
    return method != "seasonal_naive" or 1 < season < part.steps.min() + 1


def build_panel_part(
    name: str, past: Sequence[np.ndarray], truth: np.ndarray, season: int, seasons: tuple[int, ...]
) -> Part:
    """Build the part of a panel whose series are forecast once, from their ends.

    Args:
        name: in the log.
        past: of each series, (steps,).
        truth: (series, horizon).
        season: that scaled errors are measured by, in steps.
        seasons: those that forecasts read.
    """
    history = [np.concatenate([values, actual]) for values, actual in zip(past, truth, strict=True)]
    scale = Scale(*np.array([compute_seasonal_scale(values, season) for values in past]).T)
    steps = np.array([len(values) - 1 for values in past])
    return Part(name, history, np.arange(len(past)), steps, truth.shape[1], seasons, scale)


def read_m4(options: argparse.Namespace) -> Iterator[Part]:
    """Read the hourly series of M4."""
    (case,) = m4.cases(options.data).values()
    past = [row[~np.isnan(row)] for row in pd.read_csv(case.csv, index_col="V1").to_numpy(float)]
    yield build_panel_part("", past, case.truth, m4.SEASON, (24, 168))


def read_m3(options: argparse.Namespace, file: str, season: int) -> Iterator[Part]:
    """Read the series of one frequency of M3."""
    past, truth = m3.read_series(options.data / "M3" / file)
    yield build_panel_part("", past, truth, season, (season,))


def read_tourism(options: argparse.Namespace) -> Iterator[Part]:
    """Read the monthly series of the tourism competition."""
    past, truth = tourism.read_series(options.data)
    yield build_panel_part("", past, truth, tourism.SEASON, (12,))


def read_ett(options: argparse.Namespace, name: str, seasons: tuple[int, ...]) -> Iterator[Part]:
    """Read the test part of an ETT set for each horizon, in deviations of the training part.

    12 / 4 / 4 months of 30 days; a day is the first season.
    """
    values = pd.read_csv(options.data / f"ETT-small/{name}.csv").iloc[:, 1:].to_numpy(float).T  # (channels, steps)
    month = 30 * seasons[0]
    deviations = values[:, : 12 * month].std(axis=1)
    for horizon in options.ett_horizons:
        first, last = 16 * month - 1, 20 * month - horizon - 1
        origins = np.unique(np.linspace(first, last, min(options.ett_origins, last - first + 1)).round().astype(int))
        members, steps = np.repeat(np.arange(len(values)), len(origins)), np.tile(origins, len(values))
        yield Part(f"horizon {horizon}", list(values), members, steps, horizon, seasons, unit=deviations)


def read_defaults(options: argparse.Namespace, most: int) -> Iterator[Part]:
    """Read each CSV of defaults.py with its inferred settings, and space origins over its test part."""
    for name, (path, settings) in defaults.SETS.items():
        proposal = propose((options.data / path).resolve(), settings)
        plan = plan_training(proposal.loaded, proposal.panel)
        config, horizon, splits = plan.config, plan.config.window.horizon, plan.members.splits
        ranges = [(split.validation_end - 1, split.steps - 1 - horizon) for split in splits]
        panel, numbers = plan.members.panel, plan.members.numbers
        origins = space_origins(panel, numbers, ranges, config.channels, max(most, len(ranges)))
        scale = compute_scale(origins, spread_over_panel(plan, [split.validation_end for split in splits]), plan.season)
        padding = config.padding_steps  # steps before each series that are not its history
        history = [
            np.where(True if series.observed is None else series.observed, series.values, np.nan)[padding:]
            for series in panel
        ]
        yield Part(name, history, origins.members, origins.steps - padding, horizon, config.data.seasons, scale)


ETT = {"ETTh1": (24, 168), "ETTh2": (24, 168), "ETTm1": (96, 672), "ETTm2": (96, 672)}
_FAST = ("zero_shot", "naive", "seasonal_naive")
BENCHMARKS = {
    "M4 Hourly": Benchmark(  # ETS takes 8 s a series
        read_m4, ("owa", "mase", "smape", "coverage_80", "coverage_95"), (*_FAST, "theta", "flair")
    ),
    "M3 Monthly": Benchmark(functools.partial(read_m3, file="M3Month.csv", season=12)),
    "M3 Quarterly": Benchmark(functools.partial(read_m3, file="M3Quart.csv", season=4)),
    "Tourism Monthly": Benchmark(read_tourism, ("mape", "mase", "smape", "coverage_80", "coverage_95")),
    **{
        name: Benchmark(
            functools.partial(read_ett, name=name, seasons=seasons),
            ("mse", "mae", "coverage_80", "coverage_95"),
            _FAST,
        )
        for name, seasons in ETT.items()
    },
    "defaults": Benchmark(functools.partial(read_defaults, most=MAX_ORIGINS), methods=_FAST),
    "defaults, few origins": Benchmark(
        functools.partial(read_defaults, most=_FEW_ORIGINS), methods=(*_FAST, "theta", "flair")
    ),
}


def _facts(method: str) -> dict[str, Any]:
    """Record the network, the date, the version and the machine."""
    network = {"network": compute_network_hash()} if method == "zero_shot" else {}
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {**network, "date": date, "forecaster": forecaster.__version__, "cores": os.cpu_count()}


def compute_network_hash() -> str:
    """Hash the file of the pretrained network."""
    return hashlib.sha256(NETWORK.read_bytes()).hexdigest()[:10]


def read_log() -> list[dict[str, Any]]:
    """Read the rows of the log, without those of other pretrained networks."""
    rows = [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []
    network = compute_network_hash()
    return [row for row in rows if row.get("network", network) == network]


def build_tables(names: Sequence[str]) -> Iterator[str]:
    """Build the tables of some sets in Markdown."""
    rows = read_log()
    for scores in dict.fromkeys(BENCHMARKS[name].scores for name in names if not name.startswith("defaults")):
        yield f"| set | forecast | {' | '.join(LABELS[score] for score in scores)} | seconds |"
        yield f"|---|---|{len(scores) * '---|'}---|"
        for name in names:
            if BENCHMARKS[name].scores == scores and not name.startswith("defaults"):
                yield from _build_lines(name, scores, [row for row in rows if row["set"] == name])
        yield ""
    for name in names:
        if name.startswith("defaults"):
            yield from _build_ratio_table([row for row in rows if row["set"] == name], name == "defaults")


LABELS = {
    "zero_shot": "**zero-shot**",
    "naive": "last value",
    "seasonal_naive": "last season",
    "theta": "Theta",
    "ets": "ETS",
    "flair": "FLAIR",
    "trained": "trained on it",
    "owa": "OWA",
    "mase": "MASE",
    "smape": "sMAPE",
    "mape": "MAPE",
    "mse": "MSE",
    "mae": "MAE",
    "coverage_80": "80 %",
    "coverage_95": "95 %",
}


def _build_lines(name: str, scores: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Build a line for each part and method, with the newest scores, and one for the trained networks."""
    newest = {(row["part"], row["method"]): row for row in rows}
    for part in dict.fromkeys(row["part"] for row in rows):
        found = {method: [newest[part, method]] for method in METHODS if (part, method) in newest}
        found |= {"trained": [*read_trained(name, int(part.split()[-1]) if part else None)]}
        for method, of_method in found.items():
            columns = [[row[key] for row in of_method if key in row] for key in (*scores, "seconds")]
            cells = [f"{statistics.fmean(column):.4g}" if column else "" for column in columns]
            if of_method:
                yield f"| {', '.join(filter(None, [name, part]))} | {LABELS[method]} | {' | '.join(cells)} |"


def read_trained(name: str, horizon: int | None) -> list[dict[str, Any]]:
    """Read the test scores of the newest settings of a trained network, one for each seed, from its log."""
    log = {"M4 Hourly": "m4", "M3 Monthly": "m3", "Tourism Monthly": "tourism"}.get(name, "ett")
    rows = [json.loads(line) for line in (FOLDER / f"{log}.jsonl").read_text().splitlines()]
    of_set = [
        row | {"seconds": 60 * row["minutes"]}
        for row in rows
        if isinstance(row["seed"], int)
        and (row["part"] == "test" if "part" in row else (row["set"], row["horizon"]) == (name, horizon))
    ]
    return [row for row in of_set if row["config"] == of_set[-1]["config"]]


def _build_ratio_table(rows: Sequence[Mapping[str, Any]], with_trained: bool) -> Iterator[str]:
    """Build a line for each CSV: MASE of each method over that of the last season, or of the last value without one."""
    newest = {(row["part"], row["method"]): row for row in rows}
    mase = {key: row["mase"] for key, row in newest.items()}
    parts = [name for name in defaults.SETS if (name, "naive") in mase]
    rivals = {name: mase.get((name, "seasonal_naive"), mase[name, "naive"]) for name in parts}
    if with_trained:  # where it was scored from the same origins, which its rival's error shows
        logged = defaults.read_log()
        same = [name for name in parts if name in logged and abs(logged[name]["rival"] / rivals[name] - 1) < 0.01]
        mase |= {(name, "trained"): logged[name]["alone"] for name in same}
    methods = [method for method in (*METHODS, "trained") if any(key[1] == method for key in mase)]
    ratios = {
        method: {name: mase[name, method] / rivals[name] for name in parts if (name, method) in mase}
        for method in methods
    }
    yield f"| CSV | MASE of the last season | {' | '.join(LABELS[method] for method in methods)} |"
    yield f"|---|---|{len(methods) * '---|'}"
    for name in parts:
        cells = [f"{ratios[method][name]:.3f}" if name in ratios[method] else "" for method in methods]
        yield f"| {name} | {rivals[name]:.3f} | {' | '.join(cells)} |"
    means = [f"{statistics.geometric_mean(ratios[method].values()):.3f}" for method in methods]
    yield f"| geometric mean | | {' | '.join(means)} |"
    yield f"| largest | | {' | '.join(f'{max(ratios[method].values()):.3f}' for method in methods)} |"
    for score in ("coverage_80", "coverage_95", "seconds"):
        columns = [
            [row[score] for key, row in newest.items() if key[1] == method and score in row] for method in methods
        ]
        cells = [f"{statistics.fmean(column):.1f}" if column else "" for column in columns]
        yield f"| {LABELS.get(score, score)}, mean | | {' | '.join(cells)} |"
    yield ""


if __name__ == "__main__":
    main()
