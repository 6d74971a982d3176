"""Which way a destination goes."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from hythe.via.make import make_all
from hythe.via.rules import Rules
from hythe.via.spec import parse_all
from tests.gateway.servers import closed_port


def rules(*texts: str) -> Rules:
    made = make_all(parse_all(texts))
    assert isinstance(made, Rules)
    return made


@pytest.mark.parametrize(
    ("host", "port", "way"),
    [
        ("www.corp.example", 80, "socks5://a.example:1080"),
        ("WWW.CORP.EXAMPLE.", 80, "socks5://a.example:1080"),
        ("10.1.2.3", 80, "socks5://a.example:1080"),
        ("www.corp.example", 25, "socks5://a.example:1080"),
        ("mail.example", 25, "direct"),
        ("mail.example", 26, "http://b.example:3128"),
    ],
)
def test_the_first_that_matches(host: str, port: int, way: str) -> None:
    made = rules("socks5://a.example for *.corp.example, 10.0.0.0/8", "direct for :smtp", "http://b.example:3128")
    assert made.choose(host, port).name == way


def test_what_none_matches_goes_directly() -> None:
    made = rules("socks5://a.example for *.corp.example")
    assert made.choose("other.example", 80).name == "direct"
    assert made.name == "socks5://a.example:1080 for *.corp.example, else direct"


def test_one_for_everything_needs_no_rules() -> None:
    assert make_all(parse_all(["socks5://a.example"])).name == "socks5://a.example:1080"


def test_a_way_that_fails_is_not_replaced(echo_port: int) -> None:
    async def main() -> None:
        with pytest.raises(OSError) as caught:
            await rules(f"socks5://127.0.0.1:{closed_port()} for 127.0.0.1").open("127.0.0.1", echo_port)
        assert caught.value.errno == errno.ENETUNREACH
        (await rules(f"socks5://127.0.0.1:{closed_port()} for 127.0.0.9").open("127.0.0.1", echo_port)).close()

    asyncio.run(main())


def test_datagrams_go_by_the_way_of_each() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        made = rules("http://127.0.0.1:9 for 127.0.0.9")
        path = await made.datagrams(lambda *each: None, lambda error: None)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            far.setblocking(False)
            port = far.getsockname()[1]
            for word in (b"one", b"two"):
                path.send(b"lost: HTTP carries no datagrams", "127.0.0.9", port)
                path.send(word, "127.0.0.1", port)
                assert await loop.sock_recv(far, 100) == word
        path.close()

    asyncio.run(main())
