"""All codes with their messages, by what they are about."""

from collections.abc import Mapping

from forecaster.problems.check_messages import CHECKS
from forecaster.problems.config_messages import CONFIGS
from forecaster.problems.data_messages import DATA, NOTICES
from forecaster.problems.forecast_messages import FORECASTS
from forecaster.problems.jobs_messages import JOBS
from forecaster.problems.message import Message
from forecaster.problems.operation_messages import OPERATIONS
from forecaster.problems.outcome_messages import OUTCOMES
from forecaster.problems.run_messages import RUNS
from forecaster.problems.score_messages import SCORES
from forecaster.problems.store_messages import STORES
from forecaster.problems.table_messages import FILES

SECTIONS: Mapping[str, Mapping[str, Message]] = {
    "Files, databases and tables": FILES,
    "Columns, cells and rows": DATA,
    "Notices of reading": NOTICES,
    "Configs": CONFIGS,
    "Training, forecasting and scoring": FORECASTS,
    "Findings of forecast check": CHECKS,
    "Options, runs, trainings and outputs": RUNS,
    "Jobs files": JOBS,
    "Outcomes of jobs": OUTCOMES,
    "Pings and schedules": OPERATIONS,
    "Stores of forecasts": STORES,
    "Scores of past forecasts": SCORES,
}
MESSAGES: Mapping[str, Message] = {code: each for messages in SECTIONS.values() for code, each in messages.items()}
