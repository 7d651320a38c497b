"""The forecasts of this package as a forecaster of sktime; needs the package sktime."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sktime.forecasting.base import BaseForecaster

from forecaster.api.predict import predict


class SktimeForecaster(BaseForecaster):  # type: ignore[misc]  # sktime may be absent
    """Zero-shot forecasts, or those of a trained run, through sktime's interface.

    Nothing is trained in `fit`: the newest values are kept, and `predict` forecasts from them.

    Args:
        run: the folder of a trained run, whose columns the series and its index are named as; None: zero-shot, by the
            order of the rows.
        settings: keys of the config with values, as `{"data.season": 12}`.

    Examples:
        >>> from forecaster.api.sktime import SktimeForecaster
        >>> from sktime.datasets import load_airline
        >>> SktimeForecaster().fit(load_airline(), fh=[1, 2, 3]).predict()  # doctest: +SKIP
    """

    _tags = {  # noqa: RUF012  as sktime's base class has it
        "y_inner_mtype": "pd.Series",
        "X_inner_mtype": "pd.DataFrame",
        "capability:exogenous": False,
        "capability:insample": False,
        "capability:missing_values": False,
        "capability:pred_int": False,
        "requires-fh-in-fit": False,
    }

    def __init__(self, run: str | os.PathLike[str] | None = None, settings: Mapping[str, Any] | None = None) -> None:
        self.run = run
        self.settings = settings
        super().__init__()

    def _fit(self, y: pd.Series, X: Any, fh: Any) -> "SktimeForecaster":  # noqa: N803  sktime's name
        return self

    def _predict(self, fh: Any, X: Any) -> pd.Series:  # noqa: N803
        """Forecast the steps of a horizon after the newest value that sktime keeps."""
        steps = np.asarray(fh.to_relative(self.cutoff).to_pandas(), int)
        values = self._y.squeeze()
        frame = pd.DataFrame({"y": values.to_numpy()}) if self.run is None else values
        found = predict(frame, self.run, horizon=max(1, int(steps.max())), levels=[], settings=self.settings)
        return pd.Series(found["mean"].to_numpy()[steps - 1], fh.to_absolute_index(self.cutoff), name=self._y.name)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return the arguments with which sktime tests the class."""
        return [{}, {"settings": {"data.season": 4}}]
