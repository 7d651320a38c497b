"""A zero-shot forecast that costs nothing."""

import numpy as np


def replace_zero_shot(monkeypatch) -> list[float]:
    """Forecast the last value and one more at each later step; the last value of each window that is read is listed."""
    windows: list[float] = []

    def forecast(read, _seasons, horizon, probabilities):
        windows.extend(read[:, -1].tolist())
        return np.repeat(read[:, -1:, None] + np.arange(horizon)[:, None], len(probabilities), axis=2)

    for module in ("forecaster.evaluation.baselines", "forecaster.preprocessing.zero_shot_feature"):
        monkeypatch.setattr(f"{module}.forecast_zero_shot", forecast)
    return windows
