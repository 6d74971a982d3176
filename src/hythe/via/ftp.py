"""A way that follows FTP: what it carries to a server's control port has its data ports mapped along with it.

Theory of operation. `tunnel.ftp.control` reads both directions of the channel and says what is to be done. Here are the
sockets: two loops that read, and for each passage a task. It gets the near end: it waits on a port that was opened on the
address that the client has connected to, for one connection of that client alone; or, once a transfer is asked for, it
connects to the port that the client has announced. Then the way carries that to the server's data port as it carries
anything, so that data connections are counted, limited and chained like all others.

A passage that nobody uses ends by itself. One that is in use outlives the channel, as far as the server lets it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

from hythe.config import FtpConfig
from hythe.errors import ParseError
from hythe.tunnel.ftp.control import Announced, Control, DoorWanted, Dropped, Event, Held, Notice
from hythe.tunnel.ftp.messages import Endpoint
from hythe.units import SECOND
from hythe.via.base import Broken, Datagrams, Listening, Opened, Receive, Tally, Way, failure
from hythe.via.direct import KernelListening
from hythe.via.pairs import reset
from hythe.via.patterns import endpoint, is_address
from hythe.via.splice import splice

_CHUNK: Final = 16_384

#: Told what whoever runs this may want to know.
Told = Callable[[str], None]


class FollowingFtp(Way):
    """Another way, whose streams by `carry` are FTP. Data connections are carried by `way.carry`."""

    def __init__(self, way: Way, config: FtpConfig | None = None, told: Told | None = None) -> None:
        self.name = way.name
        self.resolves = way.resolves
        self._way = way
        self._config = config or FtpConfig()
        self._told = told

    async def open(self, host: str, port: int) -> socket.socket:
        """As `Way.open`."""
        return await self._way.open(host, port)

    async def carry(
        self, client: socket.socket, host: str, port: int, *, opened: Opened | None = None, tally: Tally | None = None
    ) -> OSError | None:
        """As `Way.carry`. `tally` has the channel's bytes."""
        if client.family == socket.AF_UNIX:  # which has no address that data could come to
            return await self._way.carry(client, host, port, opened=opened, tally=tally)
        far = await self._way.open(host, port)
        try:
            first = opened(far) if opened is not None else b""
        except BaseException:
            far.close()
            raise
        return await follow(self._way, client, far, (host, port), self._config, self._told, first=first, tally=tally)

    async def datagrams(self, receive: Receive, broken: Broken) -> Datagrams:
        """As `Way.datagrams`."""
        return await self._way.datagrams(receive, broken)

    async def listen(self, peer: str) -> Listening:
        """As `Way.listen`."""
        return await self._way.listen(peer)

    async def close(self) -> None:
        """As `Way.close`."""
        await self._way.close()


async def follow(
    way: Way,
    client: socket.socket,
    far: socket.socket,
    place: tuple[str, int],
    config: FtpConfig,
    told: Told | None,
    *,
    first: bytes = b"",
    tally: Tally | None = None,
) -> OSError | None:
    """Follow a client's channel to a server's, `far`, at `place`; data connections go by `way`. Both sockets are closed.

    `client` gets `first` before all else. Returns what ended the channel before its time.
    """
    try:
        channel = _Channel(way, client, far, place, config, told)
    except OSError as error:  # the client has gone while we connected
        far.close()
        client.close()
        return error
    return await channel.run(first, tally or Tally())


class _Passage:
    """The server is connected to at `port`, or comes to `door`. The client is connected to at `near`, or is waited for.

    `wanted`: a transfer has been asked for. `joined`: whether both ends are. `task`: what carries it.
    """

    __slots__ = ("door", "joined", "near", "port", "task", "waiting", "wanted")

    def __init__(self, near: Endpoint | None, port: int | None, door: Listening | None) -> None:
        self.near = near
        self.port = port or 0
        self.door = door
        self.waiting: KernelListening | None = None
        self.wanted = asyncio.Event()
        self.joined: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None

    def tell(self, *, joined: bool) -> bytes:
        """What became of it; and what the client of a data connection gets of ours: nothing."""
        if not self.joined.done():
            self.joined.set_result(joined)
        return b""

    def drop(self) -> None:
        """Nobody needs it."""
        if self.task is not None:
            self.task.cancel()

    def ended(self, _: asyncio.Task[None]) -> None:
        """Its task has, perhaps before its first step. Nobody is waited for any more."""
        for each in (self.waiting, self.door):
            if each is not None:
                each.close()
        self.tell(joined=False)


class _Channel:
    """One control channel with its passages. `passage`: the last that was announced."""

    def __init__(
        self,
        way: Way,
        client: socket.socket,
        far: socket.socket,
        place: tuple[str, int],
        config: FtpConfig,
        told: Told | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._way = way
        self._client = client
        self._far = far
        self._host, self._port = place
        self._config = config
        self._told = told
        self._wait = config.data_wait / SECOND
        self._local = client.getsockname()
        self._peer = client.getpeername()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # ABOR may have an urgent mark before it
        self._control = Control(_address(self._local), _address(self._peer))
        self._passage: _Passage | None = None
        self._door: Listening | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._said: set[str] = set()

    async def run(self, first: bytes, tally: Tally) -> OSError | None:
        """Until the channel and its data connections have ended. Both sockets are closed then."""
        from_client, self._to_client = await asyncio.open_connection(sock=self._client)
        from_far, self._to_far = await asyncio.open_connection(sock=self._far)
        self._tally = tally
        self._to_client.write(first)
        clean = False
        try:
            await self._both(self._up(from_client), self._down(from_far))
            await self._finish()
            clean = True
        except OSError as error:
            return error
        finally:
            await self._close(clean=clean)
        return None

    async def _both(self, up: Coroutine[Any, Any, None], down: Coroutine[Any, Any, None]) -> None:
        """Until both have ended, or one has broken; when the server has, there is nobody left to command."""
        upward, downward = self._loop.create_task(up), self._loop.create_task(down)
        waiting = {upward, downward}
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
                if downward in done and not self._control.raw:
                    return
        finally:
            for each in (upward, downward):
                each.cancel()
            await asyncio.wait((upward, downward))

    async def _up(self, reader: asyncio.StreamReader) -> None:
        control = self._control
        while data := await reader.read(_CHUNK):
            self._heard(control.receive_client, data)
            await self._to_far.drain()
            await self._until(lambda: control.wants)
            if control.over:
                for each in (self._to_client, self._to_far):
                    each.write_eof()
        await self._until(lambda: control.settled)
        self._to_far.write_eof()

    async def _down(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            self._heard(self._control.receive_server, data)
            await self._to_client.drain()
        if self._control.raw:
            self._to_client.write_eof()

    def _heard(self, receive: Callable[[bytes], None], data: bytes) -> None:
        try:
            receive(data)
        except ParseError as error:
            raise failure(errno.EPROTO, self._way.name, self._host, self._port, str(error)) from error
        self._react()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def _react(self) -> None:
        """Do what the channel asks for, and send what it has."""
        control = self._control
        while control.events:
            self._do(control.events.popleft())
        self._tally.down += len(control.to_client)
        self._tally.up += len(control.to_server)
        for pending, writer in ((control.to_client, self._to_client), (control.to_server, self._to_far)):
            if pending and not writer.is_closing():
                writer.write(bytes(pending))
            pending.clear()
        self._changed.set()

    def _do(self, event: Event) -> None:
        match event:
            case Announced(near, port):
                self._announce(near, port)
            case DoorWanted():
                self._begin(self._open_door())
            case Held():
                assert self._passage is not None
                self._begin(self._hold(self._passage))
            case Dropped():
                if self._passage is not None:
                    self._passage.drop()
            case Notice(sentence):
                self._say(sentence)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- Passages

    def _announce(self, near: Endpoint | None, port: int | None) -> None:
        """Make a passage. The one before, if no transfer has used it, is not needed any more."""
        before = None
        if self._passage is not None and not self._passage.joined.done():
            before = self._passage.task
            self._passage.drop()
        door, self._door = self._door, None
        self._passage = passage = _Passage(near, port, door)
        passage.task = self._begin(self._pass(passage, before))
        passage.task.add_done_callback(passage.ended)

    async def _pass(self, passage: _Passage, before: asyncio.Task[None] | None) -> None:
        """Get both ends, and carry until they have ended."""
        if before is not None:
            await asyncio.wait([before])  # it may have the port that we are to get
        if passage.near is None and not self._listen(passage):
            return
        client: socket.socket | None = None
        try:
            async with asyncio.timeout(None) as limit:

                def opened(_: socket.socket | None) -> bytes:
                    limit.reschedule(None)
                    return passage.tell(joined=True)

                if passage.near is not None or passage.door is not None:
                    await passage.wanted.wait()
                limit.reschedule(self._loop.time() + self._wait)
                if passage.door is not None:
                    far, _ = await passage.door.accept()
                    with far:
                        client = await self._client_end(passage)
                        opened(None)
                        await splice(client, far)
                else:
                    client = await self._client_end(passage)
                    await self._way.carry(client, self._host, passage.port, opened=opened)
        except OSError as error:  # TimeoutError among them
            self._say(f"a data connection could not be made: {error.strerror or 'it took too long'}")
        finally:
            if client is not None:
                reset(client)
                client.close()

    def _listen(self, passage: _Passage) -> bool:
        """Open a port for the client, and tell which."""
        try:
            passage.waiting = KernelListening(_address(self._peer), _local(self._local), self._config.data_ports)
        except OSError as error:
            self._say(f"no port for a data connection: {error.strerror}")
        self._control.listening(passage.waiting.address[1] if passage.waiting is not None else None)
        self._react()
        return passage.waiting is not None

    async def _client_end(self, passage: _Passage) -> socket.socket:
        if passage.waiting is not None:
            stream, _ = await passage.waiting.accept()
            passage.waiting.close()
            return stream
        near = passage.near
        assert near is not None
        six = ":" in near.host
        stream = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            stream.bind((_local(self._local), 0))  # it is the server's address, as far as the client knows
            await self._loop.sock_connect(stream, (*near, *(self._peer[2:] if six else ())))
        except BaseException:
            stream.close()
            raise
        return stream

    async def _hold(self, passage: _Passage) -> None:
        """Let a transfer go on when its passage is there. A server that connects itself does so only then."""
        passage.wanted.set()
        self._control.go(joined=passage.door is not None or await passage.joined)
        self._react()

    async def _open_door(self) -> None:
        """Listen where the server can connect to."""
        try:
            async with asyncio.timeout(self._wait):
                self._door = await self._way.listen(self._server())
        except OSError as error:
            self._say(f"the server takes no passive data connections, and {error.strerror or 'it took too long'}")
        self._control.door(Endpoint(*self._door.address) if self._door is not None else None)
        self._react()

    def _server(self) -> str:
        """The server's address, as far as it is known here."""
        reached = self._far.family in (socket.AF_INET, socket.AF_INET6) and not is_address(self._host)
        return _address(self._far.getpeername()) if reached else self._host

    def _say(self, sentence: str) -> None:
        """Once in each channel, however often the client has us fail."""
        if self._told is not None and sentence not in self._said:
            self._said.add(sentence)
            self._told(f"FTP to {endpoint(self._host, self._port)}: {sentence}")

    # --- The end

    async def _finish(self) -> None:
        """What has been written leaves, and transfers that are under way end."""
        for writer in (self._to_client, self._to_far):
            writer.close()
            await writer.wait_closed()
        if self._passage is not None and not self._passage.joined.done():
            self._passage.drop()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _close(self, *, clean: bool) -> None:
        if not clean:
            for stream, writer in ((self._client, self._to_client), (self._far, self._to_far)):
                reset(stream)
                writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._door is not None:
            self._door.close()


def _local(name: tuple[Any, ...]) -> str:
    """The address of a socket's name, as it can be bound to; that of IPv4 if it is one."""
    return str(name[0]).removeprefix("::ffff:")


def _address(name: tuple[Any, ...]) -> str:
    """The same without its zone."""
    return _local(name).partition("%")[0]
