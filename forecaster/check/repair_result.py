"""A CSV with its config, as far as keys of the config repair it; a plain one needs no repair, and no pandas."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from forecaster.check.findings import Finding
from forecaster.config import LoadedConfig, apply_overrides
from forecaster.data import Panel
from forecaster.data.plain_csv import read_plain_csv
from forecaster.data.sources.source import resolve_source
from forecaster.errors import ConfigError, DataError
from forecaster.preprocessing.plan import plan_training
from forecaster.preprocessing.read_data import build_data_request
from forecaster.problems import format_yaml

if TYPE_CHECKING:
    from forecaster.data.sources.text_table import Table


@dataclass(frozen=True)
class RepairResult:
    """A CSV with its config, repaired as far as keys of the config can.

    Attributes:
        loaded: the config with every repair set.
        findings: the problems that had to be repaired, in the order in which they were found.
        panel: the series as a training reads them then; None where a problem is left.
        cells: of the CSV, None where it is plain: a column of time and one of numbers, and nothing to repair.
    """

    loaded: LoadedConfig
    findings: list[Finding]
    panel: Panel | None
    cells: "Table | None"

    @cached_property
    def table(self) -> "Table":
        """The cells of the CSV, read now where it is plain."""
        if self.cells is not None:
            return self.cells
        from forecaster.data.read_tables import read_cells  # noqa: PLC0415  with pandas

        request = build_data_request(self.loaded.config)
        return read_cells(request.paths, request.dialect, request.reading.where)

    def accepts(self, repair: Mapping[str, Any]) -> bool:
        """Whether a training accepts the CSV with a further repair."""
        again = apply_repairs(self.loaded, [repair])
        try:
            return self.panel is not None and not again.problems and bool(plan_training(again))
        except (ConfigError, DataError):
            return False


def read_plain(loaded: LoadedConfig) -> RepairResult | None:
    """Read a plain CSV; None where it is none. Raises `DataError` where there is no file."""
    paths, reading, dialect = build_data_request(loaded.config)
    panel = read_plain_csv(resolve_source(paths), reading, dialect)
    return None if panel is None else RepairResult(loaded, [], panel, None)


def apply_repairs(loaded: LoadedConfig, repairs: Iterable[Mapping[str, Any]]) -> LoadedConfig:
    """Set the keys of repairs such as `{"data.gaps": "interpolate"}` in a config; itself where there are none."""
    assignments = [f"{key}={format_yaml(value)}" for repair in repairs for key, value in repair.items()]
    return apply_overrides(loaded, list(dict.fromkeys(assignments))) if assignments else loaded
