"""Pings reach a local monitor as healthchecks.io takes them, and one that fails or hangs affects nothing."""

import contextlib
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from forecaster.jobs import ping
from forecaster.jobs.ping import Pings

UUID = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"  # the secret


class Monitor(ThreadingHTTPServer):
    """A server that keeps requests, and answers each by the next of `answers`, then by the last one again."""

    daemon_threads = True

    def __init__(self, *answers) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests = list(answers) or [200], []
        self.ending = threading.Event()

    def handle_error(self, request, client_address) -> None:
        """A client that is gone is no error."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{UUID}"

    @property
    def paths(self) -> list[str]:
        return [path.replace(UUID, "URL") for _, path, _ in self.requests]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(self)
        elif isinstance(answer, str):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())
        else:
            self.send_response(answer)
            self.end_headers()
            self.wfile.write(b"OK")

    do_POST = do_GET  # noqa: N815  the name that the server calls

    def log_message(self, *_) -> None:
        pass


@contextlib.contextmanager
def serve(*answers):
    monitor = Monitor(*answers)
    thread = threading.Thread(target=monitor.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield monitor
    finally:
        monitor.ending.set()
        monitor.shutdown()
        thread.join()
        monitor.server_close()


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Limits in tenths of seconds, and no proxy of the machine."""
    monkeypatch.setattr(ping, "TRY_SECONDS", 0.3)
    monkeypatch.setattr(ping, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(ping, "CLOSE_SECONDS", 2.0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def send(target, *events, body=""):
    with Pings() as pings:
        for event in events:
            pings.send(target, event, body)


def test_start_success_and_failure_are_what_healthchecks_takes():
    with serve() as monitor, Pings() as pings:
        pings.send(monitor.url, "start")
        pings.send(monitor.url, 0, "north: done")
        pings.send(monitor.url, "start")
        pings.send(monitor.url, 4, "north: exit 4: größer")
    assert [(method, path.replace(UUID, "URL"), body.decode()) for method, path, body in monitor.requests] == [
        ("GET", "/URL/start", ""),
        ("POST", "/URL", "north: done"),
        ("GET", "/URL/start", ""),
        ("POST", "/URL/4", "north: exit 4: größer"),
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.b/x", ["https://a.b/x/start", "https://a.b/x", "https://a.b/x/143"]),
        ("https://a.b/x/", ["https://a.b/x/start", "https://a.b/x/", "https://a.b/x/143"]),
        (
            "https://a.b/k/slug?create=1",
            ["https://a.b/k/slug/start?create=1", "https://a.b/k/slug?create=1", "https://a.b/k/slug/143?create=1"],
        ),
        ("http://[::1]:8000/x#top", ["http://[::1]:8000/x/start", "http://[::1]:8000/x", "http://[::1]:8000/x/143"]),
    ],
)
def test_an_event_is_added_to_the_path(url, expected):
    assert [ping.add_event(ping.resolve_target(url), event) for event in ("start", 0, 143)] == expected


def test_a_long_body_is_cut_to_what_is_kept():
    with serve() as monitor:
        send(monitor.url, 0, body="ü" * 20_000)
    assert len(monitor.requests[0][2]) == 10_000


def test_the_url_comes_from_the_environment(monkeypatch):
    with serve() as monitor:
        monkeypatch.setenv("PING_URL", f" {monitor.url}\n")
        send("$PING_URL", "start", 0)
    assert monitor.paths == ["/URL/start", "/URL"]


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_variable_that_is_not_set_is_named_once(monkeypatch, caplog, value):
    monkeypatch.delenv("PING_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("PING_URL", value)
    send("$PING_URL", "start", 0)
    assert [str(record.args[0]) for record in caplog.records] == [
        "$PING_URL: not set in the environment, so that no ping was sent; set it to the URL of the check"
    ]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.b/x",
        "data:,x",
        "a.b/x",
        "https:///",
        "http://a.b:x/",
        "http://a b/",
        "http://[/",
        "https://a.b/\nx",
    ],
)
def test_nothing_but_http_is_requested(monkeypatch, caplog, url):
    monkeypatch.setenv("PING_URL", f"{url}{UUID}")
    send("$PING_URL", 0)
    assert [record.args[0].code for record in caplog.records] == ["not-a-ping-url"]
    assert UUID not in caplog.text


def drip(handler):
    """A byte of a header now and then, which resets the time limit of a socket."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Drip: ")
    with contextlib.suppress(OSError):
        for _ in range(200):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            if handler.server.ending.wait(0.05):
                break


def redirect(handler, location):
    handler.send_response(302)
    handler.send_header("Location", location)
    handler.end_headers()


FAILURES = {
    "500": ([500], "it answers 500", 2),
    "404": ([404], "it answers 404", 1),
    "not kept": (["OK (not found)"], "it answers not found", 1),
    "hangs": ([lambda handler: handler.server.ending.wait(20)], "no answer within 0.3 seconds", 2),
    "drips": ([drip], "no answer within 0.3 seconds", 2),
    "nonsense": ([lambda handler: handler.wfile.write(b"hello\r\n\r\n")], "BadStatusLine", 2),
    "closes": ([lambda handler: None], "RemoteDisconnected", 2),
    "to a file": ([lambda handler: redirect(handler, "file:///etc/passwd")], "it answers 302", 2),
    "in circles": ([lambda handler: redirect(handler, f"{handler.path}x")], "it answers 302", 2),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_monitor_that_fails_is_logged_once_without_its_secret(caplog, name):
    answers, reason, tries = FAILURES[name]
    with serve(*answers) as monitor:
        started = time.monotonic()
        send(monitor.url, 0)
        seconds = time.monotonic() - started
        host = f"127.0.0.1:{monitor.server_port}"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(record.args[0]).startswith(f"{host}: a ping failed: {reason}")
    assert UUID not in caplog.text
    assert seconds < 1.5
    if name != "in circles":
        assert len(monitor.requests) == tries
    else:
        assert len(monitor.requests) == tries * (1 + 3)


def test_a_refused_connection_is_logged(caplog):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{UUID}"
        send(url, "start", 0)
    (record,) = caplog.records
    assert "a ping failed: Connection refused; the jobs are not affected" in str(record.args[0])


def test_a_second_try_helps(caplog):
    with serve(503, 200) as monitor:
        send(monitor.url, 0)
    assert monitor.paths == ["/URL", "/URL"]
    assert not caplog.records


def test_redirects_are_followed(caplog):
    with serve(lambda handler: redirect(handler, f"/moved/{UUID}"), 200) as monitor:
        send(monitor.url, 0)
    assert monitor.paths == ["/URL", "/moved/URL"]
    assert not caplog.records


def test_a_host_that_hangs_delays_neither_the_caller_nor_another_host(monkeypatch, caplog):
    monkeypatch.setattr(ping, "CLOSE_SECONDS", 0.5)
    monkeypatch.setattr(ping, "TRY_SECONDS", 10)
    with serve(lambda handler: handler.server.ending.wait(20)) as hanging, serve() as answering:
        started = time.monotonic()
        pings = Pings()
        for _ in range(20):
            pings.send(hanging.url, "start")
            pings.send(answering.url, "start")
        sent = time.monotonic() - started
        pings.close()
        closed = time.monotonic() - started
    for thread in pings._threads:
        thread.join(5)
    assert sent < 0.3
    assert 0.5 <= closed < 1.5
    assert len(answering.requests) == 20
    assert [str(record.args[0]).partition(": ")[2] for record in caplog.records] == [
        "a ping failed: not sent within 0.5 seconds; the jobs are not affected"
    ]


def test_proxies_of_the_environment_are_used(monkeypatch):
    with serve() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        send(f"http://monitor.invalid/{UUID}", 0)
    assert [path for _, path, _ in proxy.requests] == [f"http://monitor.invalid/{UUID}"]
