"""`python -m bench.pages`: what `hythe dashboard` costs with 5,000 connections, and how soon it tells what happens.

As `bench.watching` does for `hythe live`, beside the same command; a page here is what a browser's is to the dashboard: it
comes in by the address, and reads the stream of a session. How the browser draws it is the browser's, and not measured. At
last both views watch at once.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from bench.watching import CONNECTIONS, MESSAGES, ROUNDS, SECONDS, Far, Live, Run, live, pairs, used

_PATIENCE: Final = 60.0
#: Seconds in which everything has been told, and who holds what has been asked for.
_SETTLED: Final = 5.0


class Page:
    """`hythe dashboard`, and a page that reads its stream in a thread. `open`: connections, as it was told last."""

    def __init__(self, name: str) -> None:
        words = [sys.executable, "-m", "hythe", "dashboard", name, "--no-open"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        found = re.search(r"http://\S+", self._process.stdout.readline())
        assert found
        self._address = urlsplit(found[0])
        self.pid = self._process.pid
        self.open = 0
        self._told = threading.Condition()
        self._stream = self._enter(name)
        threading.Thread(target=self._read, daemon=True).start()

    def _enter(self, name: str) -> http.client.HTTPResponse:
        """By the address, once; then with what it gave."""
        place = f"{self._address.hostname}:{self._address.port}"
        caller = http.client.HTTPConnection(place, timeout=_PATIENCE)
        caller.request("GET", f"{self._address.path}?{self._address.query}")
        answer = caller.getresponse()
        answer.read()
        key = re.search(r"key=([\w-]+)", answer.headers["Location"])
        assert key
        headers = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "X-Hythe-Key": key[1]}
        caller.request("GET", f"/api/sessions/{name}/stream", headers=headers)
        self._caller = caller  # a socket that nobody holds would be closed
        return caller.getresponse()

    def _read(self) -> None:
        kind = b""
        for line in self._stream:
            if line.startswith(b"event: "):
                kind = line[7:].strip()
            elif kind == b"board" and line.startswith(b"data: "):
                told: dict[str, Any] = json.loads(line[6:])
                with self._told:
                    self.open = told["totals"]["open"]
                    self._told.notify()

    def until(self, count: int) -> None:
        """Wait until so many connections were told of."""
        with self._told:
            if not self._told.wait_for(lambda: self.open == count, _PATIENCE):
                raise TimeoutError(f"the dashboard tells of {self.open} connections, not of {count}")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate(timeout=_PATIENCE)


@contextlib.contextmanager
def page(name: str, connections: int) -> Iterator[Page]:
    """One that knows of all connections."""
    looking = Page(name)
    try:
        looking.until(connections)
        time.sleep(_SETTLED)
        yield looking
    finally:
        looking.close()


def costs(run: Run, connections: int, messages: int, seconds: float) -> str:
    """Without and with the page, in percent of a core."""
    run.tell(f"rate {messages}")
    time.sleep(1)
    alone = _shares(seconds, run.pid)[0]
    with page(run.name, connections) as looking:
        gateway, view = _shares(seconds, run.pid, looking.pid)
    run.tell("rate 0")
    more = max(0.0, gateway - alone)
    return f"{messages} messages a second: gateway {alone:.1f} % alone, {more:.1f} % more for it; dashboard {view:.1f} %"


def together(run: Run, connections: int, messages: int, seconds: float, rounds: int) -> Iterator[str]:
    """The page and `hythe live` at once; and bulk with both stopped and with both going on, in turn."""
    with page(run.name, connections) as looking, live(run.name) as watching:
        run.tell(f"rate {messages}")
        watching.read(1)
        with _reading(watching, seconds):
            shares = _shares(seconds, run.pid, looking.pid, watching.pid)
        run.tell("rate 0")
        told = "gateway {:.1f} %, dashboard {:.1f} %, live {:.1f} %".format(*shares)
        yield f"both, {messages} messages a second: {told}"
        yield f"bulk with both, {pairs(run, [looking.pid, watching.pid], watching, rounds, seconds)}"


@contextlib.contextmanager
def _reading(watching: Live, seconds: float) -> Iterator[None]:
    thread = threading.Thread(target=watching.read, args=(seconds,))
    thread.start()
    yield
    thread.join()


def _shares(seconds: float, *pids: int) -> list[float]:
    begun, before = time.monotonic(), [used(each) for each in pids]
    time.sleep(seconds)
    took = time.monotonic() - begun
    return [100 * (used(pid) - was) / took for pid, was in zip(pids, before, strict=True)]


def delays(run: Run, connections: int, times: int) -> list[float]:
    """Seconds from a connection that is open to the page that was told of it."""
    found = []
    with page(run.name, connections) as looking:
        for number in range(times):
            time.sleep(0.37)  # so that rounds are met at different times
            run.tell("more")
            run.answer()
            begun = time.monotonic()
            looking.until(connections + number + 1)
            found.append(time.monotonic() - begun)
    return found


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options, _ = parser.parse_known_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = options.connections
    run = Run(Far(), connections)
    try:
        for messages in (0, MESSAGES):
            print(costs(run, connections, messages, options.seconds), flush=True)
        alone, watched = [], []
        for _ in range(options.rounds):
            alone.append(run.bulk(options.seconds / 2))
            with page(run.name, connections):
                watched.append(run.bulk(options.seconds / 2))
        text = f"bulk: {median(alone):.2f} Gbit/s alone, {median(watched):.2f} watched"
        print(f"{text}; ratio of the medians {median(watched) / median(alone):.3f}", flush=True)
        for line in together(run, connections, MESSAGES, options.seconds, options.rounds):
            print(line, flush=True)
        found = delays(run, connections, 8)
        print(f"told after {median(found):.2f} s, at most {max(found):.2f} s", flush=True)
    finally:
        run.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
