"""The forecasts of a backtest as a table of a database or a file, in addition to its folder."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from forecaster.cli import console
from forecaster.cli.forecast_output import TableRows
from forecaster.errors import UsageError
from forecaster.problems import Problem

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.store.forecast_table import ForecastTable


class ComparisonOutput:
    """Where the forecasts of a backtest are written.

    Args:
        output: a CSV or Parquet file by its ending, or the URL of a database with a table; None for nowhere.
        if_exists: what happens to the rows of a table that exists; None where nobody asks.

    Raises:
        UsageError: the output is neither, or options do not go together.
        MissingExtra: it is a Parquet file, and pyarrow is not installed.
    """

    def __init__(self, output: str | None, if_exists: TableRows | None) -> None:
        from forecaster.extras import require_extra

        self._output, self._replaces = output, if_exists is TableRows.REPLACE
        self._table = None if output is None else _find_table(output)
        if self._table is not None:
            return
        if if_exists is not None:
            detail = {"expected": "--forecasts with the URL of a database and a table"}
            raise UsageError(Problem("invalid-option", "--if-exists", detail=detail))
        if output is not None and output.endswith(".parquet"):
            require_extra("parquet", f"forecast backtest --forecasts {output}")
        elif output is not None and not output.endswith(".csv"):
            detail = {
                "expected": "a name that ends with .csv or .parquet, or a URL such as sqlite:///sales.db?table=past"
            }
            raise UsageError(Problem("invalid-option", f"--forecasts {output}", detail=detail))

    def write(self, rows: "pd.DataFrame") -> None:
        """Write the rows of `Comparison.tabulate_forecasts`.

        Raises:
            UsageError: the table has other columns, and stays.
            CannotCreate, InputOutputFailed, Locked: it cannot be written.
        """
        if self._table is not None:
            from forecaster.store.forecast_table import write_comparison_table

            count = write_comparison_table(self._table, rows, self._replaces)
            console.log.info("%s: %s rows in the table %s", self._table.url, f"{count:,}", self._table.name)
        elif self._output is not None:
            from forecaster.atomic_files import write_atomically

            content = _to_parquet(rows) if self._output.endswith(".parquet") else _to_csv(rows)
            write_atomically(Path(self._output), content)


def _find_table(output: str) -> "ForecastTable | None":
    """Find the table of a database that a URL names; None where it is the path of a file."""
    if "://" not in output:
        return None
    from forecaster.store.forecast_table import ForecastTable

    return ForecastTable.from_url(output)


def _to_csv(rows: "pd.DataFrame") -> bytes:
    return rows.to_csv(index=False, lineterminator="\n").encode()


def _to_parquet(rows: "pd.DataFrame") -> bytes:
    """Convert to Parquet, timestamps to those of Parquet."""
    from forecaster.store.timestamps import parse_timestamps

    content = io.BytesIO()
    times = {name: parse_timestamps(rows[name]) for name in ("origin", "timestamp")}
    rows.assign(**times).to_parquet(content, index=False)
    return content.getvalue()
