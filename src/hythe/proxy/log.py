"""The access log: one line for each connection at its end, and for each client that is sent away, as text or JSON.

Lines are written some at a time, a moment after they were made: a disk that is slow slows nobody's connection more than
once a moment. A line that cannot be written is counted, not mourned.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import select
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hythe.errors import MachineError
from hythe.gateway.api.figures import error_name
from hythe.proxy.config import LogConfig
from hythe.via.patterns import endpoint

if TYPE_CHECKING:
    from hythe.proxy.clients import Client, Flow

#: Seconds that lines wait for others.
_DELAY: Final = 0.1
#: Bytes that wait at most; lines beyond them are lost, and counted.
_WAITING_MAX: Final = 1 << 20
_STANDARD_OUTPUT: Final = 1
#: A pipe that can be written to has room for so much (pipe(7), PIPE_BUF).
_PIECE: Final = 4_096


class Log:
    """`lost`: lines that could not be written. `standard`: where they go unless the configuration says."""

    def __init__(self, config: LogConfig, standard: int = _STANDARD_OUTPUT) -> None:
        self.config = config
        self._standard = standard
        self.lost = 0
        self._waiting: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._fd = _open(config, standard)

    def reopen(self, config: LogConfig) -> None:
        """Write to the file that has its name now. MachineError: what was written to stays."""
        fresh = _open(config, self._standard)
        self.flush()
        self._close()
        self.config, self._fd = config, fresh

    def tell(self, flow: Flow) -> None:
        """A connection has ended."""
        self._put(_as_json(flow) if self.config.format == "json" else _as_text(flow))

    def tell_login(self, client: Client, user: str) -> None:
        """Somebody could not prove to be `user`, or has to wait before the next attempt."""
        what = f"login as {user!r} refused"
        if self.config.format == "json":
            self._put(json.dumps({**_whose(client, user), "request": what, "error": error_name(errno.EACCES)}))
        else:
            self._put(f"{_stamp(client)} - {client.entry.kind} {what}")

    def tell_refused(self, client: Client, error: OSError, status: int = 0) -> None:
        """A client has been sent away before it had a connection; `status`: of HTTP."""
        name, reason = error_name(error.errno or errno.EIO), str(error.strerror or error)
        if self.config.format == "json":
            whose = _whose(client, client.user)
            self._put(json.dumps({**whose, "request": None, "status": status or None, "error": name, "reason": reason}))
        else:
            self._put(f"{_stamp(client)} - {client.entry.kind} refused{f' {status}' if status else ''} {name}: {reason}")

    def _put(self, line: str) -> None:
        data = f"{line}\n".encode(errors="backslashreplace")
        if self._size + len(data) > _WAITING_MAX:
            self.lost += 1
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._size = self._waiting, [], 0
        data = b"".join(waiting)
        try:
            while data and self._has_room():
                data = data[os.write(self._fd, data[:_PIECE]) :]
        except OSError:
            self.lost += data.count(b"\n")
            return
        if data:  # a pipe that nobody reads: what waits is bounded, and nobody else waits for it
            self._waiting, self._size = [data], len(data)
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self.flush)

    def _has_room(self) -> bool:
        writable = select.poll()
        writable.register(self._fd, select.POLLOUT)
        return bool(writable.poll(0))

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        self._close()

    def _close(self) -> None:
        if self._fd != self._standard:
            with contextlib.suppress(OSError):  # what was written before is not the better for it
                os.close(self._fd)


def _open(config: LogConfig, standard: int) -> int:
    if not config.file:
        return standard
    try:
        return os.open(config.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise MachineError(
            f"the log {config.file!r} cannot be written ({error.strerror}): name a file in a directory you may write to"
        ) from error


def _as_text(flow: Flow) -> str:
    """``[time] - client (user) - socks CONNECT host:port [200] up down seconds [why it failed]``."""
    client, tally = flow.client, flow.tally
    ended = f" {_error(flow)}: {flow.reason}" if flow.error is not None else ""
    status = f" {flow.status}" if flow.status else ""
    return (
        f"{_stamp(client)} - {client.entry.kind} {flow.what}"
        f"{status} {tally.up} {tally.down} {flow.record.ended - flow.record.began:.3f}{ended}"
    )


def _as_json(flow: Flow) -> str:
    client, record = flow.client, flow.record
    host, port = record.far
    return json.dumps(
        {
            **_whose(client, client.user),
            "request": flow.what,
            "host": host,
            "port": port,
            "address": flow.address or None,
            "via": record.via,
            "status": flow.status or None,
            "bytes_up": record.tally.up,
            "bytes_down": record.tally.down,
            "seconds": round(record.ended - record.began, 3),
            "error": _error(flow),
            "reason": flow.reason or None,
        }
    )


def _stamp(client: Client) -> str:
    user = f" ({client.user})" if client.user else ""
    now = datetime.now().isoformat(" ", "seconds")
    return f"[{now}] - {endpoint(client.host, client.port)}{user}"


def _whose(client: Client, user: str) -> dict[str, str | int | None]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "client": client.host,
        "client_port": client.port,
        "user": user or None,
        "entry": client.entry.kind,
        "listen": client.entry.text,
    }


def _error(flow: Flow) -> str | None:
    return error_name(flow.error.errno or errno.EIO) if flow.error is not None else None
