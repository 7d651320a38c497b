"""Pings of a monitor such as healthchecks.io when jobs start and end.

A start is a request of URL/start, a success of URL, a failure of URL/CODE with the exit code; the body is text for a
person (https://healthchecks.io/docs/http_api/). Pings are sent in the background and never fail a job: what goes wrong
is logged, without the URL, whose path is a secret.
"""

import http.client
import logging
import os
import queue
import re
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit, urlunsplit

from forecaster import __version__
from forecaster.problems import Problem

log = logging.getLogger("forecaster")

TRY_SECONDS = 5.0
CLOSE_SECONDS = 15.0  # that the end of a run waits for pings
PAUSE_SECONDS = 1.0  # before the second try
_TRIES = 2
_MOST_REDIRECTS = 3
_MOST_BODY = 10_000  # bytes that healthchecks.io keeps

Event = Literal["start"] | int
_Ping = tuple[SplitResult, Event, str]


class Pings:
    """The pings of one run; each host gets them in order, and one that hangs delays no other."""

    def __init__(self) -> None:
        self._queues: dict[str, queue.SimpleQueue[_Ping | None]] = {}
        self._threads: list[threading.Thread] = []
        self._failed: set[str] = set()
        self._given_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, target: str, event: Event, body: str = "") -> None:
        """Send a ping in the background.

        Args:
            target: a URL of HTTP or HTTPS, or `$NAME` for one in the environment.
            event: `start`, or the exit code at the end.
            body: text for a person, such as the table of jobs.
        """
        url = resolve_target(target)
        if isinstance(url, Problem):
            self._warn(url)
            return
        if url.netloc not in self._queues:
            waiting = self._queues[url.netloc] = queue.SimpleQueue()
            self._threads.append(threading.Thread(target=self._send_all, args=(waiting,), daemon=True))
            self._threads[-1].start()
        self._queues[url.netloc].put((url, event, body))

    def close(self) -> None:
        """Wait some seconds for the pings that are not sent yet, then give up on them."""
        for waiting in self._queues.values():
            waiting.put(None)
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread, host in zip(self._threads, self._queues, strict=True):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._given_up = True
                self._warn(_describe_failure(host, f"not sent within {CLOSE_SECONDS:g} seconds"))

    def _send_all(self, waiting: "queue.SimpleQueue[_Ping | None]") -> None:
        while (ping := waiting.get()) is not None:
            if self._given_up:
                return
            url, event, body = ping
            if reason := _send(add_event(url, event), body):
                self._warn(_describe_failure(url.netloc, reason))

    def _warn(self, problem: Problem) -> None:
        """Log a problem, once for a place in a run."""
        if problem.where not in self._failed:
            self._failed.add(problem.where)
            log.warning("%s", problem)


def resolve_target(target: str) -> SplitResult | Problem:
    """Resolve a URL or `$NAME`; return the problem where it is no URL of HTTP or HTTPS."""
    text = target
    if target.startswith("$"):
        text = os.environ.get(target[1:], "").strip()
        if not text:
            return Problem("no-ping-variable", target)
    url = _split(text)
    if url is None:
        return Problem("not-a-ping-url", target if target.startswith("$") else "ping")
    return url


def _split(text: str) -> SplitResult | None:
    """Split a URL that can be requested; None where it cannot."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018  raises where it is no number
    except ValueError:
        return None
    fits = url.scheme in {"http", "https"} and url.hostname and re.fullmatch(r"[!-~]+", text)
    return url._replace(fragment="") if fits else None


def add_event(url: SplitResult, event: Event) -> str:
    """Add `/start` or an exit code to the path of a URL; a success adds nothing."""
    suffix = f"/{event}" if event else ""
    return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}{suffix}" if suffix else url.path))


def _describe_failure(host: str, reason: str) -> Problem:
    return Problem("ping-failed", host.rpartition("@")[2], detail={"reason": reason})


def _send(url: str, body: str) -> str:
    """Send a ping, and once more where that may help; return the reason where it failed."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        answers: list[tuple[str, bool]] = []
        # A host that sends a byte now and then resets the time limit of a socket, so that a thread has the limit.
        thread = threading.Thread(target=lambda: answers.append(_request(url, body)), daemon=True)  # noqa: B023
        thread.start()
        thread.join(TRY_SECONDS)
        reason, is_final = answers[0] if answers else (f"no answer within {TRY_SECONDS:g} seconds", False)
        if is_final:
            break
    return reason


def _request(url: str, body: str) -> tuple[str, bool]:
    """Request a URL; return the reason of a failure, empty for none, and whether another try is useless."""
    content = body.encode(errors="replace")[:_MOST_BODY] or None
    headers = {"User-Agent": f"forecast/{__version__}", "Content-Type": "text/plain; charset=utf-8"}
    request = urllib.request.Request(url, content, headers)
    try:
        with _build_opener().open(request, timeout=TRY_SECONDS) as response:
            answer = response.read1(100).decode(errors="replace")
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answers {error.code}", 400 <= error.code < 500  # its text may hold the URL
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        return getattr(cause, "strerror", None) or type(cause).__name__, False
    # healthchecks.io answers 200 with `OK (not found)` or `OK (rate limited)` where it keeps no ping
    found = re.fullmatch(r"OK \((.+)\)", answer.strip())
    return f"it answers {found[1]}" if found else "", True


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = max_repeats = _MOST_REDIRECTS


def _build_opener() -> urllib.request.OpenerDirector:
    """Build an opener for HTTP and HTTPS alone; `build_opener` would add files and FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
