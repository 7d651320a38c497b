"""Several processes train one network together, with the losses of one process."""

import csv
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from forecaster.config import load_config
from forecaster.errors import InputOutputFailed, Interrupted, UsageError
from forecaster.hosts import Hosts, parse_hosts, wait_for_hosts
from forecaster.preprocessing.plan import plan_training
from forecaster.training.build import prepare_trainer
from forecaster.training.gradient_exchange import Exchange
from tests.helpers.command import ROOT
from tests.helpers.fork_server import ForkServer
from tests.test_engine_workers import find_free_port

SETTINGS = [
    "training.epochs=3",
    "training.batch_size=31",  # the last batch of an epoch is smaller, and both are shared unequally
    "training.optimizer.clip_norm=0.1",
    "training.averaging={name: ema, decay: 0.9}",
    "training.sign_flip=true",
]


class Silent:
    def report_batch(self, *arguments) -> None:
        """Receive a batch."""

    def report_epoch(self, epoch) -> None:
        """Receive an epoch."""


class OneOf(Exchange):
    """An exchange with processes that add nothing, one of which gets a signal before some batch."""

    def __init__(self, place: int, count: int, stopping: int = 1000) -> None:
        self.place, self.count, self.stopping, self._states, self.calls = place, count, stopping, 0, 0

    def _add_up(self, vector, key):
        return vector

    def is_any(self, flag: bool) -> bool:
        self.calls += 1
        return flag or self.calls > self.stopping


def train_here(plan, exchange=None, stop=lambda: False):
    trainer = prepare_trainer(plan, described=False, exchange=exchange)
    is_done = trainer.fit(Silent(), stop)
    history = [(epoch.loss, epoch.validation_loss) for epoch in trainer.progress.history]
    return is_done, history, [variable.numpy() for variable in trainer.network.trainable_variables]


@pytest.mark.slow
def test_the_shares_of_processes_add_up_to_the_gradient_of_the_whole_batch():
    weights = tf.Variable([[1.0, -2.0], [0.5, 3.0]])
    values, targets = np.random.default_rng(0).normal(size=(2, 5, 2)).astype("float32")

    def compute(starts):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.gather(values, starts) @ weights - tf.gather(targets, starts)) ** 2)
        return loss, [tape.gradient(loss, weights), None]

    found = []
    for place in range(2):
        exchange = OneOf(place, 2)
        starts, _, share = exchange.take_share(np.arange(5), np.ones((5, 1)))
        found.append(exchange.average(*compute(starts), share))
    loss, (gradient, _) = compute(np.arange(5))
    assert sum(float(each[0]) for each in found) == pytest.approx(float(loss), rel=1e-6)
    np.testing.assert_allclose(sum(each[1][0].numpy() for each in found), gradient, rtol=1e-5)
    assert [each[1][1] for each in found] == [None, None]


@pytest.mark.slow
def test_a_signal_of_another_process_stops_a_training_between_two_batches(project):
    exchange = OneOf(0, 2, stopping=4)
    is_done, history, _ = train_here(plan_training(load_config(project / "tiny.yaml", SETTINGS)), exchange)
    assert (is_done, history, exchange.calls) == (False, [], 5)


@pytest.mark.slow
def test_two_commands_train_one_network(project, fork_server):
    addresses = f"127.0.0.1:{find_free_port()},127.0.0.1:{find_free_port()}"
    overrides = [part for setting in SETTINGS for part in ("--set", setting)]
    results, other = {}, ForkServer(fork_server(True).address, tensorflow=True)

    def train(host, server):
        command = ["train", "tiny.yaml", "--hosts", addresses, "--host", str(host), "--verbose", *overrides]
        results[host] = server.run(command, project, {"PYTHONPATH": str(ROOT)}, 120)

    thread = threading.Thread(target=train, args=(2, other))
    thread.start()
    train(1, fork_server(True))
    thread.join()
    other.close()
    assert [results[host].returncode for host in (1, 2)] == [0, 0], results
    assert f"trained together with {addresses.split(',', maxsplit=1)[0]}, which writes the run" in results[2].stderr
    (folder,) = (project / "runs" / "tiny" / "versions").iterdir()  # the second host writes none
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    _, losses, _ = train_here(plan_training(load_config(project / "tiny.yaml", SETTINGS)))
    found = [[float(row["loss"]), float(row["validation_loss"])] for row in rows]
    np.testing.assert_allclose(found, losses, rtol=1e-5)


def test_a_batch_of_fewer_windows_than_processes_leaves_some_without_a_share():
    exchange = OneOf(2, 3)
    starts, signs, share = exchange.take_share(np.array([5, 7]), np.array([[1.0], [-1.0]]))
    assert (starts.tolist(), signs.tolist(), share) == ([5], [[1.0]], 0.0)
    starts, signs, share = exchange.take_share(np.arange(8), np.ones((8, 1)))
    assert (starts.tolist(), len(signs), share) == ([2, 5], 2, 0.25)


def test_hosts_are_parsed():
    assert parse_hosts(None, None) is None
    assert parse_hosts("a:2222, b.local:2223", 2) == Hosts(("a:2222", "b.local:2223"), 2)


@pytest.mark.parametrize(
    ("text", "number", "message"),
    [
        ("a:2222", 1, "HOST:PORT of two or more"),
        ("a:2222,b", 1, "HOST:PORT of two or more"),
        ("a:2222,a:2222", 1, "HOST:PORT of two or more"),
        ("a:2222,b:0", 1, "HOST:PORT of two or more"),
        ("a:2222,b:65536", 1, "HOST:PORT of two or more"),
        (None, 1, "HOST:PORT of two or more"),
        ("a:2222,b:2222", None, "--host with the number of this process, from 1 to 2"),
        ("a:2222,b:2222", 3, "--host with the number of this process, from 1 to 2"),
    ],
)
def test_what_names_no_hosts_is_refused(text, number, message):
    with pytest.raises(UsageError, match=message):
        parse_hosts(text, number)


@pytest.fixture
def addresses() -> tuple[str, ...]:
    return tuple(f"127.0.0.1:{find_free_port()}" for _ in range(3))


def connect(address: str, content: bytes) -> socket.socket:
    name, port = address.split(":")
    for _ in range(100):
        try:
            connection = socket.create_connection((name, int(port)), timeout=5)
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        connection.sendall(content)
        return connection
    raise AssertionError(address)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1)])
def test_hosts_are_started_together_in_any_order(addresses, order):
    with ThreadPoolExecutor(3) as threads:
        waits = []
        for place, number in enumerate(order):
            waits.append(threads.submit(wait_for_hosts, Hosts(addresses, number), [], 20))
            if place < 2:
                time.sleep(0.5)
                assert not any(each.done() for each in waits)
        assert [each.result(20) for each in waits] == [None] * 3
    with socket.create_server(("127.0.0.1", int(addresses[0].split(":")[1]))):
        pass  # the port is free for TensorFlow


def test_a_host_that_was_killed_while_it_waited_and_strangers_do_not_count(addresses):
    with ThreadPoolExecutor(3) as threads:
        waits = [threads.submit(wait_for_hosts, Hosts(addresses, number), [], 20) for number in (1, 3)]
        connect(addresses[0], b"GET / HTTP/1.1\r\n\r\n\r\n").close()
        connect(addresses[0], b"forecast host %6d\n" % 2).close()  # killed
        time.sleep(1)
        assert not any(each.done() for each in waits)
        waits.append(threads.submit(wait_for_hosts, Hosts(addresses, 2), [], 20))  # started again
        assert [each.result(20) for each in waits] == [None] * 3


@pytest.mark.parametrize("number", [1, 2])
def test_a_host_that_waits_is_ended_by_a_signal_or_in_time(addresses, number):
    missing = f"{addresses[1]}, {addresses[2]} did not report" if number == 1 else f"{addresses[0]} cannot be reached"
    with pytest.raises(InputOutputFailed, match=missing):
        wait_for_hosts(Hosts(addresses, number), [], 0.3)
    with pytest.raises(Interrupted):
        wait_for_hosts(Hosts(addresses, number), [15], 20)


def test_a_port_in_use_is_a_refusal(addresses):
    port = int(addresses[0].split(":")[1])
    with (
        socket.create_server(("", port)),
        pytest.raises(InputOutputFailed, match=f"port {port}: Address already in use"),
    ):
        wait_for_hosts(Hosts(addresses, 1), [], 20)


@pytest.mark.slow
def test_a_process_that_ends_before_tensorflow_connects_it_ends_the_others(addresses):
    code = (
        "import sys; from forecaster.hosts import Hosts; from forecaster.training import gradient_exchange as exchange\n"
        "exchange._CONNECTING = 2.0\n"
        "with exchange.open_exchange(Hosts(tuple(sys.argv[1:]), 1), []): pass\n"
    )
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(wait_for_hosts, Hosts(addresses[:2], 2), [], 60)  # and connects to nothing
        command = [sys.executable, "-c", code, *addresses[:2]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
        other.result()
    assert "InputOutputFailed" in done.stderr
    assert "no connection within 2 seconds" in done.stderr
