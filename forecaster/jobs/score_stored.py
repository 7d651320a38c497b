"""The scores of a job: actuals that arrived since, and what they show about the forecasts in the store."""

from datetime import datetime

from forecaster.config.policies import override_policies
from forecaster.errors import ForecasterError, QualityLimit
from forecaster.jobs.forecast_job import find_data, list_actuals, list_policies, read_test_error
from forecaster.jobs.score import find_exceeded_limits, score_job
from forecaster.jobs.status import Outcome
from forecaster.jobs.task import JobTask
from forecaster.preprocessing.read_data import read_data
from forecaster.runs import load_version
from forecaster.store.store import open_store

ROWS = 20_000  # forecast steps that a run reads, about


def score_stored_forecasts(task: JobTask, state: Outcome, now: datetime) -> tuple[Outcome, ForecasterError | None]:
    """Add the newest actuals to the store, and score the forecasts that are in it.

    Returns:
        The state with the scores, and what is wrong: `QualityLimit` where they exceed a limit of the job.

    Raises:
        DataError: the data cannot be read.
        RunError: the run or the store cannot be used.
    """
    job, version = task.job, load_version(task.job.run)
    config = override_policies(version.config, list_policies(job))
    panel = read_data(config, find_data(job, version))
    assert task.store is not None
    with open_store(task.store, task.folder) as store:
        store.add_actuals(job.name, list_actuals(panel), now)
        season, error = config.data.main_season, read_test_error(version)
        score = score_job(store, job.name, season, panel[0].frequency, error, ROWS)
        if score is not None:
            store.write_errors(job.name, score.origin_errors, now)
    if score is None:
        return state, None
    exceeded = find_exceeded_limits(score, job.fail_above, job.fail_on_drift)
    return state.update(**score.to_status()), QualityLimit(exceeded) if exceeded else None
