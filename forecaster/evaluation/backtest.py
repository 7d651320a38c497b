"""Backtest: train networks on what was known at origins in the past, forecast from them, and compare."""

import contextlib
import hashlib
import io
import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from forecaster import __version__
from forecaster.errors import Interrupted, RunError
from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.folds import Folds
from forecaster.evaluation.origins import (
    ALONE,
    MODEL,
    Origins,
    baseline_at,
    drop_duplicates,
    joined,
    network_at,
    scale_of,
)
from forecaster.evaluation.plots import plot_comparison
from forecaster.forecasting.predict import load_predictor
from forecaster.preprocessing.load import data_hash
from forecaster.preprocessing.plan import Plan
from forecaster.runs import Version, convert_write_errors, load_version, write_atomically

log = logging.getLogger("forecaster")

_AGAIN = "what is done is kept; go on with the same command"


Training = Callable[[Plan, Path, Sequence[int], bool], Version]


def backtest(folds: Folds, folder: Path, received: Sequence[int], train: Training) -> Comparison:
    """Train, forecast and compare. Call it under `runs.lock_run`.

    Args:
        train: `training.train`, called where a network is not there yet.
        folder: where networks and forecasts are kept, so that the same backtest goes on where it was broken off; what
            is there of another config or other data is removed.
        received: the signals that have come so far.

    Raises:
        Interrupted: a signal came; what is done is kept.
        Diverged: a training diverged.
        DataError: a series is too short for a baseline.
    """
    work = _work(folds, folder)
    told: dict[str, list[BaselineForecast]] = {name: [] for name in (MODEL, ALONE, *folds.baselines)}
    origins, numbers = [], []
    for training in folds.trainings:
        version, plan = _trained(folds, training[0], work, received, train)
        predictor, residuals = load_predictor(version)
        for fold in training:
            places = _origins(folds, plan, fold)
            for name, each in network_at(predictor, residuals, places, folds.horizon).items():
                told[name].append(each)
            for name in folds.baselines:
                told[name].append(_baseline(folds, name, places, work / f"{name}-{fold + 1:03}.npz"))
                _stop_if(received, fold, folds.count)
            origins.append(places)
            numbers += [fold + 1] * len(places)
            log.info("fold %d of %d: forecast", fold + 1, folds.count)
    found = _compared(folds, told, origins, np.array(numbers))
    _write(found, folder)
    return found


def _compared(
    folds: Folds, told: Mapping[str, Sequence[BaselineForecast]], origins: Sequence[Origins], numbers: np.ndarray
) -> Comparison:
    """All folds together."""
    members, steps = (np.concatenate([getattr(each, name) for each in origins]) for name in ("members", "steps"))
    whole, config = Origins(folds.panel, members, steps), folds.first.config
    scale = scale_of(whole, folds.known(0), folds.first.season)
    return Comparison(
        drop_duplicates({name: joined(parts) for name, parts in told.items()}),
        whole,
        numbers,
        whole.actual(folds.horizon),
        scale,
        folds.stride,
        config.forecast.levels,
        1 if config.ensemble is None else config.ensemble.size,
    )


def _write(found: Comparison, folder: Path) -> None:
    """Scores, forecasts and a picture, each whole or as it was."""
    tables = {
        "scores.csv": found.overall(),
        "scores_by_step.csv": found.by_step(),
        "scores_by_series.csv": found.by_series(),
        "scores_by_fold.csv": found.by_fold(),
    }
    files = {name: table.to_csv(lineterminator="\n").encode() for name, table in tables.items()}
    files["forecasts.csv"] = found.forecasts().to_csv(index=False, lineterminator="\n").encode()
    files["scores.json"] = found.to_json().encode()
    files["errors.png"] = plot_comparison(found.by_step(), found.facts, f"{folder.resolve().name}: error by step ahead")
    for name, content in files.items():
        write_atomically(folder / name, content)


def _work(folds: Folds, folder: Path) -> Path:
    """The folder of what is kept, alone."""
    asked = [folds.loaded.config.model_dump(mode="json"), folds.count, folds.stride, folds.refit, __version__]
    identity = json.dumps([*asked, data_hash(folds.panel)]).encode()
    work = folder / "work" / hashlib.sha256(identity).hexdigest()[:12]
    with convert_write_errors(work):
        work.mkdir(parents=True, exist_ok=True)
        for other in work.parent.iterdir():
            if other != work:
                shutil.rmtree(other)
    return work


def _trained(folds: Folds, fold: int, work: Path, received: Sequence[int], train: Training) -> tuple[Version, Plan]:
    """The network that learnt what was known at a fold, trained unless it is there, and what it learnt from."""
    run, plan = work / f"training-{fold + 1:03}", folds.plan(fold)
    try:
        return load_version(run), plan
    except RunError:
        log.info("fold %d of %d: training", fold + 1, folds.count)
    with convert_write_errors(run):
        run.mkdir(exist_ok=True)
    try:
        return train(plan, run, received, (run / "checkpoint").exists()), plan
    except Interrupted as interruption:
        raise Interrupted(f"interrupted at fold {fold + 1} of {folds.count}: {_AGAIN}", received[0]) from interruption


def _origins(folds: Folds, plan: Plan, fold: int) -> Origins:
    """Those of the series that the network of a fold was trained on."""
    numbers = np.array(plan.members.numbers)
    return Origins(folds.panel, numbers, folds.known(fold)[numbers] - 1)


def _baseline(folds: Folds, name: str, origins: Origins, kept: Path) -> BaselineForecast:
    """What a baseline says at a fold, unless it is there whole."""
    with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
        arrays = np.load(io.BytesIO(kept.read_bytes()), allow_pickle=False)
        return BaselineForecast(
            arrays["mean"], dict(zip(arrays["probabilities"].tolist(), arrays["quantiles"], strict=True))
        )
    data, levels = folds.first.config.data, folds.first.config.forecast.levels
    told = baseline_at(name, origins, folds.horizon, data.seasons or (1,), levels)
    probabilities, quantiles = list(told.quantiles), list(told.quantiles.values())
    file = io.BytesIO()
    np.savez(file, mean=told.mean, probabilities=np.array(probabilities), quantiles=np.array(quantiles))
    write_atomically(kept, file.getvalue())
    return told


def _stop_if(received: Sequence[int], fold: int, count: int) -> None:
    if received:
        raise Interrupted(f"interrupted at fold {fold + 1} of {count}: {_AGAIN}", received[0])
