"""The adapter for Darts, where it is installed."""

import numpy as np
import pandas as pd
import pytest

import forecaster

pytest.importorskip("darts", reason="darts is not installed: pip install darts")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_dated", [True, False])
def test_forecasts_are_those_of_the_function(is_dated: bool):
    from darts import TimeSeries

    from forecaster.api.darts import DartsModel

    index = pd.date_range("2020-01-01", periods=40, freq="MS") if is_dated else pd.RangeIndex(5, 45)
    y = pd.Series(np.arange(40) % 4 + 1.5, index, name="y")
    found = DartsModel(settings={"data.season": 4}).fit(TimeSeries.from_series(y)).predict(3)
    expected = forecaster.predict(
        y if is_dated else pd.DataFrame({"y": y.to_numpy()}), horizon=3, settings={"data.season": 4}
    )
    assert found.values().ravel().tolist() == expected["mean"].tolist()
    assert found.time_index[0] == (pd.Timestamp("2023-05-01") if is_dated else 45)


@pytest.mark.filterwarnings("ignore")
def test_darts_makes_historical_forecasts_and_refuses_several_components():
    from darts import TimeSeries

    from forecaster.api.darts import DartsModel

    hours = pd.date_range("2026-01-01", periods=60, freq="h")
    y = TimeSeries.from_series(pd.Series(np.arange(60) % 7 + 0.5, hours, name="y"))
    model = DartsModel(settings={"data.season": 7})
    made = model.historical_forecasts(y, start=50, forecast_horizon=3, stride=3, last_points_only=False)
    assert [each.start_time() for each in made] == [hours[50], hours[53], hours[56]]
    assert model.untrained_model().run is None
    with pytest.raises(ValueError, match="univariate"):
        model.fit(y.stack(y.with_columns_renamed("y", "z")))
