"""The adapter for sktime, where it is installed."""

import numpy as np
import pandas as pd
import pytest

import forecaster

pytest.importorskip("sktime", reason="sktime is not installed: pip install sktime")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_sktime_accepts_the_estimator():
    from sktime.utils.estimator_checks import check_estimator

    from forecaster.api.sktime import SktimeForecaster

    results = check_estimator(SktimeForecaster, raise_exceptions=False, verbose=False)
    assert {name: result for name, result in results.items() if result != "PASSED"} == {}


@pytest.mark.filterwarnings("ignore")
def test_forecasts_are_those_of_the_function():
    from forecaster.api.sktime import SktimeForecaster

    y = pd.Series(np.arange(40) % 4 + 1.5, pd.period_range("2020-01", periods=40, freq="M"))
    found = SktimeForecaster(settings={"data.season": 4}).fit(y).predict(fh=[1, 3])
    expected = forecaster.predict(pd.DataFrame({"y": y.to_numpy()}), horizon=3, settings={"data.season": 4})
    assert found.tolist() == expected["mean"].iloc[[0, 2]].tolist()
    assert found.index.tolist() == [pd.Period("2023-05"), pd.Period("2023-07")]
