"""The training of a job: its settings, and a checkpoint that the next attempt resumes."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forecaster.config import LoadedConfig, load_values
from forecaster.data import Panel
from forecaster.default_config import propose
from forecaster.errors import ForecasterError, RunError, Stop, UsageError
from forecaster.extras import configure_libraries, import_extra, require_extra
from forecaster.jobs.job import Job
from forecaster.jobs.schema import Keep, Retrain
from forecaster.preprocessing.plan import Plan, plan_training
from forecaster.runs import load_version, lock_run, remove_checkpoint
from forecaster.runs.retention import Retention, forget

if TYPE_CHECKING:
    from forecaster.training.train import Trained

log = logging.getLogger("forecaster")

# Why a checkpoint cannot be resumed; by hand that is an error, since what is lost may matter.
_UNUSABLE = {"checkpoint-of-other-config", "damaged-checkpoint", "unusable-checkpoint"}


def train_job(job: Job, received: Sequence[int], keep: Keep | None = None) -> "Trained":
    """Train the run of a job, from the checkpoint of an interrupted training where it is of the same settings and data.

    Args:
        job: which.
        received: signals received so far; the training stops at the next batch, with its checkpoint saved.
        keep: which versions are kept after it; None: all.

    Raises:
        MissingExtra: the packages of the extra `train` are not installed.
        ConfigError, DataError: the settings or the data cannot be used.
        Diverged: a loss or a forecast became NaN or infinite; the old version stays.
        Interrupted: a signal was received.
        Locked: another process is at work on the run.
    """
    require_extra("train", "a job that trains")
    loaded, panel = load_settings(job)
    plan = plan_training(loaded, panel)
    with lock_run(job.run):
        try:
            trained = _train(plan, job, received, resume=True)
        except (UsageError, RunError) as error:
            if not is_unusable_checkpoint(error):
                raise
            log.info("%s: training starts from the beginning", error)
            remove_checkpoint(job.run)
            trained = _train(plan, job, received, resume=False)
        forget_versions(job.run, keep)
    return trained


def forget_versions(run: Path, keep: Keep | None) -> None:
    """Remove the versions that no rule keeps; one that cannot be removed now is tried again after the next training."""
    rules = {} if keep is None else keep.model_dump(exclude={"forecasts"}, exclude_none=True)
    if rules:
        try:
            forget(run, Retention(**rules))
        except ForecasterError as error:
            log.warning("%s", error)


def _train(plan: Plan, job: Job, received: Sequence[int], resume: bool) -> "Trained":
    rules = job.retrain or Retrain()
    configure_libraries()
    with import_extra("train", "a job that trains"):
        from forecaster.training.train import train  # noqa: PLC0415  TensorFlow, which most attempts do not need
    return train(plan, job.run, received, resume, promote=rules.promote, margin=rules.margin)


def is_unusable_checkpoint(error: Stop) -> bool:
    """Return whether an error is about a checkpoint alone."""
    return any(problem.code in _UNUSABLE for problem in error.problems)


def load_settings(job: Job) -> tuple[LoadedConfig, Panel | None]:
    """Load the settings of a training, with the series of the data where these were read for it.

    They are those of the config; without one those of the version in use, or chosen for the data.
    """
    loaded = job.load_config()
    if loaded is not None:
        return loaded, None
    if (job.run / "current").exists():
        version = load_version(job.run)
        values = version.config.model_dump(mode="json")
        return load_values(values, str(version.path / "config.yaml"), job.config_overrides), None
    proposal = propose(Path(job.data[0]), job.config_overrides)
    return proposal.loaded, proposal.panel
