"""Problems and notices as data, and their sentences.

- `problem`: the type (code, where, column, cells, detail, repairs), as a sentence and as JSON
- `message`: the template and the description of a code, and how a template is filled
- `summary`: those of many series in a few lines
- `registry`: all codes, by section of docs/problems.md
- `table_messages`: files, databases and tables
- `data_messages`: columns, cells and rows, and notices of reading
- `config_messages`: configs
- `forecast_messages`: training, forecasting and scoring
- `check_messages`: findings of `forecast check`
- `jobs_messages`: jobs files
- `run_messages`: options, runs, trainings and outputs
"""

from forecaster.problems.message import format_yaml
from forecaster.problems.problem import Cells, Problem
from forecaster.problems.summary import condense_problems

__all__ = ["Cells", "Problem", "condense_problems", "format_yaml"]
