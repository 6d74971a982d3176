"""The far end is cut off, in the midst of traffic, and comes back: the forward is up again within seconds."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hythe.gateway.namespace.syscalls import setns
from tests import needs
from tests.forward.forwarding import Forwarding, forwarding, home
from tests.tunnel.ssh.peers import Server

#: Seconds from the network's return to a stream that works: five on a quiet machine.
WITHIN = 20.0


class Far:
    """A network namespace behind a cable that can be pulled; at this end there is another, where the test is (`far`)."""

    ours, theirs = "10.213.0.1", "10.213.0.2"

    def __init__(self) -> None:
        tag = f"{os.getpid()}-{time.monotonic_ns()}"  # a namespace goes some time after it was deleted
        self.near, self.name = f"hythe-near-{tag}", f"hythe-far-{tag}"

    def make(self) -> None:
        for words in (
            f"netns add {self.near}",
            f"netns add {self.name}",
            f"-n {self.near} link add cable type veth peer name cable netns {self.name}",
            f"-n {self.near} link set lo up",
            f"-n {self.near} addr add {self.ours}/24 dev cable",
            f"-n {self.near} link set cable up",
            f"-n {self.name} link set lo up",
            f"-n {self.name} addr add {self.theirs}/24 dev cable",
        ):
            ip(words)
        self.cable("up")

    def cable(self, state: str) -> None:
        ip(f"-n {self.name} link set cable {state}")

    def move(self) -> None:
        """This side gets another address, and the one it had is no more."""
        moved = self.ours.removesuffix("1") + "3"
        ip(f"-n {self.near} addr add {moved}/24 dev cable")
        ip(f"-n {self.near} addr del {self.ours}/24 dev cable")
        if f"{moved}/24" not in ip(f"-n {self.near} addr show dev cable"):  # the second goes with the first, unless promoted
            ip(f"-n {self.near} addr add {moved}/24 dev cable")

    def inside(self, *words: str) -> list[str]:
        """With all that it starts it is gone when it ends: sshd's children wait for clients whom nothing ends any more."""
        own = [needs.program("unshare"), "--pid", "--fork", "--kill-child"]
        return [needs.program("ip"), "netns", "exec", self.name, *own, *words]

    def remove(self) -> None:
        """The cable first: the namespaces live on as long as a process does in them."""
        for words in (f"-n {self.near} link del cable", f"netns del {self.near}", f"netns del {self.name}"):
            ip(words, check=False)


def ip(words: str, *, check: bool = True) -> str:
    """Run it; what it prints."""
    run = [needs.program("ip"), *words.split()]
    return subprocess.run(run, check=check, timeout=20, capture_output=True, text=True).stdout


@pytest.fixture
def far() -> Iterator[Far]:
    """The thread that runs the test is in the near network meanwhile, and so is all that it starts."""
    needs.root()
    made = Far()
    with Path("/proc/thread-self/ns/net").open() as before:
        try:
            made.make()
            with Path(f"/run/netns/{made.near}").open() as near:
                setns(near.fileno(), needs.CLONE_NEWNET)
            yield made
        finally:
            setns(before.fileno(), needs.CLONE_NEWNET)
            made.remove()


@contextlib.contextmanager
def running(*words: str, address: tuple[str, int]) -> Iterator[None]:
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(address) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        yield
    finally:
        process.kill()  # unshare(1) waits for its child whatever else it is told
        process.wait(20)


def works(port: int, patience: float) -> bool:
    """Does a new stream get its echo within so many seconds?"""
    with socket.socket() as stream:
        stream.settimeout(patience)
        try:
            stream.connect(("127.0.0.1", port))
            stream.sendall(b"hello")
            return stream.recv(5) == b"hello"
        except OSError:
            return False


@contextlib.contextmanager
def tunnelled(place: Path, far: Far) -> Iterator[tuple[Forwarding, int]]:
    """A forward to an echo behind the cable, by OpenSSH's server there."""
    server = Server(place, "box")
    kind, public, *_ = server.host_key.with_suffix(".pub").read_text().split()
    server.known.write_text(f"[{far.theirs}]:2222 {kind} {public}\n")
    server.port = 2222
    server.write_config()
    server.config.write_text(server.config.read_text().replace("127.0.0.1", far.theirs))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    options = [f"HostKey={server.host_key}", f"AuthorizedKeysFile={server.authorized}", "ListenAddress=0.0.0.0:2222"]
    options += ["PidFile=none", "UsePAM=no", "StrictModes=no", "PermitRootLogin=yes"]
    sshd = [needs.program("sshd"), "-D", "-f", "/dev/null", *(word for each in options for word in ("-o", each))]
    served = [sys.executable, "-m", "hythe", "serve", "--echo", "--port", "7777", "--bind", "0.0.0.0"]
    with (
        running(*far.inside(*sshd), address=(far.theirs, 2222)),
        running(*far.inside(*served), address=(far.theirs, 7777)),
        forwarding(home(place, server), "-L", "0:localhost:7777", "--via", "ssh://box", "--name", "cut") as forward,
    ):
        yield forward, forward.port("localhost:7777")


@pytest.mark.parametrize("seconds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_it_is_up_again_soon_after_the_network(tmp_path: Path, far: Far, seconds: int) -> None:
    with tunnelled(tmp_path, far) as (forward, port):
        assert works(port, 20)
        far.cable("down")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert not works(port, 0.5)
        far.cable("up")
        back(forward, port)


def back(forward: Forwarding, port: int) -> None:
    """A new stream works within seconds from now."""
    since = time.monotonic()
    while not works(port, 2):
        assert time.monotonic() - since < WITHIN, (forward.hythe("ps"), forward.err)
    assert time.monotonic() - since < WITHIN
    assert "[ssh://box up]" in forward.hythe("ps")


def test_it_is_up_again_soon_after_its_address_has_changed(tmp_path: Path, far: Far) -> None:
    with tunnelled(tmp_path, far) as (forward, port):
        assert works(port, 20)
        far.move()
        back(forward, port)
