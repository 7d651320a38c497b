"""The same forecast by neuralforecast: a dense LSTM of as many units, trained for as many batches, saved, then loaded.

.venv-bench/bin/python benchmarks/speed/neuralforecast_predict.py train FOLDER DATA.csv
.venv-bench/bin/python benchmarks/speed/neuralforecast_predict.py predict FOLDER DATA.csv FORECAST.csv
"""

import sys

import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import LSTM

_QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def read_panel(path: str) -> pd.DataFrame:
    """Read the columns shop, month and sales under the names of the library."""
    frame = pd.read_csv(path, parse_dates=["month"])
    return frame.rename(columns={"shop": "unique_id", "month": "ds", "sales": "y"})


def main() -> None:
    """Train and save, or load and forecast, as the command line asks."""
    work, folder, data = sys.argv[1:4]
    if work == "train":
        network = LSTM(
            24,
            24,
            loss=MQLoss(level=[80, 95]),
            encoder_hidden_size=64,
            encoder_n_layers=1,
            recurrent=False,
            scaler_type="standard",
            max_steps=10,
            accelerator="cpu",
            enable_checkpointing=False,
            **_QUIET,
        )
        networks = NeuralForecast([network], freq="MS")
        networks.fit(read_panel(data))
        networks.save(folder, save_dataset=False, overwrite=True)
    else:
        NeuralForecast.load(folder).predict(read_panel(data)).to_csv(sys.argv[4], index=False)


if __name__ == "__main__":
    main()
