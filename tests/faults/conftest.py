"""The library that injects faults into the file operations of a process."""

import importlib
import sys
from pathlib import Path

import pytest

from tests.helpers.command import ROOT


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, compiled once, for LD_PRELOAD."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "reliability")
        library = importlib.import_module("faults").compile_shim(tmp_path_factory.mktemp("shim"))
        patch.delitem(sys.modules, "faults")
    return library
