"""Our side at a terminal: lines that can be edited, or keys that go out as they are pressed.

Line by line is how it begins: prompt_toolkit edits, and remembers for as long as we run and no longer, since what is typed
at a server may be a password. What the far side has begun to write without ending the line, ``login: ``, stands in front as
the prompt. When a telnet server says that it echoes (RFC 857), every key is its business from then on, until it stops.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import sys
import termios
import tty
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.formatted_text import ANSI

from hythe.connect.relay import Interrupted
from hythe.connect.telnet import ECHO, Telnet

#: ^], as in telnet: ends the conversation while keys go out unchanged.
ESCAPE: Final = b"\x1d"
_READ: Final = 1_024
_END_OF_LINE: Final = re.compile(r"\r\n|\r\0|\n")


class Terminal:
    """`encoding` is UTF-8; what is none is shown as replaced."""

    def __init__(self) -> None:
        self._session: PromptSession[str] = PromptSession()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unended = ""  # the line that the far side has begun
        self._keys = False
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()  # nobody is between the two ways of reading
        self._settled.set()
        self._over = False  # input has ended
        self._before: list[int | list[bytes | int]] | None = None

    async def read(self) -> bytes:
        """A line, or keys; nothing at the end of input. Raises `Interrupted`."""
        while True:
            self._changed.clear()
            reading = asyncio.create_task(self._read_keys() if self._keys else self._read_line())
            changing = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait({reading, changing}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    return reading.result()
            finally:
                for task in (reading, changing):
                    task.cancel()
                await asyncio.gather(reading, changing, return_exceptions=True)

    async def write(self, data: bytes) -> None:
        """Show it."""
        text = self._decoder.decode(data)
        await self._settled.wait()
        if self._keys:
            _show(text)
            return
        *lines, self._unended = _END_OF_LINE.split(self._unended + text)
        if lines:
            await run_in_terminal(lambda: _show("\n".join([*lines, ""])))
        self._session.app.invalidate()

    def options(self, telnet: Telnet) -> None:
        """Does the far side echo?"""
        keys = ECHO in telnet.theirs
        if keys != self._keys:
            self._keys = keys
            self._changed.set()
            if not self._over:
                self._settled.clear()

    def close(self) -> None:
        """The terminal as it was, behind what was shown last."""
        self._cook()
        if self._unended:
            _show(self._unended + "\n")

    async def _read_line(self) -> bytes:
        self._cook()
        self._settled.set()
        try:
            line = await self._session.prompt_async(lambda: ANSI(self._unended), handle_sigint=False)
        except EOFError:
            self._over = True
            return b""
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            self._unended = ""  # it stays on the screen
        return line.encode() + b"\n"

    async def _read_keys(self) -> bytes:
        loop = asyncio.get_running_loop()
        came: asyncio.Future[bytes] = loop.create_future()
        if self._before is None:  # until lines are read again, so that no key comes between
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead counts
        self._settled.set()

        def pressed() -> None:
            if not came.done():
                came.set_result(os.read(0, _READ))

        loop.add_reader(0, pressed)
        try:
            keys = await came
        finally:
            loop.remove_reader(0)
        if ESCAPE in keys:
            raise Interrupted
        return keys

    def _cook(self) -> None:
        if self._before is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)
            self._before = None


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
