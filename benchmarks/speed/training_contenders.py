"""The contenders of `training.py`, one process each library: built and run in bursts of training steps on request.

The process reads requests from standard input, a JSON object in each line, and answers each with one. A step is a batch
of windows of one series through one recurrent layer and a linear map to the horizon, with Adam and the squared error.
"""

import functools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

HORIZON = 24
_WINDOWS = 25_600  # a multiple of every batch
_SKIPPED = 2  # first steps of a burst, which are not measured

Burst = Callable[[int], list[tuple[float, float]]]  # steps -> wall and CPU time at the end of each


def build_forecaster(cell: str, units: int, batch: int, length: int) -> Burst:
    """Build the trainer of `forecast train`, compiled where it compiles a training of 30 epochs."""
    import keras

    from forecaster.config import load_values
    from forecaster.models import build_network
    from forecaster.training.build import build_trainer, choose_compilation
    from forecaster.training.step import Steps

    keras.utils.set_random_seed(0)
    values = {
        "data": {"path": "x.csv"},
        "window": {"length": length, "horizon": HORIZON},
        "model": {"cell": cell, "units": units, "decoder": "dense"},
        "training": {"batch_size": batch, "epochs": 30},
    }
    config = load_values(values, "x").config
    network = build_network(config.model, length, HORIZON)
    trainer = build_trainer(
        network,
        config.training,
        Steps(_make_series(length)),
        length,
        np.arange(_WINDOWS, dtype=np.int32),
        np.zeros(0, np.int32),
        is_compiled=choose_compilation(network, config.model, config.training, length, _WINDOWS),
    )
    trainer.epochs = 10**9
    times: list[tuple[float, float]] = []

    class Watch:
        def report_batch(self, *_: object) -> None:
            times.append(_read_clocks())

        def report_epoch(self, *_: object) -> None:
            pass

    def run(steps: int) -> list[tuple[float, float]]:
        times.clear()
        trainer.fit(Watch(), stop=lambda: len(times) >= steps)
        return times

    return run


def build_keras(cell: str, units: int, batch: int, length: int, jit: bool = False) -> Burst:
    """Build the textbook's model, trained by `fit`."""
    import keras

    layers = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}
    model = keras.Sequential([keras.Input((length, 1)), layers[cell](units), keras.layers.Dense(HORIZON)])
    model.compile(keras.optimizers.Adam(), "mse", jit_compile=jit)
    series = np.lib.stride_tricks.sliding_window_view(_make_series(length), length + HORIZON)
    times: list[tuple[float, float]] = []
    timer = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: times.append(_read_clocks()))

    def run(steps: int) -> list[tuple[float, float]]:
        times.clear()
        rows = np.arange(steps * batch) % _WINDOWS
        windows, targets = series[rows, :length, None], series[rows, length:]
        model.fit(windows, targets, batch_size=batch, epochs=1, verbose=0, callbacks=[timer])
        return times

    return run


def build_torch(cell: str, units: int, batch: int, length: int) -> Burst:
    """Build the textbook's loop in torch."""
    import torch

    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simple_rnn": torch.nn.RNN}[cell](1, units, batch_first=True)
    head = torch.nn.Linear(units, HORIZON)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()])
    series = torch.from_numpy(_make_series(length)).unfold(0, length + HORIZON, 1)

    def run(steps: int) -> list[tuple[float, float]]:
        times = []
        for _ in range(steps):
            rows = series[torch.randint(0, _WINDOWS, (batch,))]
            optimizer.zero_grad()
            outputs, _ = layer(rows[:, :length, None])
            loss = torch.nn.functional.mse_loss(head(outputs[:, -1]), rows[:, length:])
            loss.backward()
            optimizer.step()
            loss.item()
            times.append(_read_clocks())
        return times

    return run


def build_neuralforecast(cell: str, units: int, batch: int, length: int) -> Burst:
    """Build neuralforecast's model of the same size."""
    import logging

    import neuralforecast.models
    import pandas as pd
    import pytorch_lightning
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    model = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "RNN"}[cell]
    values = _make_series(length)
    data = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(values)), "y": values})

    def run(steps: int) -> list[tuple[float, float]]:
        times: list[tuple[float, float]] = []

        class Timer(pytorch_lightning.Callback):  # type: ignore[misc]
            def on_train_batch_end(self, *_: object) -> None:
                times.append(_read_clocks())

        options = {
            "encoder_n_layers": 1,
            "encoder_hidden_size": units,
            "decoder_layers": 1,
            "loss": MSE(),
            "scaler_type": "identity",
            "windows_batch_size": batch,
            "max_steps": steps,
            "callbacks": [Timer()],
        }
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        quiet["enable_model_summary"] = False
        built = getattr(neuralforecast.models, model)(HORIZON, length, **options, **quiet, accelerator="cpu")
        NeuralForecast([built], freq=1).fit(data)
        return times

    return run


CONTENDERS: dict[str, Callable[..., Burst]] = {
    "ours": build_forecaster,
    "Keras fit": build_keras,
    "Keras jit": functools.partial(build_keras, jit=True),
    "torch": build_torch,
    "neuralforecast": build_neuralforecast,
}


def _make_series(length: int) -> np.ndarray:
    count = _WINDOWS + length + HORIZON
    noise = np.random.default_rng(0).normal(size=count)
    return (np.sin(np.arange(count) * 2 * np.pi / 24) + 0.1 * noise).astype(np.float32)


def _read_clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _limit_threads(library: str, threads: int) -> dict[str, str]:
    """Limit the threads of a library, and return its versions."""
    if library == "torch":
        import neuralforecast
        import torch

        torch.set_num_threads(threads)
        return {"torch": torch.__version__, "neuralforecast": neuralforecast.__version__}
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def _measure(run: Burst, steps: int) -> dict[str, float]:
    """Measure a burst: the mean wall and CPU time of a step, in ms."""
    times = run(steps + _SKIPPED)
    (wall, cpu), (last_wall, last_cpu) = times[_SKIPPED - 1], times[-1]
    return {"wall": 1e3 * (last_wall - wall) / steps, "cpu": 1e3 * (last_cpu - cpu) / steps}


def main() -> None:
    """Answer requests: {"build": name, "row": [...]} and {"run": name, "steps": number}."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    versions = _limit_threads(sys.argv[1], int(sys.argv[2]))
    print(json.dumps(versions), file=answers, flush=True)
    built: dict[str, Burst] = {}
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "build" in request:
            name = request["build"]
            built[name] = CONTENDERS[name](*request["row"])
            built[name](_SKIPPED + 1)  # traces and compiles
            answer = _measure(built[name], 3)
        else:
            answer = _measure(built[request["run"]], request["steps"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
