"""What the processes that train one network (`--hosts`) exchange: sums of gradients and losses, the first one's state.

The collectives are TensorFlow's; its `MultiWorkerMirroredStrategy` only connects the processes. Networks and optimizers
are those of a training by one process: Keras knows nothing of the others.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # the one place where the strategy's time limits are set

from forecaster.errors import InputOutputFailed, UsageError
from forecaster.hosts import Hosts, wait_for_hosts
from forecaster.problems import Problem
from forecaster.workers import keep_signal_handlers

_CONNECTING = 60.0  # seconds; less than one where all processes are there
_GROUP = 77  # the key of all processes together
_GRADIENTS, _NUMBERS, _FIRST_STATE = 1, 2, 1000  # keys of what is summed; one key has one shape


class Exchange:
    """Sums over the processes of a training. Every process calls the same methods in the same order.

    Args:
        hosts: the processes, all of which are started.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.count, self.place = len(hosts.addresses), hosts.number - 1
        cluster = tf.train.ClusterSpec({"worker": list(hosts.addresses)})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=self.place, rpc_layer="grpc"
        )
        self._states = 0  # exchanged so far
        _limit_connecting(self.count, _CONNECTING)
        with keep_signal_handlers():
            # It starts the server of this process and waits for the others; the connections end with it.
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
            self.sum(0)

    def _add_up(self, vector: tf.Tensor, key: int) -> tf.Tensor:
        return tf.raw_ops.CollectiveReduceV2(
            input=vector,
            group_size=self.count,
            group_key=_GROUP,
            instance_key=key,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )

    def take_share(self, starts: np.ndarray, signs: tf.Tensor) -> tuple[np.ndarray, tf.Tensor, float]:
        """Take this process's windows of a batch, with their signs and their share of the batch.

        A batch of fewer windows than processes leaves some with a window that counts nothing.
        """
        own = slice(self.place, None, self.count) if self.place < len(starts) else slice(0, 1)
        share = len(starts[own]) / len(starts) if self.place < len(starts) else 0.0
        return starts[own], signs[own], share

    def average(
        self, loss: tf.Tensor, gradients: Sequence[tf.Tensor | None], share: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """Average loss and gradients over the windows of all processes, in a traced function.

        Args:
            loss: the mean of this process's windows.
            gradients: of that loss; None where it does not depend on a weight.
            share: of this process in the batch.
        """
        dense = [None if each is None else tf.convert_to_tensor(each) for each in gradients]
        present = [each for each in dense if each is not None]
        flat = tf.concat([tf.reshape(each, [-1]) for each in [loss, *present]], 0) * share
        flat = self._add_up(flat, _GRADIENTS)  # one message for all of them
        sizes = [1, *(each.shape.num_elements() for each in present)]
        loss_sum, *parts = tf.split(flat, sizes)
        sums = (tf.reshape(part, each.shape) for part, each in zip(parts, present, strict=True))
        return loss_sum[0], [None if each is None else next(sums) for each in dense]

    def sum(self, value: float) -> float:
        """Sum a number over all processes."""
        with tf.device("CPU:0"):
            return float(self._add_up(tf.constant([value], tf.float32), _NUMBERS)[0])

    def is_any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return self.sum(float(flag)) > 0

    def share_state(self, content: bytes) -> bytes:
        """Return the first process's content in all of them."""
        length = int(self.sum(len(content) if self.place == 0 else 0))
        self._states += 1
        own = np.frombuffer(content, np.uint8) if self.place == 0 else np.zeros(length, np.uint8)
        with tf.device("CPU:0"):
            shared = self._add_up(tf.constant(own, tf.float32), _FIRST_STATE + self._states)  # bytes are exact
        return bytes(shared.numpy().astype(np.uint8).tobytes())

    def check_same(self, identity: bytes) -> None:
        """Check that all processes train the same config on the same data.

        Raises:
            UsageError: in every process, where one differs from the first.
        """
        if self.is_any(self.share_state(identity) != identity):
            raise UsageError(Problem("hosts-differ", "--hosts"))


@contextlib.contextmanager
def open_exchange(hosts: Hosts | None, received: Sequence[int]) -> Iterator[Exchange | None]:
    """Connect to the other processes of a training, and wait for them at its end; None where there are none.

    Args:
        hosts: the processes.
        received: signals received so far, which end the wait for the others.

    Raises:
        InputOutputFailed: another process ended or cannot be reached.
        Interrupted: a signal was received before all were started.
    """
    if hosts is None:
        yield None
        return
    wait_for_hosts(hosts, received)
    try:
        exchange = Exchange(hosts)
        yield exchange
        exchange.sum(0)  # a process that ends before the others ends them, too
    except (tf.errors.OpError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        causes = [line.rpartition("aborted by:")[2].strip() for line in lines if "aborted by:" in line]
        if isinstance(error, tf.errors.DeadlineExceededError):
            causes = [f"no connection within {_CONNECTING:g} seconds"]
        detail = {"reason": next(iter(causes or lines), type(error).__name__)}
        raise InputOutputFailed(Problem("lost-host", "--hosts", detail=detail)) from None


def _limit_connecting(count: int, seconds: float) -> None:
    """Let TensorFlow wait some seconds for the other processes instead of an hour, in which it heeds no signal."""
    running = context.context()
    running.configure_coordination_service("standalone", service_leader="/job:worker/replica:0/task:0")
    running.coordination_service.coordinated_job_list.add(name="worker", num_tasks=count)
    running.coordination_service.cluster_register_timeout_in_ms = round(1000 * seconds)
    running.coordination_service.cluster_register_with_barrier = True
