"""Time series forecasting with recurrent networks: from the command line, or from Python on pandas frames."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecaster.api.backtest import backtest
    from forecaster.api.check import check_data
    from forecaster.api.predict import predict
    from forecaster.api.train import train

__version__ = "0.1.0"
__all__ = ["backtest", "check_data", "predict", "train"]

_MODULES = {"backtest": "backtest", "check_data": "check", "predict": "predict", "train": "train"}


def __getattr__(name: str) -> Any:
    """Import a function when it is first used: the commands start without what they do not need."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"forecaster.api.{_MODULES[name]}"), name)
