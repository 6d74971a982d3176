"""The packets of a session as they come, by `GET /capture`: in the loop, for no thread can be called back from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import h11

from hythe.errors import ParseError
from hythe.session import places
from hythe.session.client import PATIENCE, Session, SessionEndedError
from hythe.wire.pcapng import CapturedPacket, Reader

#: Bytes of each packet: the headers, and the beginning of what they carry.
SNAPLEN: Final = 512
_PIECE: Final = 128 * 1_024


async def capture(session: Session) -> AsyncGenerator[list[CapturedPacket], None]:
    """What has come since the last, until the session ends. Raises `SessionEndedError` where it does not answer."""
    try:
        caller = await asyncio.to_thread(places.connect, session.path, PATIENCE)
    except OSError as error:
        raise SessionEndedError(f"the session {session.name!r} has ended") from error
    caller.setblocking(False)
    loop = asyncio.get_running_loop()
    machine, reader = h11.Connection(h11.CLIENT), Reader()
    with caller:
        request = h11.Request(method="GET", target=f"/capture?snaplen={SNAPLEN}", headers=[("Host", session.name)])
        try:
            await loop.sock_sendall(caller, machine.send(request) + machine.send(h11.EndOfMessage()))
            while True:
                event = machine.next_event()
                if event is h11.NEED_DATA:
                    machine.receive_data(await loop.sock_recv(caller, _PIECE))
                elif isinstance(event, h11.Data):
                    yield list(reader.feed(bytes(event.data)))
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    return
        except (OSError, h11.RemoteProtocolError, ParseError) as error:
            raise SessionEndedError(f"the session {session.name!r} has ended") from error
