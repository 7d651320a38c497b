"""Stored forecasts and actuals for tests, as the frames that a store returns."""

import pandas as pd


def make_frames(
    values, origins, mean, quantiles=None, run_quantiles=None, first="2026-01-01", freq="h", version="v1", series="load"
):
    """Frames of one series whose forecasts are arrays (origins, horizon); `values` are the actuals from the first step."""
    times = pd.date_range(first, periods=len(values) + mean.shape[1] + 1, freq=freq).astype(str)
    rows = [
        {
            "job": "north", "version": version[row] if isinstance(version, list) else version, "series": series,
            "origin": times[origin], "timestamp": times[origin + 1 + step], "step": step + 1,
            "mean": mean[row, step],
            "quantiles": {p: float(table[row, step]) for p, table in (quantiles or {}).items()},
            "run_quantiles": {p: float(table[row, step]) for p, table in (run_quantiles or {}).items()},
        }
        for row, origin in enumerate(origins)
        for step in range(mean.shape[1])
    ]  # fmt: skip
    actuals = pd.DataFrame({"series": series, "timestamp": times[: len(values)], "value": values})
    return pd.DataFrame(rows), actuals.dropna()
