"""What makes the trainings of the tests faster without changing a number."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from forecaster.training import artifacts


def speed_up_trainings() -> None:
    """Have TensorFlow run graphs as they are traced, in one thread, and trainings make figures without rendering them.

    Optimizing a graph takes longer than its few steps of a test, and threads wait for each other longer than the small
    operations of a test take. A training of `forecast_process` does all of it.
    """
    with contextlib.suppress(RuntimeError):  # a tensor that a file of tests makes when it is imported has begun them
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    artifacts.render_figure = lambda figure: b""


@contextlib.contextmanager
def run_untraced() -> Iterator[None]:
    """Run the steps of a training operation by operation; for a few batches that takes less time than a graph."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
