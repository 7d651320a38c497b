"""The forecasts of this package as a model of Darts; needs the package darts."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.models.forecasting.forecasting_model import LocalForecastingModel

from forecaster.api.predict import predict

_FEWEST = 3  # values from which a zero-shot forecast is made


class DartsModel(LocalForecastingModel):  # type: ignore[misc]  # darts may be absent
    """Zero-shot forecasts, or those of a trained run, through the interface of Darts.

    Nothing is trained in `fit`: the series is kept, and `predict` forecasts the steps after it. `historical_forecasts`
    and `backtest` of Darts fit it at each origin, which costs nothing.

    Args:
        run: the folder of a trained run, whose column the component of the series is named as; None: zero-shot.
        settings: keys of the config with values, as `{"data.season": 12}`.

    Examples:
        >>> from darts.datasets import AirPassengersDataset
        >>> from forecaster.api.darts import DartsModel
        >>> DartsModel().fit(AirPassengersDataset().load()).predict(12)  # doctest: +SKIP
    """

    def __init__(self, run: str | os.PathLike[str] | None = None, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.run, self.settings = run, settings

    def fit(self, series: TimeSeries, verbose: bool | None = None) -> "DartsModel":
        """Keep a series of one component."""
        super().fit(series, verbose=verbose)
        self._assert_univariate(series)
        return self

    def predict(
        self,
        n: int,
        num_samples: int = 1,
        verbose: bool | None = None,
        show_warnings: bool = True,
        random_state: int | None = None,
    ) -> TimeSeries:
        """Forecast the `n` steps after the series."""
        super().predict(n, num_samples, verbose=verbose)
        values = self.training_series.to_series()
        if not isinstance(values.index, pd.DatetimeIndex):  # steps are counted, as in a table of one column
            values = pd.DataFrame({str(values.name): values.to_numpy()})
        found = predict(values, self.run, horizon=n, levels=[], settings=self.settings)
        return self._build_forecast_series(np.asarray(found["mean"], float))

    @property
    def supports_multivariate(self) -> bool:
        """Whether a series may have several components."""
        return False

    @property
    def _target_window_lengths(self) -> tuple[int, int]:
        return _FEWEST, 0
