"""SSH connections that carry much: asyncssh's, with a path of our own for the data of channels.

Theory of operation. asyncssh reads a packet by cutting it off a bytes object, which moves all that is behind it, and writes
one by joining its parts four times, behind an empty packet that only CBC ciphers need. For what is rare that does not
matter, so asyncssh does it: key exchange, authentication, requests, opening and closing. Bulk is `CHANNEL_DATA` under an
authenticated cipher (`records`), and for it this file goes around all of that. The transport reads into a room that is
reused; each packet is opened into a second room; data of a channel with a `Splice` are views into that one until all packets
of this turn are opened, and leave by one sendmsg(2) a socket. Everything else is handed to asyncssh one packet at a time,
opened already.

Outwards a socket is read straight into the places of a row of packets, which are sealed one by one into what the transport
gets to write at once. While it cannot write, or keys are exchanged, nothing is read: `ready`.

Other ciphers, and compression, go asyncssh's way with the same splices.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from asyncssh.connection import SSHClientConnection, SSHConnection, SSHServerConnection
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_IGNORE, MSG_REQUEST_SUCCESS, OPEN_CONNECT_FAILED
from asyncssh.misc import ChannelListenError, ChannelOpenError
from asyncssh.packet import SSHPacket, String, UInt32
from asyncssh.session import SSHTCPSession

from hythe.tunnel.ssh.channel import TcpChannel, UnixChannel
from hythe.tunnel.ssh.datagrams import LISTEN
from hythe.tunnel.ssh.records import BLOCK, LENGTH, TAG, Records, fast
from hythe.tunnel.ssh.window import INITIAL

if TYPE_CHECKING:
    import socket

    from hythe.tunnel.ssh.splice import Splice

#: What is read at once, at most; the longest packet that asyncssh allows is half of it.
_ROOM: Final = 512 * 1_024
#: The rest is moved to the front of the room when less than this is free behind it.
_FREE_MIN: Final = 128 * 1_024
#: Data of one packet: what RFC 4253, 6.1 wants everybody to take, and OpenSSH's limit. And packets in a row.
PIECE: Final = 32_768
_ROW: Final = 8
#: In front of the data: length of the padding, type, channel, length of the data.
_HEAD: Final = struct.Struct(">BBII")
_STRIDE: Final = _HEAD.size + PIECE + 2 * BLOCK
#: Bytes for the transport to write, beyond which nothing more is read.
_UNWRITTEN: Final = 512 * 1_024
_SEQUENCE: Final = 0xFFFFFFFF
#: Of a KEXINIT: bytes of noise in front, and lists behind those of key exchanges and host keys (RFC 4253, 7.1).
_COOKIE: Final = 16
_OTHER_LISTS: Final = 8


class Connection(SSHConnection, asyncio.BufferedProtocol):
    """What client and server have in common."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._room = memoryview(bytearray(_ROOM))
        self._plain = memoryview(bytearray(_ROOM))
        self._head = self._tail = 0
        self._records: Records | None = None  # what opens packets, once it is ours
        self.turning = False
        self._touched: list[Splice] = []
        self._stage: memoryview | None = None
        self._slots: list[memoryview] = []
        self._congested = False
        self._waiting: set[Splice] = set()
        #: When something last came, on the loop's clock.
        self.heard = self._loop.time()

    # --- The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        if isinstance(transport, asyncio.WriteTransport):  # a proxy command's is none
            transport.set_write_buffer_limits(_UNWRITTEN)
        super().connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        return self._room[self._tail :]

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read."""
        self.heard = self._loop.time()
        self._tail += nbytes
        self._turn()
        if self._tail == _ROOM and self._transport is not None:
            self._transport.pause_reading()  # until what asyncssh awaits has come about

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """The same of a transport that brings its own bytes (a proxy command's)."""
        self.heard = self._loop.time()
        rest = memoryview(data)
        while rest and self._transport is not None:
            size = min(len(rest), _ROOM - self._tail)
            self._room[self._tail : self._tail + size] = rest[:size]
            self._tail += size
            self._turn()
            if not size:
                self._inpbuf += bytes(rest)  # it waits, and takes it all then
                return
            rest = rest[size:]

    def pause_writing(self) -> None:
        """The network takes no more."""
        self._congested = True

    def resume_writing(self) -> None:
        """It does again."""
        self._congested = False
        self._wake()

    @property
    def keepalive_interval(self) -> float:
        """Seconds between two signs of life; 0 for none."""
        return self._keepalive_interval

    @property
    def ready(self) -> bool:
        """May a splice send now? If not, `wait` has it told when."""
        return self._kex_complete and not self._congested

    def wait(self, splice: Splice) -> None:
        """Tell it once we are `ready`."""
        self._waiting.add(splice)

    def forget(self, splice: Splice) -> None:
        """It has ended."""
        self._waiting.discard(splice)

    def _wake(self) -> None:
        if self._waiting and self.ready:
            waiting, self._waiting = self._waiting, set()
            for splice in waiting:
                splice.room()

    # --- Receiving

    def touch(self, splice: Splice) -> None:
        """It has got data in this turn, and is to be flushed at its end."""
        self._touched.append(splice)

    def _turn(self) -> None:
        if self.turning:
            return
        self.turning = True
        try:
            if self._records is None:
                self._adopt()
            if self._records is None:
                self._slowly()
            else:
                self._swiftly(self._records)
        finally:
            self.turning = False
            self.flush()

    def flush(self) -> None:
        """Have those splices that were given data pass it on."""
        now = time.monotonic_ns()
        while self._touched:
            touched, self._touched = self._touched, []
            for splice in touched:
                splice.flush(now)

    def _slowly(self) -> None:
        """Leave it all to asyncssh."""
        self._inpbuf += bytes(self._room[self._head : self._tail])
        self._head = self._tail = 0
        self._recv_data()

    def _adopt(self) -> None:
        """Where asyncssh stands between two packets of a kind that we open ourselves, do so from now on."""
        if self._recv_handler != self._recv_pkthdr or len(self._inpbuf) + self._tail - self._head > _ROOM:
            return
        records = fast(self._recv_encryption)
        if records is None:
            return
        self._records = self._recv_encryption = records
        if self._inpbuf:
            rest = self._inpbuf + bytes(self._room[self._head : self._tail])
            self._inpbuf = b""
            self._room[: len(rest)] = rest
            self._head, self._tail = 0, len(rest)

    def _swiftly(self, records: Records) -> None:
        room, plain = self._room, self._plain
        head, tail = self._head, self._tail
        now = time.monotonic_ns()
        while tail - head >= LENGTH + BLOCK and self._recv_handler == self._recv_pkthdr:
            length = records.length(room, head, self._recv_seq)
            end = head + LENGTH + length + TAG
            if length > self._max_recv_pktlen:
                self._inpbuf = bytes(room[head : head + LENGTH + BLOCK])
                self._recv_data()  # asyncssh says what is wrong, and ends it
                break
            if end > tail:
                break
            opened = records.open_into(room[head:end], plain[head:], self._recv_seq)
            if not (opened and self._take(head, length, now)):
                self._head = end
                self._hand_over(head, end, opened)
                if self._recv_encryption is not records:
                    renewed = fast(self._recv_encryption)
                    self._records = renewed
                    if renewed is None:
                        self._slowly()  # another cipher
                        return
                    self._recv_encryption = records = renewed
            head = end
        if self._transport is None:
            head = tail
        if head == tail:
            head = tail = 0
        elif head and _ROOM - tail < _FREE_MIN:
            room[: tail - head] = bytes(room[head:tail])
            head, tail = 0, tail - head
        self._head, self._tail = head, tail

    def _take(self, at: int, length: int, now: int) -> bool:
        """If the opened packet is data for a splice, give it; False if it is anything else."""
        if length < _HEAD.size or self._decompressor is not None:
            return False
        padding, kind, number, size = _HEAD.unpack_from(self._plain, at)
        if kind != MSG_CHANNEL_DATA or _HEAD.size + size + padding != length or not self._auth_final:
            return False
        channel = self._channels.get(number)
        start = at + _HEAD.size
        if not isinstance(channel, TcpChannel | UnixChannel) or not channel.take(self._plain[start : start + size], now):
            return False
        self._recv_seq = (self._recv_seq + 1) & _SEQUENCE
        return True

    def _hand_over(self, head: int, end: int, opened: bool) -> None:
        """To asyncssh, which need not open it again; None instead of a packet is a forged one to it."""
        records = self._records
        assert records is not None
        records.opened = bytes(self._plain[head : end - LENGTH - TAG]) if opened else None
        self._pktlen = end - head - LENGTH - TAG
        first = head + self._recv_blocksize
        self._packet = bytes(self._room[head:first])
        self._inpbuf = bytes(self._room[first:end])
        self._recv_handler = self._recv_packet
        super()._recv_data()

    def _recv_data(self) -> None:
        super()._recv_data()
        if not self.turning:
            self.flush()

    def _finish_recv_packet(
        self, pkttype: int, seq: int, _task: asyncio.Task[None] | None = None, is_async: bool = False
    ) -> None:
        super()._finish_recv_packet(pkttype, seq, _task, is_async)
        if is_async and self._transport is not None:  # what has come meanwhile
            full = self._tail == _ROOM
            self._turn()
            if full:
                self._transport.resume_reading()

    # --- Sending

    def send_newkeys(self, k: bytes, h: bytes) -> None:
        """Keys are new: so is what seals."""
        super().send_newkeys(k, h)
        self._send_encryption = fast(self._send_encryption) or self._send_encryption
        self._wake()

    def send_from(self, source: socket.socket, channel: TcpChannel | UnixChannel) -> int:
        """Send what `source` has, in one row of packets; how much it was, 0 for its end. OSError, as recv(2).

        Only while `ready`, and the channel has a window.
        """
        stage = self._staged()
        piece = min(PIECE, channel._send_pktsize)
        window = channel._send_window
        if piece == PIECE and window >= _ROW * PIECE:
            places = self._slots
        else:
            places = [self._slots[at][: min(piece, window - at * piece)] for at in range(min(_ROW, -(-window // piece)))]
        size = source.recvmsg_into(places)[0] if len(places) > 1 else source.recv_into(places[0])
        if not size:
            return 0
        channel._send_window = window - size
        assert channel._send_chan is not None
        records = self._send_encryption
        if isinstance(records, Records) and self._compressor is None:
            self._seal(records, channel._send_chan, stage, size, piece)
        else:
            for at in range(-(-size // piece)):
                part = bytes(self._slots[at][: min(piece, size - at * piece)])
                channel.send_packet(MSG_CHANNEL_DATA, String(part))
        return size

    def _staged(self) -> memoryview:
        """Room for a row of packets; made when something is sent for the first time."""
        stage = self._stage
        if stage is None:
            stage = self._stage = memoryview(bytearray(_ROW * _STRIDE))
            starts = [number * _STRIDE + _HEAD.size for number in range(_ROW)]
            self._slots = [stage[start : start + PIECE] for start in starts]
        return stage

    def _seal(self, records: Records, number: int, stage: memoryview, size: int, piece: int) -> None:
        if self._due():
            # asyncssh sees that keys are due with whatever is sent next. The data behind still goes by the old ones, as
            # RFC 4253, 7.1 forbids after KEXINIT: so let it wait there.
            self.send_packet(MSG_IGNORE, String(b""))
            for at in range(-(-size // piece)):
                part = bytes(self._slots[at][: min(piece, size - at * piece)])
                self.send_packet(MSG_CHANNEL_DATA, UInt32(number), String(part))
            return
        count = -(-size // piece)
        noise = os.urandom(2 * BLOCK)
        sealed = bytearray(size + count * (LENGTH + _HEAD.size + 2 * BLOCK + TAG))
        room = memoryview(sealed)
        at = 0
        for start in range(0, count * _STRIDE, _STRIDE):
            data = min(piece, size)
            size -= data
            padding = -(_HEAD.size + data) % BLOCK
            if padding < 4:  # RFC 4253, 6
                padding += BLOCK
            end = start + _HEAD.size + data
            _HEAD.pack_into(stage, start, padding, MSG_CHANNEL_DATA, number, data)
            stage[end : end + padding] = noise[:padding]
            length = end + padding - start
            behind = at + LENGTH + length + TAG
            records.seal_into(stage[start : end + padding], room[at:behind], self._send_seq)
            self._send_seq = (self._send_seq + 1) & _SEQUENCE
            at = behind
        self._rekey_bytes_sent += at
        self._send(room[:at])  # type: ignore[arg-type]  # asyncssh passes it to the transport, which takes any buffer

    def send_packet(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        """As asyncssh does, without the empty packet before each, which guards CBC alone (RFC 4251, 9.3.1)."""
        if pkttype == MSG_IGNORE and isinstance(self._send_encryption, Records) and not self._due():
            return
        super().send_packet(pkttype, *args, handler=handler)

    def _due(self) -> bool:
        return self._rekey_bytes_sent >= self._rekey_bytes or bool(
            self._rekey_seconds and time.monotonic() >= self._rekey_time
        )

    # --- Channels

    def create_tcp_channel(
        self, encoding: str | None = None, errors: str = "strict", window: int = INITIAL, max_pktsize: int = PIECE
    ) -> TcpChannel:
        """Ours."""
        return TcpChannel(self, self._loop, encoding, errors, window, max_pktsize)

    def create_unix_channel(
        self, encoding: str | None = None, errors: str = "strict", window: int = INITIAL, max_pktsize: int = PIECE
    ) -> UnixChannel:
        """Ours."""
        return UnixChannel(self, self._loop, encoding, errors, window, max_pktsize)


class ClientConnection(Connection, SSHClientConnection):
    """Towards a server."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.command: asyncio.subprocess.Process | None = None  # which leads to the server, where one does
        self._udp_forwards: dict[tuple[str, int], Callable[[], SSHTCPSession[bytes]]] = {}

    def connection_lost(self, exc: Exception | None = None) -> None:
        """It is gone, and what led to it is to go, too."""
        super().connection_lost(exc)
        if self.command is not None and self.command.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.command.kill()

    async def wait_closed(self) -> None:
        """Until both are gone."""
        await super().wait_closed()
        if self.command is not None:
            await self.command.wait()

    async def forward_udp(self, host: str, port: int, session: Callable[[], SSHTCPSession[bytes]]) -> int:
        """Have the server, another hythe, listen for datagrams; the port. `asyncssh.ChannelListenError`."""
        self._udp_forwards[host, port] = session  # before it can have begun
        kind, packet = await self._make_global_request(LISTEN, String(host), UInt32(port))
        if kind != MSG_REQUEST_SUCCESS:
            del self._udp_forwards[host, port]
            raise ChannelListenError("no UDP for us")
        return packet.get_uint32()

    def _process_forwarded_udp_at_hythe_open(self, packet: Any) -> tuple[TcpChannel, SSHTCPSession[bytes]]:
        """The channel of such a port (`datagrams.FORWARDED`)."""
        host, port = packet.get_string().decode(), packet.get_uint32()
        packet.check_end()
        session = self._udp_forwards.get((host, port)) or self._udp_forwards.get((host, 0))
        if session is None:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "nobody asked for it")
        return self.create_tcp_channel(), session()


class ServerConnection(Connection, SSHServerConnection):
    """Towards a client."""

    def choose_server_host_key(self, peer_host_key_algs: Sequence[bytes]) -> bool:
        """Both sides have said what they prefer: what of this exchange does the client send twice?"""
        self._ignore_first_kex = guessed_wrong(self._client_kexinit, self._server_kexinit)
        return super().choose_server_host_key(peer_host_key_algs)


def guessed_wrong(client: bytes, server: bytes) -> bool:
    """Does a packet follow the client's KEXINIT that is to be ignored, for another will take its place?

    So it is unless both sides prefer the same key exchange and the same kind of host key (RFC 4253, 7). asyncssh asks
    whether that exchange was agreed on, and so takes the guess of Dropbear's client, and stumbles over the other packet.
    """
    theirs, ours = SSHPacket(client), SSHPacket(server)
    preferred = []
    for packet in theirs, ours:
        packet.get_bytes(1 + _COOKIE)
        preferred.append([packet.get_namelist()[:1] for _ in ("key exchange", "host key")])
    for _ in range(_OTHER_LISTS):
        theirs.get_namelist()
    return theirs.get_boolean() and preferred[0] != preferred[1]
