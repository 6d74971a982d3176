"""Programs as people have them, through the proxy."""

from __future__ import annotations

import contextlib
import poplib
import smtplib
import socket
import subprocess
from pathlib import Path

import pytest

from tests import needs
from tests.connect.connecting import read_line, server
from tests.connect.mail import Box, letter, pop3, smtp
from tests.forward.forwarding import forwarding, home
from tests.gateway.nameserver import PLAIN, NameServer
from tests.gateway.servers import tcp_server
from tests.proxy.running import OPEN, proxy
from tests.tunnel.ssh.peers import openssh


def mapped(port: int) -> str:
    return f'[[map]]\nlisten = "127.0.0.1:0"\nto = "127.0.0.1:{port}"\n'


BOTH = '[[socks]]\nlisten = "127.0.0.1:0"\n[[http]]\nlisten = "127.0.0.1:0"\n' + OPEN


def test_mail_by_mapped_ports(tmp_path: Path) -> None:
    box = Box()
    with smtp(box) as smtp_port, pop3(box) as pop3_port, proxy(mapped(smtp_port) + mapped(pop3_port), tmp_path) as it:
        sending, reading = it.ports
        with smtplib.SMTP("127.0.0.1", sending, timeout=20) as client:
            client.send_message(letter("through", "a mapped port"))
        mailbox = poplib.POP3("127.0.0.1", reading, timeout=20)
        mailbox.user("b")
        mailbox.pass_("word")
        assert mailbox.stat()[0] == 1
        assert b"a mapped port" in mailbox.retr(1)[1]
        assert mailbox.quit() == b"+OK Sayonara"


def test_telnet_by_a_mapped_port(tmp_path: Path) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(b"+OK ready\r\n")
        assert read_line(client).strip() == b"QUIT"
        client.sendall(b"+OK Sayonara\r\n")

    telnet = [needs.program("telnet"), "127.0.0.1"]
    with server(talk) as port, proxy(mapped(port), tmp_path) as it:
        process = subprocess.Popen([*telnet, str(it.ports[0])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            while "+OK ready" not in process.stdout.readline():
                assert process.poll() is None
            process.stdin.write("QUIT\n")
            process.stdin.flush()
            assert "+OK Sayonara" in process.stdout.read()


@pytest.mark.parametrize("protocol", ["4", "5", "connect"])
def test_ssh_by_a_proxy_command(tmp_path: Path, protocol: str) -> None:
    with openssh(tmp_path) as far, proxy(BOTH, tmp_path) as it:
        socks, http = it.ports
        at = f"127.0.0.1:{http if protocol == 'connect' else socks}"
        command = f"ProxyCommand={needs.program('nc')} -X {protocol} -x {at} %h %p"
        words = [needs.program("ssh"), "-F", str(far.config), "-o", command, "-o", "BatchMode=yes", far.name, "echo through"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert said.stdout == "through\n", said.stderr
        assert f"CONNECT 127.0.0.1:{far.port}" in it.lines(1)[0]


def page(stream: socket.socket) -> None:
    with contextlib.suppress(ConnectionResetError):
        stream.recv(65_536)
        text = b"<!doctype html><title>t</title><p>by the proxy"
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n" % len(text))
        stream.sendall(b"Connection: close\r\n\r\n" + text)


@pytest.mark.parametrize("number", [0, 1])
def test_chromium(tmp_path: Path, number: int) -> None:
    chromium = needs.program("chromium")
    with tcp_server(page) as port, proxy(BOTH, tmp_path) as it:
        through = f"{('socks5', 'http')[number]}://127.0.0.1:{it.ports[number]}"
        words = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        words += [f"--proxy-server={through}", "--proxy-bypass-list=<-loopback>", "--disable-background-networking"]
        words += ["--dump-dom", f"http://localhost:{port}/"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert "by the proxy" in said.stdout, said.stderr


def test_dig_over_udp_associate(tmp_path: Path) -> None:
    """dig speaks no SOCKS: `hythe forward` takes its datagrams and asks the proxy for an association."""
    dig = needs.program("dig")
    with NameServer() as names, proxy(BOTH, tmp_path) as it:
        environment = home(tmp_path)
        words = ["-L", f"0:127.0.0.1:{names.port}/udp", "--via", f"socks5://127.0.0.1:{it.ports[0]}"]
        with forwarding(environment, *words) as forward:
            port = forward.port(f"127.0.0.1:{names.port}")
            asked = [dig, "+short", "+notcp", "+time=5", "+tries=1", "@127.0.0.1", "-p", str(port), "plain.test"]
            said = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
            assert said.stdout.strip() == socket.inet_ntoa(PLAIN)
        assert "socks UDP ASSOCIATE" in it.lines(1)[0]
