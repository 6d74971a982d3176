"""Whoever is sent away before it has a connection leaves one line, with the reason."""

from __future__ import annotations

import contextlib
import json
import socket
from functools import partial
from pathlib import Path

import pytest

from hythe.config import SocksConfig
from hythe.proxy import http, mapping, socks, stages
from hythe.proxy.config import LogConfig
from hythe.proxy.users import hash_password
from hythe.units import MILLISECOND
from tests.gateway.servers import closed_port
from tests.proxy.peers import certificate
from tests.proxy.running import Running, proxy

HTTP = '[[http]]\nlisten = "127.0.0.1:0"\n'
SOCKS = '[[socks]]\nlisten = "127.0.0.1:0"\n'


def mapped(more: str) -> str:
    return f'[[map]]\nlisten = "127.0.0.1:0"\nto = "127.0.0.1:{closed_port()}"\n{more}\n'


def said(it: Running, entry: int, data: bytes, *, end: bool = True) -> None:
    """Say it, and wait until we are sent away."""
    stream = socket.create_connection(("127.0.0.1", it.ports[entry]), timeout=20)
    with stream, contextlib.suppress(OSError):  # a reset may come before all is said
        stream.sendall(data)
        if end:
            stream.shutdown(socket.SHUT_WR)
        while stream.recv(65_536):
            pass


def test_every_stage_tells(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "near", "DNS:near.test")
    text = (
        mapped(f'certificate = "{pem}"')
        + mapped('proxied = "127.0.0.0/8"')
        + mapped('names = { "a.test" = "127.0.0.1:1" }')
        + SOCKS
        + HTTP
    )
    cases = [
        (0, b"GET / HTTP/1.0\r\n\r\n", "map refused EPROTO: no TLS with it: HTTP_REQUEST"),
        (0, b"", "map refused ECONNRESET: the connection ended in the middle of TLS's handshake"),
        (1, b"HELO", "map refused EPROTO: it does not begin with a header of the PROXY protocol"),
        (1, b"PROXY TCP4 1", "map refused ECONNRESET: it ended in the middle of its beginning"),
        (2, b"GET / HTTP/1.0\r\n\r\n", "map refused EPROTO: it does not begin with TLS"),
        (3, b"GET / HTTP/1.0\r\n\r\n", "socks refused EPROTO: neither SOCKS4 nor SOCKS5"),
        (3, b"\5\1\2", "socks refused EACCES: no method in common"),
        (3, b"\5\1\0\5\1", "socks refused ECONNRESET: the connection ended in the middle of the negotiation"),
        (3, b"\5\1\0\5\7\0\1\x7f\0\0\1\0\1", "socks refused ENOTSUP: SOCKS has no command 7"),
        (4, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http refused 400 EPROTO: this is a proxy: ask for a whole URL"),
        (4, b"GET http://a/ HTTP/1.1\r\nHo", "http refused 400 EPROTO: the request ended in the middle of its head"),
        (4, b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: a\r\n\r\n", "http GET 127.0.0.1:80/ 403 0 0 "),
    ]
    with proxy(text, tmp_path) as it:
        for number, (entry, data, words) in enumerate(cases, 1):
            said(it, entry, data)
            lines = it.lines(number)
            assert words in lines[-1]
            assert len(lines) == number, "one line for each"
        it.within(lambda: it.server.passage.log.reopen(LogConfig(str(it.log), "json")))
        said(it, 4, b"nonsense\r\n\r\n")
        line = json.loads(it.lines(len(cases) + 1)[-1])
        assert (line["entry"], line["status"], line["error"], line["client"]) == ("http", 400, "EPROTO", "127.0.0.1")
        assert "is not METHOD URL HTTP/1.1" in line["reason"]


def test_who_has_no_login_or_no_room(tmp_path: Path) -> None:
    users = f'[users]\nme = "{hash_password("secret")}"\n'
    pem = certificate(tmp_path, "near", "DNS:near.test")
    text = f"{HTTP}connections = 1\n{SOCKS}" + mapped(f'connections = 1\ncertificate = "{pem}"') + users
    with proxy(text, tmp_path) as it, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(socket.create_connection(("127.0.0.1", it.ports[0]), timeout=20))
        assert "map refused ENOBUFS: it has said nothing for too long, and others wait" in it.lines(1)[-1]
        said(it, 2, b"GET http://a.test/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert "http refused 407 EACCES: this proxy wants to know who asks: log in" in it.lines(2)[-1]
        said(it, 1, b"\5\1\0")
        assert "socks refused EACCES: no method in common" in it.lines(3)[-1]
        said(it, 1, b"\4\1\0\1\x7f\0\0\1me\0")
        assert "socks refused EACCES: SOCKS4 has no passwords" in it.lines(4)[-1]
        for _ in range(2):
            stack.enter_context(socket.create_connection(("127.0.0.1", it.ports[2]), timeout=20))
        assert "http refused ENOBUFS: it has said nothing for too long, and others wait" in it.lines(5)[-1]


def test_who_says_it_too_slowly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is so much time for all of a beginning, however it comes."""
    monkeypatch.setattr(stages, "_WAIT", 50 * MILLISECOND)
    monkeypatch.setattr(mapping, "_HELLO", 50 * MILLISECOND)
    monkeypatch.setattr(http, "HEAD", 0.05)
    monkeypatch.setattr(socks, "SocksConfig", partial(SocksConfig, handshake=50 * MILLISECOND))
    pem = certificate(tmp_path, "near", "DNS:near.test")
    text = (
        mapped(f'certificate = "{pem}"')
        + mapped('proxied = "127.0.0.0/8"')
        + mapped('names = { "a.b" = "a:1" }')
        + HTTP
        + SOCKS
    )
    cases = [
        (b"\x16\x03\x01", "map refused ETIMEDOUT: no TLS with it within 0.05 s"),
        (b"PROXY ", "map refused ETIMEDOUT: it does not say how it begins"),
        (b"\x16\x03\x01", "map refused ETIMEDOUT: it does not say how it begins"),
        (b"\5\1\0\5\1", "socks refused ETIMEDOUT: no request within 0.05 s"),
        (b"GET http://", "http refused 408 ETIMEDOUT: the request took longer than 0.05 s"),
    ]
    with proxy(text, tmp_path) as it:
        for entry, (data, words) in enumerate(cases):
            said(it, entry, data, end=False)
            assert words in it.lines(entry + 1)[-1]
