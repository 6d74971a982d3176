"""The way by SSH, through OpenSSH's sshd."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import asyncssh
import pytest

from hythe.tunnel.ssh.client import Target
from hythe.tunnel.ssh.records import Records
from hythe.via.base import Tally
from hythe.via.direct import Direct
from hythe.via.ssh import Ssh
from tests.gateway.servers import closed_port, echo, tcp_server
from tests.tunnel.ssh.peers import Server, openssh
from tests.tunnel.ssh.test_server import sshd

SIZE = 700_000


def through(server: Server, use: Callable[[Ssh], Awaitable[None]], **given: object) -> None:
    """Do something with a way through this server."""

    async def main() -> None:
        way = Ssh(Target(server.name, config=(str(server.config),), asks=False, **given), Direct())  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(60):
                await use(way)
        finally:
            await way.close()

    asyncio.run(main())


async def carried(way: Ssh, host: str, port: int, data: bytes, tally: Tally | None = None) -> bytes:
    """What comes back when `data` is put through, and ended, by `carry`."""
    ours, clients = socket.socketpair()
    clients.setblocking(False)
    carrying = asyncio.ensure_future(way.carry(clients, host, port, tally=tally))
    reader, writer = await asyncio.open_connection(sock=ours)
    writer.write(data)
    writer.write_eof()
    got = await reader.read()
    assert await carrying is None
    writer.close()
    return got


@pytest.mark.parametrize(
    ("lines", "compress", "ours"),
    [
        ((), False, True),
        (("Ciphers aes256-gcm@openssh.com",), True, True),
        (("Ciphers chacha20-poly1305@openssh.com",), False, True),
        (("Ciphers aes128-ctr",), True, False),
        (("RekeyLimit 256K",), False, True),
        (("Ciphers chacha20-poly1305@openssh.com", "RekeyLimit 256K"), False, True),
    ],
    ids=["gcm", "compressed", "chacha20", "ctr, compressed", "rekeyed", "chacha20, rekeyed"],
)
def test_every_byte_there_and_back(
    tmp_path: Path, echo_port: int, rng: random.Random, lines: tuple[str, ...], compress: bool, ours: bool
) -> None:
    data = rng.randbytes(SIZE)

    async def use(way: Ssh) -> None:
        tally = Tally()
        assert await carried(way, "127.0.0.1", echo_port, data, tally) == data
        assert (tally.up, tally.down) == (SIZE, SIZE)
        assert way.connection is not None
        assert isinstance(way.connection._recv_encryption, Records) == ours
        said = "zlib@openssh.com" if compress else "none"
        assert way.connection.get_extra_info("send_compression") == said
        both = await asyncio.gather(*(carried(way, "127.0.0.1", echo_port, data[at:] + data[:at]) for at in (1, 70_000)))
        assert both == [data[1:] + data[:1], data[70_000:] + data[:70_000]]

    with openssh(tmp_path, "RekeyLimit=512K") as server:
        server.write_config(*lines)
        through(server, use, compress=compress)


def test_open_gives_a_socket_whose_directions_end_apart(tmp_path: Path) -> None:
    def count(client: socket.socket) -> None:
        got = 0
        while data := client.recv(65_536):
            got += len(data)
        client.sendall(b"%d" % got)

    async def use(way: Ssh) -> None:
        reader, writer = await asyncio.open_connection(sock=await way.open("localhost", port))
        writer.write(bytes(300_001))
        writer.write_eof()
        assert await reader.read() == b"300001"
        writer.close()

    with tcp_server(count) as port, openssh(tmp_path) as server:
        through(server, use)


def test_who_does_not_read_holds_up_who_writes(tmp_path: Path) -> None:
    """The far end sends without end: what is not read stays there, but for the windows between."""
    sent = 0
    stop = threading.Event()

    def pour(client: socket.socket) -> None:
        nonlocal sent
        client.settimeout(0.3)
        while not stop.is_set():
            try:
                sent += client.send(bytes(65_536))
            except TimeoutError:
                continue
            except OSError:
                return

    async def use(way: Ssh) -> None:
        stream = await way.open("127.0.0.1", port)
        before = -1
        while sent != before or sent < 2_000_000:
            before = sent
            await asyncio.sleep(1)
        assert sent < 16_000_000
        stop.set()
        got = 0
        while data := await asyncio.get_running_loop().sock_recv(stream, 1 << 20):
            got += len(data)
        assert got == sent
        stream.close()

    with tcp_server(pour) as port, openssh(tmp_path) as server:
        through(server, use)


def test_it_is_told_who_holds_whom_up_and_what_has_ended(tmp_path: Path) -> None:
    go_on = threading.Event()

    def serve(client: socket.socket) -> None:
        go_on.wait(20)
        while client.recv(1 << 20):
            pass
        go_on.clear()
        go_on.wait(20)

    async def use(way: Ssh) -> None:
        tally = Tally()

        async def until(waiting: int, ended: int) -> None:
            while (tally.waiting, tally.ended) != (waiting, ended):
                await asyncio.sleep(0.01)

        ours, clients = _tcp_pair()
        carrying = asyncio.ensure_future(way.carry(clients, "127.0.0.1", port, tally=tally))
        sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(ours, bytes(40_000_000)))
        await until(1, 0)
        go_on.set()
        await sending
        ours.shutdown(socket.SHUT_WR)
        await until(0, 1)
        while go_on.is_set():
            await asyncio.sleep(0.01)
        go_on.set()
        assert await carrying is None
        assert (tally.up, tally.ended) == (40_000_000, 2)
        ours.close()

    with tcp_server(serve) as port, openssh(tmp_path) as server:
        through(server, use)


def test_a_reset_is_a_reset_on_the_other_side(tmp_path: Path) -> None:
    seen: list[BaseException | bytes] = []

    def wait(client: socket.socket) -> None:
        client.sendall(b"x")
        seen.append(client.recv(1))

    async def use(way: Ssh) -> None:
        ours, clients = _tcp_pair()
        carrying = asyncio.ensure_future(way.carry(clients, "127.0.0.1", port))
        assert await asyncio.get_running_loop().sock_recv(ours, 1) == b"x"
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ours.close()
        ended = await carrying
        assert ended is not None
        assert ended.errno == errno.ECONNRESET

    with tcp_server(wait) as port, openssh(tmp_path) as server:
        through(server, use)
    assert seen == [b""]


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


def test_unix_sockets(tmp_path: Path) -> None:
    path = str(tmp_path / "echo")
    with socket.socket(socket.AF_UNIX) as listener, openssh(tmp_path) as server:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with closing(client):
                echo(client)

        thread = threading.Thread(target=serve)
        thread.start()

        async def use(way: Ssh) -> None:
            reader, writer = await asyncio.open_connection(sock=await way.open_unix(path))
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"hello"
            writer.close()

        through(server, use)
        thread.join(10)


def test_what_is_refused_is_told_as_it_is_to_a_socket(tmp_path: Path) -> None:
    port = closed_port()

    async def use(way: Ssh) -> None:
        with pytest.raises(ConnectionRefusedError, match=rf"ssh://box -> 127\.0\.0\.1:{port}"):
            await way.open("127.0.0.1", port)
        ours, clients = socket.socketpair()
        with pytest.raises(ConnectionRefusedError):
            await way.carry(clients, "127.0.0.1", port)
        assert clients.fileno() >= 0  # as it was
        ours.close()
        clients.close()

    async def forbidden(way: Ssh) -> None:
        with pytest.raises(PermissionError, match="administratively prohibited"):
            await way.open("127.0.0.1", port)

    with openssh(tmp_path) as server:
        through(server, use)
        server.authorize("restrict")
        through(server, forbidden)


def test_by_jump_hosts(tmp_path: Path, echo_port: int, rng: random.Random) -> None:
    data = rng.randbytes(1_000_000)

    async def use(way: Ssh) -> None:
        assert await carried(way, "127.0.0.1", echo_port, data) == data
        assert len(way._jumps) == 2

    with openssh(tmp_path) as server, openssh(tmp_path, name="first") as first, openssh(tmp_path, name="second") as second:
        server.write_config("ProxyJump first,second", before=first.config.read_text() + second.config.read_text())
        through(server, use)


def test_by_a_command_of_the_configuration(tmp_path: Path, echo_port: int, rng: random.Random) -> None:
    data = rng.randbytes(1_000_000)

    async def use(way: Ssh) -> None:
        assert await carried(way, "127.0.0.1", echo_port, data) == data

    with openssh(tmp_path) as server:
        server.write_config("ProxyCommand sh -c 'echo hello >&2; exec nc %h %p 2>/dev/null'")  # a line for a shell
        through(server, use)


def test_a_connection_that_is_lost_is_made_anew(tmp_path: Path, echo_port: int) -> None:
    async def use(way: Ssh) -> None:
        stream = await way.open("127.0.0.1", echo_port)
        first = await way.up()
        first.abort()
        with pytest.raises(ConnectionResetError):  # half a stream is no whole one
            await asyncio.get_running_loop().sock_recv(stream, 1)
        stream.close()
        assert await carried(way, "127.0.0.1", echo_port, b"again") == b"again"
        assert await way.up() is not first

    with openssh(tmp_path) as server:
        through(server, use)


# --- On the wire


def test_a_bit_flipped_on_the_wire_is_noticed_and_nothing_wrong_is_delivered(tmp_path: Path, rng: random.Random) -> None:
    """A relay between us and the server turns one bit over, behind the handshake."""
    content = rng.randbytes(2_000_000)
    flips = iter([1])

    def give(client: socket.socket) -> None:
        client.sendall(content)

    def relay(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as far:
            up = threading.Thread(target=_pass_on, args=(client, far, None))
            up.start()
            _pass_on(far, client, flips)
            up.join(10)

    async def use(way: Ssh) -> None:
        stream = await way.open("127.0.0.1", port)
        got = b""
        loop = asyncio.get_running_loop()
        ended: OSError | None = None
        while ended is None:
            try:
                data = await loop.sock_recv(stream, 1 << 20)
                assert data, "half of it looks like all of it"
                got += data
            except ConnectionResetError as error:
                ended = error
        stream.close()
        assert len(got) < len(content)
        assert hashlib.sha256(got).digest() == hashlib.sha256(content[: len(got)]).digest()
        assert way.connection is not None
        assert way.connection.is_closed()

    with openssh(tmp_path) as server, tcp_server(give) as port, tcp_server(relay) as between:
        server.write_config(f"HostKeyAlias [127.0.0.1]:{server.port}")
        server.config.write_text(server.config.read_text().replace(f"Port {server.port}", f"Port {between}"))
        through(server, use)
    assert next(flips, None) is None


def _pass_on(source: socket.socket, sink: socket.socket, flips: object) -> None:
    passed = 0
    try:
        while data := bytearray(source.recv(65_536)):
            passed += len(data)
            if passed > 1_000_000 and flips is not None and next(flips, None):  # type: ignore[call-overload]
                data[len(data) // 2] ^= 4
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_an_end_that_comes_with_the_opening_is_an_end(tmp_path: Path) -> None:
    """What the far end says, its end and the closing of the channel may all have come before we have begun."""

    def say(client: socket.socket) -> None:
        client.sendall(b"all there is")

    async def use(way: Ssh) -> None:
        for _ in range(50):
            near, clients = _tcp_pair()
            carrying = asyncio.ensure_future(way.carry(clients, "127.0.0.1", port))
            near.shutdown(socket.SHUT_WR)
            reader, writer = await asyncio.open_connection(sock=near)
            assert await reader.read() == b"all there is"
            assert await carrying is None
            writer.close()

    with tcp_server(say) as port, sshd(tmp_path) as ours:
        server = Server(tmp_path, "box")
        server.port, server.user_key, server.known = ours.port, tmp_path / "user", tmp_path / "known"
        server.write_config()
        through(server, use)


class _Hasty(asyncssh.SSHTCPSession[bytes]):
    """Says all, ends and closes as soon as it is opened, without waiting for our end."""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self._channel = chan

    def session_started(self) -> None:
        self._channel.write(b"all there is")
        self._channel.write_eof()
        self._channel.close()


class _HastyServer(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> _Hasty:
        return _Hasty()


def test_a_server_that_closes_at_once_has_ended_before(tmp_path: Path) -> None:
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = Server(tmp_path, "box")
    public = host_key.export_public_key().decode()

    async def use(way: Ssh) -> None:
        served = await asyncssh.listen("127.0.0.1", server.port, server_factory=_HastyServer, server_host_keys=[host_key])
        near, clients = _tcp_pair()
        carrying = asyncio.ensure_future(way.carry(clients, "anywhere", 1))
        reader, writer = await asyncio.open_connection(sock=near)
        assert await reader.read() == b"all there is"
        assert await carrying is None
        writer.close()
        served.close()

    server.known.write_text(f"[127.0.0.1]:{server.port} {public}")
    through(server, use)
