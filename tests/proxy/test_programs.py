"""Mapped ports that are named by service, as one types them, and curl by every kind of proxy, with a password."""

from __future__ import annotations

import contextlib
import poplib
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from hythe.proxy.users import hash_password
from tests import needs
from tests.connect.connecting import read_line, server
from tests.connect.mail import Box, pop3, smtp
from tests.gateway.servers import tcp_server
from tests.proxy.commands import running
from tests.proxy.peers import certificate
from tests.proxy.running import OPEN, proxy
from tests.via.ftpserver import CONTENT, vsftpd

#: Addresses of loopback whose well-known ports are nobody else's: of the servers, and of the proxy before them.
SERVERS, PROXY = "127.163.25.1", "127.163.25.2"


def news(client: socket.socket) -> None:
    """RFC 3977: greeting, CAPABILITIES, GROUP, ARTICLE, QUIT."""
    client.sendall(b"200 news ready\r\n")
    while line := read_line(client).strip():
        answer = {
            b"CAPABILITIES": b"101 these\r\nVERSION 2\r\nREADER\r\n.\r\n",
            b"GROUP test.hythe": b"211 1 1 1 test.hythe\r\n",
            b"ARTICLE 1": b"220 1 <1@test>\r\nSubject: hello\r\n\r\nby a mapped port\r\n.\r\n",
            b"QUIT": b"205 bye\r\n",
        }[line]
        client.sendall(answer)
        if line == b"QUIT":
            return


def shell(client: socket.socket) -> None:
    """Some telnet server; at port 23 its client begins by what it can do (RFC 855)."""
    client.sendall(b"login: ")
    assert read_line(client).strip().endswith(b"me")
    client.sendall(b"Welcome\r\n")


def test_ports_named_by_service(tmp_path: Path) -> None:
    """Mail, news and telnet, each at its own port, with a destination that is named in the same way."""
    needs.root()
    swaks, telnet = needs.program("swaks"), needs.program("telnet")
    box = Box()
    with contextlib.ExitStack() as stack:
        ports = {
            "smtp": stack.enter_context(smtp(box)),
            "pop3": stack.enter_context(pop3(box)),
            "nntp": stack.enter_context(server(news)),
            "telnet": stack.enter_context(server(shell)),
        }
        maps = [f"{SERVERS}:{name}=127.0.0.1:{port}" for name, port in ports.items()]
        maps += [f"{PROXY}:{number}={SERVERS}:{name}" for name, number in zip(ports, (25, 110, 119, 23), strict=True)]
        log = tmp_path / "log"
        it = stack.enter_context(running(*(word for each in maps for word in ("--map", each)), "--log", str(log)))
        for _ in maps:
            it.said("hythe: map ")

        words = [swaks, "--server", PROXY, "--from", "a@mail.test", "--to", "b@mail.test", "--body", "through port 25"]
        sent = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        mailbox = poplib.POP3(PROXY, timeout=20)
        mailbox.user("b")
        mailbox.pass_("word")
        assert b"through port 25" in mailbox.retr(1)[1]
        mailbox.quit()

        with socket.create_connection((PROXY, 119), timeout=20) as stream, stream.makefile("rwb") as file:
            assert file.readline().startswith(b"200 ")
            for command in (b"CAPABILITIES", b"GROUP test.hythe", b"ARTICLE 1", b"QUIT"):
                file.write(command + b"\r\n")
            file.flush()
            said = file.read()
        assert b"by a mapped port\r\n.\r\n" in said
        assert said.endswith(b"205 bye\r\n")

        process = subprocess.Popen([telnet, PROXY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("me\n")
            process.stdin.flush()
            assert "Welcome" in process.stdout.read()
        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(20) == 0
    told = log.read_text()
    assert [told.count(f"map -> {SERVERS}:{number} ") for number in (25, 110, 119, 23)] == [1, 1, 1, 1]


def hello(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stream.recv(65_536)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


def test_curl_by_every_kind_of_proxy(tmp_path: Path) -> None:
    """Each with a name that the proxy looks up, or curl does; with the right password, and with a wrong one."""
    pem = certificate(tmp_path, "near", "IP:127.0.0.1")
    used = tmp_path / "used.pem"
    shutil.copy(pem, used)
    text = (
        '[[socks]]\nlisten = "127.0.0.1:0"\n[[socks]]\nlisten = "127.0.0.1:0"\nlogin = false\n'
        f'[[http]]\nlisten = "127.0.0.1:0"\n[[http]]\nlisten = "127.0.0.1:0"\ncertificate = "{used}"\n'
        f'[users]\nme = "{hash_password("sesame")}"\n{OPEN}'
    )
    with tcp_server(hello) as port, proxy(text, tmp_path) as it:
        socks, free, http, https = it.ports

        def curl(way: str, *more: str, authority: Path = pem) -> str:
            words = [needs.program("curl"), "-sS", "-m", "20", "--noproxy", "", "--proxy-cacert", str(authority), "-x", way]
            words += [*more, f"http://localhost:{port}/"]
            environment = needs.clean_environment()
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=environment)
            return done.stdout

        for way in (f"socks4://127.0.0.1:{free}", f"socks4a://127.0.0.1:{free}", f"socks5://127.0.0.1:{free}"):
            assert curl(way) == "hello", way
        for login, want in (("me:sesame@", "hello"), ("me:wrong@", None)):
            ways: list[tuple[str, ...]] = [
                (f"socks5://{login}127.0.0.1:{socks}",),
                (f"socks5h://{login}127.0.0.1:{socks}",),
                (f"http://{login}127.0.0.1:{http}",),
                (f"http://{login}127.0.0.1:{http}", "--proxytunnel"),
                (f"https://{login}127.0.0.1:{https}",),
                (f"https://{login}127.0.0.1:{https}", "--proxytunnel"),
            ]
            for each in ways[: None if want else 5]:
                said = curl(*each)
                assert said == want or (want is None and "hello" not in said), each
        assert not curl(f"socks4a://127.0.0.1:{socks}"), "SOCKS4 has no passwords"

        other = certificate(tmp_path, "other", "IP:127.0.0.1")
        way = f"https://me:sesame@127.0.0.1:{https}"
        shutil.copy(other, used)
        assert not curl(way, authority=pem), "it has another certificate now"
        assert curl(way, authority=other) == "hello"
        while it.open_flows():
            continue


@pytest.mark.parametrize("client", ["curl", "lftp", "tnftp"])
def test_ftp_programs_active_and_passive(tmp_path: Path, client: str) -> None:
    program = needs.program(client)
    local, got = tmp_path / "up", tmp_path / "got"
    local.write_bytes(CONTENT)
    text = '[[map]]\nlisten = "127.0.0.1:0"\nto = "127.0.0.1:{}"\nftp = true\n'
    with vsftpd() as ftp, proxy(text.format(ftp.port), tmp_path) as it:
        (port,) = it.ports
        url = f"ftp://127.0.0.1:{port}"
        for passive in (True, False):
            transfer = f"get file -o {got}; put {local} -o in/new"
            mode = f"set net:max-retries 1; set ftp:passive-mode {'yes' if passive else 'no'}; open {url}; "
            active = [] if passive else ["--ftp-port", "-"]
            words, said = {
                "curl": ([*active, "-o", str(got), f"{url}/file", "--next", *active, "-T", str(local), f"{url}/in/new"], ""),
                "lftp": (["-c", f"set cmd:fail-exit yes; {mode}{transfer}"], ""),
                "tnftp": (
                    ["-n", "-p" if passive else "-A", "127.0.0.1", str(port)],
                    f"user anonymous me\nbinary\nget file {got}\nput {local} in/new\nquit\n",
                ),
            }[client]
            subprocess.run(
                [program, *words], input=said, text=True, cwd=tmp_path, capture_output=True, check=True, timeout=60
            )
            assert got.read_bytes() == CONTENT
            assert (ftp.put / "new").read_bytes() == CONTENT
            got.unlink()
            (ftp.put / "new").unlink()
        assert sum("(data)" in line for line in it.lines(6)) >= 4
        while it.open_flows():
            continue
