"""The trainings of a backtest, several at a time."""

import functools
from collections.abc import Sequence
from pathlib import Path

from forecaster.api.trainings import load_training
from forecaster.engine import Engine
from forecaster.errors import Interrupted
from forecaster.evaluation.backtest import load_or_train, make_work_folder, name_training, report_interruption
from forecaster.evaluation.folds import Folds
from forecaster.parallel import run_in_processes
from forecaster.runs import list_versions


def train_folds(
    folds: Folds, folder: Path, received: Sequence[int], engine: Engine | None, processes: int | None
) -> None:
    """Train the networks of a backtest, several at a time, before it forecasts with them. Call it under `lock_run`.

    Args:
        folds, folder, received: as of `backtest`.
        engine: what trains them.
        processes: at a time; None: one, or all processors of a cluster.

    Raises:
        Interrupted: a signal was received; finished networks are kept.
        ForecasterError: as `training.train`.
    """
    work = make_work_folder(folds, folder)
    untrained = [each[0] for each in folds.trainings if not list_versions(name_training(work, each[0]))]
    try:
        run_in_processes(functools.partial(_train_fold, folds, work), untrained, processes, received, engine, work)
    except Interrupted as interruption:
        raise Interrupted(report_interruption(untrained[0], folds), interruption.exit_code - 128) from None


def _train_fold(folds: Folds, work: Path, fold: int, received: Sequence[int]) -> None:
    train = load_training("forecast backtest: training a network")
    load_or_train(folds, fold, work, received, lambda *arguments: train(*arguments).version)
