"""FTP through a port of ours: vsftpd at the far end, and the clients that people have, active and passive."""

from __future__ import annotations

import contextlib
import ftplib
import io
import socket
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hythe.config import FtpConfig
from hythe.tunnel.ssh.client import Target
from hythe.units import MILLISECOND
from hythe.via.base import Way
from hythe.via.direct import Direct
from hythe.via.make import make
from hythe.via.spec import parse
from hythe.via.ssh import Ssh
from tests import needs
from tests.gateway.servers import closed_port, tcp_server
from tests.tunnel.ssh.peers import openssh
from tests.via.followed import Followed, followed
from tests.via.ftpserver import CONTENT, FtpServer, vsftpd
from tests.via.proxies import danted

HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
PASSIVE = pytest.mark.parametrize("passive", [True, False])


def login(port: int, host: str = "127.0.0.1", *, passive: bool = True) -> ftplib.FTP:
    client = ftplib.FTP(timeout=10)
    client.connect(host, port)
    client.login()
    client.set_pasv(passive)
    return client


def there_and_back(client: ftplib.FTP, server: FtpServer) -> None:
    """A listing, a file here, a file there."""
    assert sorted(client.nlst()) == ["file", "in"]
    got = io.BytesIO()
    client.retrbinary("RETR file", got.write)
    assert got.getvalue() == CONTENT
    client.storbinary("STOR in/new", io.BytesIO(CONTENT))
    assert (server.put / "new").read_bytes() == CONTENT
    client.delete("in/new")


def left_nothing(following: Followed, channels: int) -> None:
    assert following.left == (0, 0)
    assert following.ended == [None] * channels


@HOSTS
def test_ftplib(host: str) -> None:
    with vsftpd(host=host) as server, followed(server.port, host, host) as following:
        for passive in (True, False):
            client = login(following.port, host, passive=passive)
            there_and_back(client, server)
            with pytest.raises(ftplib.error_perm, match="550"):
                client.retrbinary("RETR none", print)
            there_and_back(client, server)
            client.quit()
    left_nothing(following, 2)
    assert not following.said


@HOSTS
def test_curl(host: str, tmp_path: Path) -> None:
    """EPSV, PASV, EPRT and PORT, as far as there is IPv6; two files over one channel."""
    curl = needs.program("curl")
    shown = f"[{host}]" if ":" in host else host
    local = tmp_path / "up"
    local.write_bytes(CONTENT)
    manners = [[], ["--ftp-port", "-"]]
    if ":" not in host:
        manners += [["--disable-epsv"], ["--ftp-port", "-", "--disable-eprt"]]
    with vsftpd(host=host) as server, followed(server.port, host, host) as following:
        url = f"ftp://{shown}:{following.port}"
        for manner in manners:
            words = [curl, "--silent", "--show-error", "--max-time", "20", *manner]
            got = subprocess.run([*words, f"{url}/file", f"{url}/file"], capture_output=True, check=True, timeout=30)
            assert got.stdout == CONTENT * 2
            subprocess.run([*words, "--upload-file", str(local), f"{url}/in/new"], check=True, timeout=30)
            assert (server.put / "new").read_bytes() == CONTENT
            (server.put / "new").unlink()
    left_nothing(following, 2 * len(manners))


def test_lftp(tmp_path: Path) -> None:
    with vsftpd() as server, followed(server.port) as following:
        for passive in ("yes", "no"):
            script = (
                f"set cmd:fail-exit yes; set ftp:passive-mode {passive}; set net:max-retries 1; set net:timeout 10; "
                f"open ftp://127.0.0.1:{following.port}; "
                f"get file -o {tmp_path}/{passive}; put {tmp_path}/{passive} -o in/new; rm in/new"
            )
            subprocess.run([needs.program("lftp"), "-f", "/dev/stdin"], input=script, text=True, check=True, timeout=30)
            assert (tmp_path / passive).read_bytes() == CONTENT
    assert following.left == (0, 0)
    assert not following.said, "it saw no AUTH to try in FEAT's answer"


@PASSIVE
def test_the_bsd_client(passive: bool, tmp_path: Path) -> None:
    tnftp = needs.program("tnftp")
    with vsftpd() as server, followed(server.port) as following:
        script = "binary\nget file got\nput got in/new\nls\nquit\n"
        words = [tnftp, "-n", "-v", "-p" if passive else "-A", "127.0.0.1", str(following.port)]
        done = subprocess.run(
            words, input=f"user anonymous me\n{script}", text=True, cwd=tmp_path, capture_output=True, check=True, timeout=30
        )
        assert (tmp_path / "got").read_bytes() == CONTENT, done.stdout
        assert (server.put / "new").read_bytes() == CONTENT, done.stdout
    left_nothing(following, 1)


@PASSIVE
def test_a_server_that_is_not_passive(passive: bool) -> None:
    """It connects to a port that the way has opened at its far end."""
    with vsftpd("pasv_enable=NO") as server, followed(server.port) as following:
        client = login(following.port, passive=passive)
        there_and_back(client, server)
        there_and_back(client, server)
        client.quit()
    left_nothing(following, 1)


@PASSIVE
def test_by_socks_a_server_that_is_not_passive(passive: bool, tmp_path: Path) -> None:
    """It connects to the port that the SOCKS server has bound for us."""
    with danted(tmp_path) as socks, vsftpd("pasv_enable=NO") as server:
        way = partial(make, parse(f"socks5://127.0.0.1:{socks}"))
        with followed(server.port, make=way) as following:
            client = login(following.port, passive=passive)
            there_and_back(client, server)
            client.quit()
        left_nothing(following, 1)


def through(config: Path, name: str) -> Way:
    return Ssh(Target(name, config=(str(config),), asks=False), Direct())


def test_by_ssh(tmp_path: Path) -> None:
    with openssh(tmp_path) as ssh, vsftpd() as server:
        with followed(server.port, "localhost", make=partial(through, ssh.config, ssh.name)) as following:
            for passive in (True, False):
                client = login(following.port, passive=passive)
                there_and_back(client, server)
                client.quit()
        left_nothing(following, 2)


def test_by_ssh_a_server_that_is_not_passive_is_told_of(tmp_path: Path) -> None:
    with (
        openssh(tmp_path) as ssh,
        vsftpd("pasv_enable=NO") as server,
        followed(server.port, make=partial(through, ssh.config, ssh.name)) as following,
    ):
        client = login(following.port)
        with pytest.raises(ftplib.error_temp, match="425 The server takes no passive data connections"):
            client.nlst()
        assert client.voidcmd("NOOP").startswith("200")
        client.quit()
    assert "does not listen at its far end" in following.said[0]


def test_a_transfer_that_is_broken_off() -> None:
    """ABOR comes with an urgent byte, which is where the kernel would leave a hole."""
    with vsftpd() as server, followed(server.port) as following:
        (server.put / "much").write_bytes(bytes(50_000_000))
        client = login(following.port)
        with closing(client.transfercmd("RETR in/much")) as data:
            assert data.recv(1)
        assert client.abort()[:3] in ("426", "226")
        client.sock.settimeout(10)  # type: ignore[union-attr]
        while not client.getresp().startswith("225"):
            pass
        there_and_back_in_part(client)
        client.quit()
    assert following.left == (0, 0)


def there_and_back_in_part(client: ftplib.FTP) -> None:
    got = io.BytesIO()
    client.retrbinary("RETR file", got.write)
    assert got.getvalue() == CONTENT


# --- What must not be


def test_nobody_else_may_use_a_data_port() -> None:
    with vsftpd() as server, followed(server.port) as following:
        client = login(following.port)
        host, port = ftplib.parse229(client.sendcmd("EPSV"), ("127.0.0.1", 0))
        with socket.create_connection((host, port), 10, source_address=("127.0.0.2", 0)) as stranger:
            stranger.settimeout(10)
            assert stranger.recv(1) == b""
        with socket.create_connection((host, port), 10) as data:
            assert client.sendcmd("RETR file").startswith("150")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port), 10)
            with data.makefile("rb") as file:
                assert file.read() == CONTENT
        assert client.getresp().startswith("226")
        client.quit()
    left_nothing(following, 1)


def test_nobody_is_led_elsewhere() -> None:
    with vsftpd() as server, followed(server.port) as following:
        client = login(following.port)
        for said in ("PORT 127,0,0,2,200,1", "EPRT |1|127.0.0.2|50000|", "PORT 127,0,0,1,0,22", "EPRT |2|::1|50000|"):
            with pytest.raises(ftplib.error_perm, match="504"):
                client.sendcmd(said)
        client.quit()
    left_nothing(following, 1)


def test_a_server_does_not_lead_elsewhere_either() -> None:
    """Its announcement names another address: the port is taken, and looked for where the server is."""

    def serve(connection: socket.socket) -> None:
        with socket.create_server(("127.0.0.1", 0)) as data, connection.makefile("rb") as lines:
            port = data.getsockname()[1]
            replies = {
                b"EPSV": b"500 no",
                b"PASV": b"227 ok (192,0,2,1,%d,%d)" % (port >> 8, port & 255),
                b"RETR": b"150 here",
            }
            connection.sendall(b"220 hello\r\n")
            for line in lines:
                connection.sendall(replies.get(line[:4], b"200 ok") + b"\r\n")
                if line.startswith(b"RETR"):
                    stream, _ = data.accept()
                    with stream:
                        stream.sendall(b"content")
                    connection.sendall(b"226 done\r\n")
                    return

    with tcp_server(serve) as port, followed(port) as following:
        client = ftplib.FTP(timeout=10)
        client.connect("127.0.0.1", following.port)
        got = io.BytesIO()
        client.retrbinary("RETR a", got.write)
        assert got.getvalue() == b"content"
        client.close()
    assert following.left == (0, 0)


def test_a_data_port_that_nobody_answers_at() -> None:
    """No upload is begun that could leave an empty file."""
    said: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            connection.sendall(b"220 hello\r\n")
            for line in lines:
                said.append(line)
                connection.sendall(b"229 ok (|||%d|)\r\n" % closed_port() if line == b"EPSV\r\n" else b"200 ok\r\n")

    with tcp_server(serve) as port, followed(port) as following:
        client = ftplib.FTP(timeout=10)
        client.connect("127.0.0.1", following.port)
        client.login()
        _, port = ftplib.parse229(client.sendcmd("EPSV"), ("127.0.0.1", 0))
        with socket.socket() as data:
            with contextlib.suppress(ConnectionResetError):  # which may come before connect() returns
                data.connect(("127.0.0.1", port))
            with pytest.raises(ftplib.error_temp, match="425"):
                client.sendcmd("STOR precious")
        client.quit()
    assert not any(line.startswith(b"STOR") for line in said)
    assert "connection refused" in following.said[0]
    assert following.left == (0, 0)


def test_a_passage_that_nobody_uses_ends() -> None:
    with vsftpd() as server, followed(server.port, config=FtpConfig(data_wait=300 * MILLISECOND)) as following:
        client = login(following.port)
        _, port = ftplib.parse229(client.sendcmd("EPSV"), ("127.0.0.1", 0))
        with pytest.raises(ftplib.error_temp, match="425"):
            client.sendcmd("RETR file")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 10)
        there_and_back(client, server)
        client.quit()
    left_nothing(following, 1)
    assert "it took too long" in following.said[0]


def test_data_ports_of_a_range() -> None:
    first = closed_port()
    with vsftpd() as server, followed(server.port, config=FtpConfig(data_ports=(first, first))) as following:
        one, other = login(following.port), login(following.port)
        assert ftplib.parse229(one.sendcmd("EPSV"), ("127.0.0.1", 0))[1] == first
        with pytest.raises(ftplib.error_temp, match="425 No port could be opened"):
            other.sendcmd("EPSV")
        assert ftplib.parse229(one.sendcmd("EPSV"), ("127.0.0.1", 0))[1] == first
        one.quit()
        other.quit()
    left_nothing(following, 2)


def test_channels_that_end_at_any_point() -> None:
    """A client that vanishes leaves nothing behind, nor does a server."""
    with vsftpd() as server, followed(server.port) as following:
        for said in ((), ("EPSV",), ("EPRT |1|127.0.0.1|50000|",), ("EPSV", "NOOP")):
            client = login(following.port)
            for each in said:
                client.sendcmd(each)
            client.close()
        with socket.create_connection(("127.0.0.1", following.port)) as raw:
            raw.sendall(b"USER anonymous\r\nPASS me\r\nEPSV\r\nRETR fi")
            raw.shutdown(socket.SHUT_WR)
            with raw.makefile("rb") as file:
                assert b"229 " in file.read()
    assert following.left == (0, 0)


# --- What cannot be followed


def test_tls_is_told_that_it_cannot_be() -> None:
    curl = [needs.program("curl"), "--silent", "--show-error", "--max-time", "20"]
    with vsftpd() as server, followed(server.port) as following:
        url = f"127.0.0.1:{following.port}/file"
        wanted = subprocess.run([*curl, "--ssl-reqd", f"ftp://{url}"], capture_output=True, timeout=30, check=False)
        assert wanted.returncode == 64  # CURLE_USE_SSL_FAILED
        tried = subprocess.run([*curl, "--ssl", f"ftp://{url}"], capture_output=True, timeout=30, check=True)
        assert tried.stdout == CONTENT
        client = ftplib.FTP_TLS(timeout=10)
        client.connect("127.0.0.1", following.port)
        with pytest.raises(ftplib.error_perm, match=r"534 .* cannot be encrypted"):
            client.auth()
        client.close()
        implicit = subprocess.run([*curl, f"ftps://{url}"], capture_output=True, timeout=30, check=False)
        assert implicit.returncode == 35  # CURLE_SSL_CONNECT_ERROR
    assert following.left == (0, 0)
    assert all("cannot be encrypted" in each for each in following.said)
    assert "began with TLS" in following.said[-1]


def test_what_is_not_ftp_is_carried_as_it_is() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-other\r\n")
        while data := connection.recv(65_536):
            connection.sendall(data)

    data = bytes(range(256)) * 1_000
    with (
        tcp_server(serve) as port,
        followed(port) as following,
        socket.create_connection(("127.0.0.1", following.port), 10) as client,
        client.makefile("rb") as file,
    ):
        client.sendall(b"PASV\r\n")
        assert file.readline() == b"SSH-2.0-other\r\n"
        assert file.readline() == b"PASV\r\n"
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert file.read() == data
    left_nothing(following, 1)


def test_a_server_that_is_not_there() -> None:
    with followed(closed_port()) as following, socket.create_connection(("127.0.0.1", following.port), 10) as client:
        assert client.recv(1) == b""
    assert isinstance(following.ended[0], ConnectionRefusedError)
