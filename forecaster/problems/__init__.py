"""Problems as data: the type, the messages of every code, and how both are rendered."""

from forecaster.problems.message import yaml_text
from forecaster.problems.problem import Cells, Problem

__all__ = ["Cells", "Problem", "yaml_text"]
