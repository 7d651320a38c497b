"""Backtest: train on the steps known at origins in the past, forecast from them, and compare with baselines."""

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
from forecaster.atomic_files import convert_write_errors, write_atomically
from forecaster.errors import Interrupted, RunError
from forecaster.evaluation.baselines import BaselineForecast
from forecaster.evaluation.comparison import Comparison
from forecaster.evaluation.folds import Folds
from forecaster.evaluation.origins import (
    MODEL,
    NETWORK_ALONE,
    Origins,
    compute_scale,
    concatenate,
    drop_duplicates,
    forecast_with_baseline,
    forecast_with_network,
)
from forecaster.evaluation.plots import plot_comparison
from forecaster.evaluation.reconciled import reconcile_forecasts
from forecaster.forecast import ColumnNames
from forecaster.forecasting.predict import load_predictor
from forecaster.forecasting.reconciliation import find_levels_by_name
from forecaster.preprocessing.plan import Plan
from forecaster.preprocessing.read_data import hash_data
from forecaster.problems import Problem
from forecaster.regular_files import read_regular_file
from forecaster.reporting.figures import render_figure
from forecaster.runs import Version, load_version
from forecaster.wording import name_steps

log = logging.getLogger("forecaster")

_MAX_KEPT = 1 << 31  # bytes of a baseline's forecasts

_RESUME = "finished folds are kept; resume with the same command"

Training = Callable[[Plan, Path, Sequence[int], bool], Version]


def backtest(folds: Folds, folder: Path, received: Sequence[int], train: Training) -> Comparison:
    """Train, forecast and compare. Call it under `runs.lock_run`.

    Args:
        folds: to train and forecast.
        folder: keeps networks and forecasts, so that an interrupted backtest resumes; those of another config or other
            data are removed once all folds are done.
        received: signals received so far.
        train: `training.train`, called for each network that is not in the folder.

    Raises:
        Interrupted: a signal was received; finished folds are kept.
        Diverged: a training diverged.
        DataError: a series is too short for a baseline.
    """
    work = make_work_folder(folds, folder)
    forecasts: dict[str, list[BaselineForecast]] = {name: [] for name in (MODEL, NETWORK_ALONE, *folds.baselines)}
    origins, numbers = [], []
    for training in folds.trainings:
        version, plan = load_or_train(folds, training[0], work, received, train)
        predictor, trained_on = load_predictor(version), np.array(plan.members.numbers)
        for fold in training:
            places = Origins(folds.panel, trained_on, folds.count_known_steps(fold)[trained_on] - 1)
            found = forecast_with_network(predictor, places, folds.horizon)
            same = np.full(len(places), fold + 1)
            for name, each in (found | reconcile_forecasts(version, predictor, places, same, found[MODEL])).items():
                forecasts.setdefault(name, []).append(each)
            for name in folds.baselines:
                forecasts[name].append(_load_or_forecast(folds, name, places, work / f"{name}-{fold + 1:03}.npz"))
                if received:
                    raise Interrupted(report_interruption(fold, folds), received[0])
            origins.append(places)
            numbers += [fold + 1] * len(places)
            log.info("fold %d of %d: forecast", fold + 1, folds.count)
    comparison = _compare(folds, forecasts, origins, np.array(numbers))
    _remove_others(work)
    _write(comparison, folder, folds.first.config.forecast.columns)
    return comparison


def _compare(
    folds: Folds, forecasts: Mapping[str, Sequence[BaselineForecast]], origins: Sequence[Origins], numbers: np.ndarray
) -> Comparison:
    """Compare the forecasts of all folds, whose numbers are (origins,)."""
    members, steps = (np.concatenate([getattr(each, name) for each in origins]) for name in ("members", "steps"))
    every, config = Origins(folds.panel, members, steps), folds.first.config
    scale = compute_scale(every, folds.count_known_steps(0), folds.first.season)
    return Comparison(
        drop_duplicates({name: concatenate(parts) for name, parts in forecasts.items()}),
        every,
        numbers,
        every.read_actuals(folds.horizon),
        scale,
        folds.stride,
        config.forecast.levels,
        1 if config.ensemble is None else config.ensemble.size,
        "conformal" if config.conformal else "head",
        str(max(series.timestamps[-1] for series in folds.first.panel)),
        find_levels_by_name(config, folds.panel.names),
    )


def _write(comparison: Comparison, folder: Path, names: ColumnNames) -> None:
    """Write scores, forecasts and a picture, each atomically."""
    tables = {
        "scores.csv": comparison.tabulate_scores(),
        "scores_by_step.csv": comparison.tabulate_by_step(),
        "scores_by_series.csv": comparison.tabulate_by_series(),
        "scores_by_fold.csv": comparison.tabulate_by_fold(),
    }
    if comparison.level_by_name:
        tables["scores_by_level.csv"] = comparison.tabulate_by_level()
    files = {name: table.to_csv(lineterminator="\n").encode() for name, table in tables.items()}
    files["forecasts.csv"] = comparison.tabulate_forecasts(names).to_csv(index=False, lineterminator="\n").encode()
    files["scores.json"] = comparison.to_json().encode()
    title = f"{folder.resolve().name}: error by step ahead"
    unit = name_steps(comparison.origins.panel.frequency)
    files["errors.png"] = render_figure(plot_comparison(comparison.tabulate_by_step(), comparison.summary, title, unit))
    for name, content in files.items():
        write_atomically(folder / name, content)


def make_work_folder(folds: Folds, folder: Path) -> Path:
    """Make the folder that keeps networks and forecasts of this backtest."""
    settings = [folds.loaded.config.model_dump(mode="json"), folds.count, folds.stride, folds.refit, __version__]
    identity = json.dumps([*settings, hash_data(folds.panel)]).encode()
    work = folder / "work" / hashlib.sha256(identity).hexdigest()[:12]
    with convert_write_errors(work):
        work.mkdir(parents=True, exist_ok=True)
    return work


def _remove_others(work: Path) -> None:
    """Remove the networks and forecasts of backtests with another config or other data."""
    with convert_write_errors(work.parent):
        for other in work.parent.iterdir():
            if other != work:
                shutil.rmtree(other)


def name_training(work: Path, fold: int) -> Path:
    """Name the run of the network that is trained at a fold, from 0."""
    return work / f"training-{fold + 1:03}"


def load_or_train(
    folds: Folds, fold: int, work: Path, received: Sequence[int], train: Training
) -> tuple[Version, Plan]:
    """Load the network of a fold, or train it; return it with the plan that it was trained on."""
    run, plan = name_training(work, fold), folds.plan_training(fold)
    try:
        return load_version(run), plan
    except RunError:
        log.info("fold %d of %d: training", fold + 1, folds.count)
    with convert_write_errors(run):
        run.mkdir(exist_ok=True)
    try:
        return train(plan, run, received, (run / "checkpoint").exists()), plan
    except Interrupted as interruption:
        raise Interrupted(report_interruption(fold, folds), received[0]) from interruption


def report_interruption(fold: int, folds: Folds) -> Problem:
    """Report that a backtest was interrupted at a fold, from 0."""
    detail = {"fold": fold + 1, "folds": folds.count, "hint": _RESUME}
    return Problem("interrupted-backtest", detail=detail)


def _load_or_forecast(folds: Folds, name: str, origins: Origins, kept: Path) -> BaselineForecast:
    """Load the forecasts of a baseline at a fold, or make them where the file is missing or damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
        arrays = np.load(io.BytesIO(read_regular_file(kept, _MAX_KEPT)), allow_pickle=False)
        return BaselineForecast(
            arrays["mean"], dict(zip(arrays["probabilities"].tolist(), arrays["quantiles"], strict=True))
        )
    data, levels = folds.first.config.data, folds.first.config.forecast.levels
    forecast = forecast_with_baseline(name, origins, folds.horizon, data.seasons or (1,), levels)
    probabilities, quantiles = list(forecast.quantiles), list(forecast.quantiles.values())
    file = io.BytesIO()
    np.savez(file, mean=forecast.mean, probabilities=np.array(probabilities), quantiles=np.array(quantiles))
    write_atomically(kept, file.getvalue())
    return forecast
