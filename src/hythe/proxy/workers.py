"""Several processes that share the ports: the kernel gives each new client to one of them (SO_REUSEPORT, socket(7)).

Theory of operation. The first process listens to nothing. It forks the others, the *workers*, passes on what signals it
gets, speaks for all with the init system, and is the session that is asked (`whole`). One that dies ends all, so that
whoever watches over services sees it; where the first one dies, so do they. Between it and each worker there is a socket
pair: `READY` comes up, callers go down, each as a descriptor of its own (`Callers`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from hythe.errors import MachineError
from hythe.forward.service import notify

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BLOCKED: Final = (*_PASSED_ON, signal.SIGCHLD)
READY: Final = b"ready"
_CALL: Final = b"call"

#: Serves as the worker of a number from 1 on, by its socket to the first process; its exit status.
Serve = Callable[[int, socket.socket], int]
#: What the first process does meanwhile, by its sockets to the workers.
Meanwhile = Callable[[Sequence[socket.socket]], AbstractAsyncContextManager[None]]


def run(count: int, serve: Serve, meanwhile: Meanwhile) -> int:
    """Run `serve` in so many processes; the status of the first that failed, or 0. MachineError."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(count)]
    children = {}
    for number, (_, theirs) in enumerate(pairs, 1):
        others = [each for pair in pairs for each in pair if each is not theirs]
        children[_fork(number, serve, theirs, others)] = pairs[number - 1][0]
    for ours, theirs in pairs:
        theirs.close()
        ours.setblocking(False)
    return asyncio.run(_Crew(children).run(meanwhile))


def _fork(number: int, serve: Serve, control: socket.socket, others: Sequence[socket.socket]) -> int:
    try:
        child = os.fork()
    except OSError as error:
        raise MachineError(f"no process can be begun ({error.strerror}): lower `workers`") from error
    if child:
        return child
    status = 1
    try:
        for each in others:
            each.close()
        control.setblocking(False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
        status = serve(number, control)
    finally:
        os._exit(status)


class _Crew:
    """The workers, as the first process has them: by PID, with the socket to each."""

    def __init__(self, children: dict[int, socket.socket]) -> None:
        self._children = children
        self._awaited = set(children.values())  # who has not said that it is ready
        self._status = 0
        self._over = asyncio.Event()

    async def run(self, meanwhile: Meanwhile) -> int:
        """Until the last of them has ended."""
        loop = asyncio.get_running_loop()
        controls = list(self._children.values())
        for number in _PASSED_ON:
            loop.add_signal_handler(number, self._pass_on, number)
        loop.add_signal_handler(signal.SIGCHLD, self._bury)
        for each in controls:
            loop.add_reader(each, self._hear, each)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
        try:
            async with meanwhile(controls):
                await self._over.wait()
        finally:
            for each in controls:
                loop.remove_reader(each)
                each.close()
        return self._status

    def _hear(self, control: socket.socket) -> None:
        try:
            said = control.recv(len(READY))
        except OSError:
            said = b""
        if not said:
            asyncio.get_running_loop().remove_reader(control)  # it ends, and SIGCHLD follows
        elif control in self._awaited:
            self._awaited.discard(control)
            if not self._awaited:
                notify(f"READY=1\nSTATUS={len(self._children)} processes")

    def _pass_on(self, number: int) -> None:
        if number == signal.SIGHUP:
            notify("RELOADING=1")
            self._awaited = set(self._children.values())
        else:
            notify("STOPPING=1")
        for child in self._children:
            os.kill(child, number)

    def _bury(self) -> None:
        for child in list(self._children):
            ended, result = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            del self._children[child]
            code = os.waitstatus_to_exitcode(result)
            if code:
                self._status = self._status or (code if code > 0 else 1)
                for other in self._children:
                    os.kill(other, signal.SIGTERM)
        if not self._children:
            self._over.set()


class Callers:
    """Those who ask a worker by the first process, as a listening socket would give them (`hythe.gateway.api.door`)."""

    def __init__(self, control: socket.socket, orphaned: Callable[[], object]) -> None:
        self._control = control
        self._orphaned = orphaned

    def fileno(self) -> int:
        """What is readable when somebody calls."""
        return self._control.fileno()

    def accept(self) -> tuple[socket.socket, None]:
        """The next one. OSError: the first process has gone."""
        said, descriptors, _, _ = socket.recv_fds(self._control, len(_CALL), 1)
        if not descriptors:
            self._orphaned()
            raise OSError(f"nobody calls ({said!r})")
        return socket.socket(fileno=descriptors[0]), None


def call(control: socket.socket) -> socket.socket:
    """A connection to who answers in the worker. OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(control, [_CALL], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
    ours.setblocking(False)
    return ours
