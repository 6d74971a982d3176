"""Several processes that share the ports: the kernel gives each new client to one of them (SO_REUSEPORT, socket(7)).

The first process listens to nothing. It begins the others, passes on what signals it gets, and ends with them; one that dies
ends all, so that whoever watches over services sees it. Limits and rules hold for each process on its own, and each is a
session of its own (`proxy`, `proxy-2` …).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

from hythe.errors import MachineError

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(count: int, serve: Callable[[int], int]) -> int:
    """Run `serve` in so many processes, with numbers from 1 on; the status of the first that failed, or 0."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_PASSED_ON, signal.SIGCHLD))
    children = {_fork(number, serve) for number in range(1, count + 1)}
    status = 0
    while children:
        number = signal.sigwait((*_PASSED_ON, signal.SIGCHLD))
        if number != signal.SIGCHLD:
            _tell(children, number)
            continue
        for child in list(children):
            ended, result = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            children.discard(child)
            code = os.waitstatus_to_exitcode(result)
            if code:
                status = status or (code if code > 0 else 1)
                _tell(children, signal.SIGTERM)
    return status


def _fork(number: int, serve: Callable[[int], int]) -> int:
    try:
        child = os.fork()
    except OSError as error:
        raise MachineError(f"no process can be begun ({error.strerror}): lower `workers`") from error
    if child:
        return child
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_PASSED_ON, signal.SIGCHLD))
    status = 1
    try:
        status = serve(number)
    finally:
        os._exit(status)


def _tell(children: set[int], number: int) -> None:
    for child in children:
        os.kill(child, number)
