"""Train the pretrained network on generated series: `make pretrain`.

It resumes where it was interrupted, and ends with `network.onnx` and the log in the folder that it is given.
"""

import io
import json
import logging
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import onnx
import tensorflow as tf
import typer
from onnx import TensorProto, helper, numpy_helper

from forecaster.atomic_files import write_atomically
from forecaster.models.zero_shot_network import UNITS, ZeroShotNetwork, compute_quantile_loss
from forecaster.pretrained.features import DECODER_FEATURES, ENCODER_FEATURES, PROBABILITIES
from forecaster.pretrained.training_batches import Batch, generate_batch
from forecaster.training.export import IR_VERSION, OPSET

log = logging.getLogger("forecaster")

_LEARNING_RATE, _WARMUP, _LOWEST = 2e-3, 300, 0.01  # the last a share of the first
_WEIGHT_DECAY, _LARGEST_NORM = 1e-3, 1.0
_SAVED_EVERY, _VALIDATED_EVERY = 250, 1000  # batches
_VALIDATION_BATCHES = 24
_AHEAD = 4  # batches that each worker is ahead of the training
_CHECKPOINT, _LOG, _NETWORK = "checkpoint.npz", "pretraining.jsonl", "network.onnx"


def pretrain(
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint, the log and network.onnx.")],
    batches: Annotated[
        int, typer.Option(help="Batches to train for; the learning rate falls over all of them.")
    ] = 8_000,
    size: Annotated[int, typer.Option(help="Windows in a batch.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the weights and of the generated series.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that generate series.")] = 1,
) -> None:
    """Train the pretrained network, from its checkpoint where there is one, and export it."""
    output.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    network, optimizer = build_network_and_optimizer()
    first = _load_checkpoint(output / _CHECKPOINT, network, optimizer)
    train_step = _compile_step(network, optimizer)
    losses: list[float] = []
    began = time.monotonic()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        make_batch = partial(generate_batch, size=size)
        validation = list(pool.map(partial(make_batch, seed + 1), range(_VALIDATION_BATCHES)))
        for number, batch in enumerate(
            _generate_ahead(pool, partial(make_batch, seed), first, batches, workers), first
        ):
            optimizer.learning_rate.assign(compute_learning_rate(number, batches))
            losses.append(float(train_step(*batch)))
            done = number + 1
            if done % _SAVED_EVERY and done != batches:
                continue
            entry: dict[str, Any] = {"batches": done, "loss": round(float(np.mean(losses)), 5)}
            if done % _VALIDATED_EVERY == 0 or done == batches:
                entry["validation"] = round(_validate(network, validation), 5)
            entry["seconds"] = round(time.monotonic() - began)
            losses = []
            _save_checkpoint(output / _CHECKPOINT, network, optimizer, done)
            with (output / _LOG).open("a") as file:
                file.write(json.dumps(entry) + "\n")
            log.info("%s", entry)
    write_atomically(output / _NETWORK, export_zero_shot_network(network))


def build_network_and_optimizer() -> tuple[ZeroShotNetwork, keras.Optimizer]:
    """Build the network and its optimizer, with their variables."""
    network = ZeroShotNetwork()
    network(np.zeros((1, 2, ENCODER_FEATURES), np.float32), np.zeros((1, 1, DECODER_FEATURES), np.float32))
    optimizer = keras.optimizers.AdamW(_LEARNING_RATE, _WEIGHT_DECAY, global_clipnorm=_LARGEST_NORM)
    optimizer.build(network.trainable_variables)
    return network, optimizer


def compute_learning_rate(number: int, batches: int) -> float:
    """Compute the learning rate of a batch: a linear warm-up, then half a cosine to a hundredth."""
    cosine = 0.5 * (1 + np.cos(np.pi * min(1.0, number / batches)))
    return float(_LEARNING_RATE * min(1.0, (number + 1) / _WARMUP) * (_LOWEST + (1 - _LOWEST) * cosine))


def _compile_step(network: ZeroShotNetwork, optimizer: keras.Optimizer) -> Any:
    """Compile one step of training, for each shape of a batch once."""

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def train_step(*batch: tf.Tensor) -> tf.Tensor:
        return train_on_batch(network, optimizer, Batch(*batch))

    return train_step


def train_on_batch(network: ZeroShotNetwork, optimizer: keras.Optimizer, batch: Batch) -> tf.Tensor:
    """Take one step of training and return the loss before it."""
    with tf.GradientTape() as tape:
        loss = compute_quantile_loss(batch.target, network(batch.encoder, batch.decoder), batch.weights)
    gradients = tape.gradient(loss, network.trainable_variables)
    optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    return loss


def _generate_ahead(pool: ProcessPoolExecutor, make_batch: Any, first: int, end: int, workers: int) -> Iterator[Batch]:
    """Generate batches in worker processes, some ahead of the training."""
    waiting: list[Future[Batch]] = []
    for number in range(first, end):
        while len(waiting) < _AHEAD * workers and number + len(waiting) < end:
            waiting.append(pool.submit(make_batch, number=number + len(waiting)))
        yield waiting.pop(0).result()


def _validate(network: ZeroShotNetwork, batches: Sequence[Batch]) -> float:
    """Average the loss of batches that are not trained on."""
    return float(
        np.mean([float(compute_quantile_loss(b.target, network(b.encoder, b.decoder), b.weights)) for b in batches])
    )


def _save_checkpoint(path: Path, network: ZeroShotNetwork, optimizer: keras.Optimizer, done: int) -> None:
    """Save weights, the optimizer's state and the number of batches in one file."""
    arrays = {f"weight_{i:03}": v.numpy() for i, v in enumerate(network.trainable_variables)}
    arrays |= {f"optimizer_{i:03}": np.asarray(v) for i, v in enumerate(optimizer.variables)}
    file = io.BytesIO()
    np.savez(file, done=done, **arrays)
    write_atomically(path, file.getvalue())


def _load_checkpoint(path: Path, network: ZeroShotNetwork, optimizer: keras.Optimizer) -> int:
    """Load a checkpoint and return the batches that were trained on, 0 without one."""
    if not path.exists():
        return 0
    with np.load(path) as arrays:
        for i, variable in enumerate(network.trainable_variables):
            variable.assign(arrays[f"weight_{i:03}"])
        for i, variable in enumerate(optimizer.variables):
            variable.assign(arrays[f"optimizer_{i:03}"])
        return int(arrays["done"])


# The graph: operator, inputs, outputs and attributes of each node. Its recurrent layer is ONNX's own GRU.
_NODES: tuple[tuple[str, list[str], list[str], dict[str, Any]], ...] = (
    ("Transpose", ["encoder"], ["by_step"], {"perm": [1, 0, 2]}),
    ("MatMul", ["by_step", "project_kernel"], ["product"], {}),
    ("Add", ["product", "project_bias"], ["sum"], {}),
    ("Tanh", ["sum"], ["projected"], {}),
    ("GRU", ["projected", "gru_w", "gru_r", "gru_b"], ["", "final"], {"hidden_size": UNITS, "linear_before_reset": 1}),
    ("Squeeze", ["final", "axis_0"], ["state"], {}),
    ("MatMul", ["state", "of_state_kernel"], ["state_product"], {}),
    ("Add", ["state_product", "of_state_bias"], ["state_sum"], {}),
    ("Unsqueeze", ["state_sum", "axis_1"], ["state_part"], {}),
    ("MatMul", ["decoder", "of_step_kernel"], ["step_part"], {}),
    ("Add", ["state_part", "step_part"], ["mixed"], {}),
    ("Relu", ["mixed"], ["mixed_relu"], {}),
    ("MatMul", ["mixed_relu", "hidden_kernel"], ["hidden_product"], {}),
    ("Add", ["hidden_product", "hidden_bias"], ["hidden_sum"], {}),
    ("Relu", ["hidden_sum"], ["hidden"], {}),
    ("MatMul", ["hidden", "out_kernel"], ["out_product"], {}),
    ("Add", ["out_product", "out_bias"], ["raw"], {}),
    ("Sub", ["raw", "one"], ["shifted"], {}),
    ("Softplus", ["shifted"], ["distances"], {}),
    ("Slice", ["distances", "begin", "middle", "last_axis"], ["lower"], {}),
    ("CumSum", ["lower", "last"], ["below"], {"reverse": 1}),
    ("Slice", ["distances", "behind", "end", "last_axis"], ["upper"], {}),
    ("CumSum", ["upper", "last"], ["above"], {}),
    ("Slice", ["raw", "middle", "behind", "last_axis"], ["median"], {}),
    ("Sub", ["median", "below"], ["lower_quantiles"], {}),
    ("Add", ["median", "above"], ["upper_quantiles"], {}),
    ("Concat", ["lower_quantiles", "median", "upper_quantiles"], ["quantiles"], {"axis": 2}),
)


def export_zero_shot_network(network: ZeroShotNetwork) -> bytes:
    """Export the network as one ONNX graph.

    Inputs: `encoder` (batch, steps, features) and `decoder` (batch, horizon, features); output: `quantiles`
    (batch, horizon, quantiles).
    """
    shapes = {"encoder": ["batch", "steps", ENCODER_FEATURES], "decoder": ["batch", "horizon", DECODER_FEATURES]}
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, outputs, **extra) for operator, inputs, outputs, extra in _NODES],
        "zero_shot",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("quantiles", TensorProto.FLOAT, ["batch", "horizon", len(PROBABILITIES)])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in _collect_constants(network).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _collect_constants(network: ZeroShotNetwork) -> dict[str, Any]:
    """Collect the weights and the other constants of the graph by name."""
    kernel, recurrent_kernel, bias = (each.numpy() for each in network.recurrent.cell.trainable_variables)
    middle = PROBABILITIES.index(0.5)
    constants = {
        # Keras and ONNX order the gates alike: update, reset, candidate.
        "gru_w": kernel.T[None], "gru_r": recurrent_kernel.T[None], "gru_b": bias.reshape(1, -1),
        "one": np.float32(1.0), "axis_0": _make_index(0), "axis_1": _make_index(1), "last": np.array(2),
        "begin": _make_index(0), "middle": _make_index(middle), "behind": _make_index(middle + 1),
        "end": _make_index(len(PROBABILITIES)), "last_axis": _make_index(2),
    }  # fmt: skip
    for name in ("project", "of_state", "of_step", "hidden", "out"):
        for part, values in zip(("kernel", "bias"), getattr(network, name).trainable_variables, strict=False):
            constants[f"{name}_{part}"] = values.numpy()
    return constants


def _make_index(number: int) -> np.ndarray:
    """Make the input of an operator that takes places or axes, (1,)."""
    return np.array([number], np.int64)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    typer.run(pretrain)
