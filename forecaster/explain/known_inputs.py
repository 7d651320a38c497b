"""What is known at some origins, and the forecasts from other values and features in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.data.series import Series
from forecaster.forecasting.fallback import LAST_VALUE, NETWORK
from forecaster.forecasting.predictor import Predictor
from forecaster.preprocessing.scaling import Scaler
from forecaster.preprocessing.windows import take_last_steps
from forecaster.preprocessing.zero_shot_feature import scale_zero_shot
from forecaster.pretrained.features import count_history_steps


@dataclass(frozen=True)
class KnownInputs:
    """What the forecasters of a run read at some origins.

    Attributes:
        predictor: of the run.
        panel: the series of each origin; those that are read together follow each other.
        values: (origins, steps), in the series' own unit, the newest last; NaN before a series begins.
        padded: whether a step is padding before a series, (origins, steps).
        observed: whether a value is in the file, (origins, steps).
        features: of the window and the horizon, (origins, length + horizon, features), without zero-shot forecasts.
    """

    predictor: Predictor
    panel: Sequence[Series]
    values: np.ndarray
    padded: np.ndarray
    observed: np.ndarray
    features: np.ndarray

    @classmethod
    def cut(
        cls, predictor: Predictor, panel: Sequence[Series], ends: Sequence[int], features: np.ndarray
    ) -> "KnownInputs":
        """Cut what is known of series before the step `ends` of each; the other arguments as above."""
        config, width = predictor.config, sum(predictor.preprocessing.feature_widths)
        steps = max(config.lookback_steps, predictor.count_history_steps(config.window.horizon))
        if config.model.pretrained:
            steps = max(steps, count_history_steps(config.data.seasons))
        origins = list(zip(panel, ends, strict=True))
        numbers = np.asarray(ends)[:, None] - np.arange(steps, 0, -1)  # of each step in its series, (origins, steps)
        observed = [
            numbers[row] >= 0
            if series.observed is None
            else take_last_steps(series.observed[:end].astype(float), end, steps) == 1
            for row, (series, end) in enumerate(origins)
        ]
        return cls(
            predictor,
            panel,
            np.stack([take_last_steps(series.values, end, steps) for series, end in origins]),
            numbers < config.padding_steps,
            np.stack(observed),
            features[..., :width],
        )

    @property
    def scaler(self) -> Scaler:
        """With a row for each origin."""
        return Scaler.stack([self.predictor.get_scaler(series) for series in self.panel])

    @property
    def forecasters(self) -> tuple[str, ...]:
        """The forecasters that are averaged, and the last value, which may replace them."""
        return (*self.predictor.forecasters, LAST_VALUE)

    def weigh(self) -> np.ndarray:
        """Weigh each forecaster at each origin, (forecasters, origins)."""
        weights, replaced = self.predictor.get_weights(self.panel).T, self._find_replaced(self.values)
        return np.concatenate([np.where(replaced, 0, weights), replaced[None]])

    def forecast(self, values: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Forecast from other values and features, with any number of rows for each origin, in the order of origins.

        Args:
            values: (times * origins, steps), as `values`.
            features: (times * origins, length + horizon, features), as `features`.

        Returns:
            The forecasts of each forecaster times its weight, (forecasters, times * origins, horizon).

        Raises:
            Diverged: a forecast is infinite or NaN.
        """
        predictor, config = self.predictor, self.predictor.config
        times, horizon = len(values) // len(self.panel), config.window.horizon
        panel, windows = list(self.panel) * times, values[:, -config.lookback_steps :]
        history = np.where(np.tile(self.padded, (times, 1)), np.nan, values)
        history = history[:, -predictor.count_history_steps(horizon) :]
        if config.model.pretrained:
            features = predictor.append_zero_shot(features, self._forecast_zero_shot(values, times))
        found = np.zeros((len(self.forecasters), len(values), horizon))
        weights = np.tile(predictor.get_weights(self.panel), (times, 1)).T  # (forecasters, rows)
        for place, name in enumerate(predictor.forecasters):
            if name == NETWORK:
                forecast = predictor.predict_with_networks(panel, windows, horizon, features).mean
            else:
                forecast = predictor.forecast_without_network(name, windows, history, horizon, weights[place] > 0)
            used = weights[place][:, None] > 0  # a forecast may be NaN where its weight is 0
            found[place] = np.where(used, weights[place][:, None] * forecast, 0)
        replaced = self._find_replaced(values)
        found[:, replaced] = 0
        found[-1, replaced] = windows[replaced, -1:]
        return found

    def _find_replaced(self, values: np.ndarray) -> np.ndarray:
        """Find the rows that left a constant training part, which the last value replaces, (rows,)."""
        panel = list(self.panel) * (len(values) // len(self.panel))
        windows = values[:, -self.predictor.config.lookback_steps :]
        return np.asarray(self.predictor.find_changed_steps(panel, windows).any(axis=1))

    def _forecast_zero_shot(self, values: np.ndarray, times: int) -> np.ndarray:
        """Forecast what the network starts from, in scaled units, (times * origins, horizon)."""
        config, scaler = self.predictor.config, self.scaler
        seasons, rows = config.data.seasons, np.tile(np.arange(len(self.panel)), times)
        histories = np.where(self.observed[rows], values, np.nan)[:, -count_history_steps(seasons) :]
        stacked = Scaler.concatenate([scaler] * times)
        before = values[:, values.shape[1] - sum(scaler.lags) :]
        return scale_zero_shot(histories, before, stacked, seasons, config.window.horizon)
