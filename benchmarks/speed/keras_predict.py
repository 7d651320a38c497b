"""The forecast of `forecast predict RUN`, made by the Keras network instead of the exported graphs."""

import sys
from pathlib import Path

import numpy as np

from forecaster.forecast import Forecast
from forecaster.inputs import Inputs
from forecaster.models import Network, build_network
from forecaster.models.weights import load_weights
from forecaster.preprocessing.read_data import read_data
from forecaster.preprocessing.saved_preprocessing import Preprocessing
from forecaster.runs import Version, load_version
from forecaster.time.frequency import make_future_timestamps


def load_network(version: Version) -> Network:
    """Rebuild the network of a version from its config, with its weights."""
    config = version.config
    network = build_network(config.model, config.window.length, config.steps_ahead, config.data.main_season)
    load_weights(network, version.read("network.weights.h5"))
    return network


def slide(network: Network, window: np.ndarray, horizon: int) -> np.ndarray:
    """Roll out as in textbooks: predict, append, read the last window again; (length,) -> (horizon,)."""
    length, values = len(window), window
    for _ in range(0, horizon, network.ahead):
        prediction = np.asarray(network(Inputs(values[None, -length:])))[0, :, 0]
        values = np.concatenate([values, prediction])
    return values[length : length + horizon]


def main() -> None:
    """Print the forecast of the run that the command line names, as CSV."""
    version = load_version(Path(sys.argv[1]))
    config = version.config
    (series,) = read_data(config)
    scaler = Preprocessing.from_json(version.preprocessing).scalers[series.name]
    window = scaler.transform(series.values[-config.window.length :]).astype(np.float32)
    mean = scaler.invert(slide(load_network(version), window, config.window.horizon).astype(float))
    origin = series.timestamps[-1]
    timestamps = make_future_timestamps(origin, len(mean), series.frequency)
    sys.stdout.write(Forecast(series.name, origin, timestamps, mean).to_csv())


if __name__ == "__main__":
    main()
