"""The conversation: our side's input goes to the carrier, what comes goes to our side's output, until the far side ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, Protocol

from hythe.connect.carriers import Carrier
from hythe.connect.telnet import Telnet
from hythe.errors import MachineError

_LONE_LF: Final = re.compile(rb"(?<!\r)\n")
#: Seconds for what is still to be read of a connection that broke while it was written to.
_LAST_WORDS: Final = 1.0

Trace = Callable[[bool, bytes], object]


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Whoever sits at our side has had enough."""


class Side(Protocol):
    """Our side: a pipe or a terminal."""

    async def read(self) -> bytes:
        """Input; nothing at its end."""

    async def write(self, data: bytes) -> None:
        """Output."""

    def options(self, telnet: Telnet) -> None:
        """The far side may have changed what it does: echo, for one."""

    def close(self) -> None:
        """The conversation is over."""


class Relay:
    """`trace` is called with (sent, bytes), as they are on the carrier. `crlf`: lines that we send end in CR LF.

    `silence`: seconds after which a conversation in which nothing moves is over; None for never. `linger`: the same once
    our input has ended, for carriers on which that cannot be told.
    """

    def __init__(
        self,
        side: Side,
        carrier: Carrier,
        *,
        telnet: Telnet | None = None,
        crlf: bool = False,
        trace: Trace | None = None,
        silence: float | None = None,
        linger: float | None = None,
    ) -> None:
        self._side = side
        self._carrier = carrier
        self._telnet = telnet
        self._crlf = crlf
        self._after_cr = False
        self._trace = trace
        self._silence = silence
        self._linger = linger
        self._moved = 0.0  # when a byte last moved

    async def run(self) -> None:
        """Until the far side has ended, or the time is over. Raises `MachineError` where it ends otherwise."""
        loop = asyncio.get_running_loop()
        self._moved = loop.time()
        inbound = loop.create_task(self._inbound())
        outbound = loop.create_task(self._outbound())
        waiting = {inbound, outbound}
        try:
            while not inbound.done():
                patience = self._patience(loop.time(), over=outbound.done())
                if patience == 0:
                    return
                await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if outbound in waiting and outbound.done():
                    waiting.remove(outbound)
                    await self._ended(outbound, inbound)
            inbound.result()
        except OSError as error:
            raise MachineError(f"the connection broke ({error.strerror or error}): what was on its way is lost") from error
        finally:
            for task in (inbound, outbound):
                task.cancel()
            await asyncio.gather(inbound, outbound, return_exceptions=True)

    async def _ended(self, outbound: asyncio.Task[None], inbound: asyncio.Task[None]) -> None:
        """Our input is over. If that is because the carrier broke, take what came before it did, and raise how it broke."""
        try:
            outbound.result()
        except OSError:
            await asyncio.wait({inbound}, timeout=_LAST_WORDS)
            if not inbound.done():
                raise

    def _patience(self, now: float, *, over: bool) -> float | None:
        """Seconds left, None for all there are. `over`: our input is."""
        limits = [each for each in (self._silence, self._linger if over else None) if each is not None]
        return max(0.0, self._moved + min(limits) - now) if limits else None

    async def _inbound(self) -> None:
        while data := await self._carrier.read():
            self._move(False, data)
            if self._telnet is not None:
                data = self._telnet.receive(data)
                if replies := self._telnet.replies():
                    self._move(True, replies)
                    await self._carrier.write(replies)
                self._side.options(self._telnet)
            if data:
                await self._side.write(data)

    async def _outbound(self) -> None:
        while data := await self._side.read():
            if self._crlf:
                data = self._with_crlf(data)
            if self._telnet is not None:
                data = self._telnet.encode(data)
            self._move(True, data)
            await self._carrier.write(data)
        self._carrier.end()
        self._moved = asyncio.get_running_loop().time()

    def _with_crlf(self, data: bytes) -> bytes:
        """Each LF that no CR stands before gets one."""
        made = _LONE_LF.sub(b"\r\n", data)
        if self._after_cr and data.startswith(b"\n"):
            made = made[1:]
        self._after_cr = data.endswith(b"\r")
        return made

    def _move(self, sent: bool, data: bytes) -> None:
        self._moved = asyncio.get_running_loop().time()
        if self._trace is not None:
            self._trace(sent, data)
