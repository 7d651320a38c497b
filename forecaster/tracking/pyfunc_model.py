"""The run of an MLflow model: `predict(frame)` gives the forecast that `forecaster.predict` gives.

MLflow runs this file where it logs and where it loads a model, so that nothing is pickled.
"""

from typing import Any

import mlflow
import pandas as pd

import forecaster


class RunModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow may be absent
    """A version of a run."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Forecast the steps after the newest row of a frame."""
        return forecaster.predict(model_input, context.artifacts["version"])


mlflow.models.set_model(RunModel())
