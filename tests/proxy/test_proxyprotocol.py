"""Headers of the PROXY protocol, cut anywhere and broken; haproxy and nginx are in `test_proxyprotocol_peers`."""

from __future__ import annotations

import struct

import pytest

from hythe.errors import ParseError
from hythe.proxy.proxyprotocol import HEADER_MAX, End, Header, build1, build2, crc32c, read

FOUR = (End("192.0.2.1", 50_000), End("198.51.100.1", 25))
SIX = (End("2001:db8::1", 65_535), End("2001:db8::2", 1))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header2(command: int, kind: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, kind, len(body)) + body


ADDRESSES4 = bytes((192, 0, 2, 1, 198, 51, 100, 1)) + struct.pack("!HH", 50_000, 25)


@pytest.mark.parametrize("build", [build1, build2])
@pytest.mark.parametrize("ends", [FOUR, SIX])
def test_what_is_written_is_read(build: object, ends: tuple[End, End]) -> None:
    data = build(ends)  # type: ignore[operator]
    assert read(data) == Header(*ends, len(data))
    assert read(data + b"220 hello") == Header(*ends, len(data))
    for size in range(len(data)):
        need = read(data[:size])
        assert isinstance(need, int)
        assert size < need <= len(data)


def test_version_1_as_it_is_specified() -> None:
    assert build1(FOUR) == b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 25\r\n"
    assert read(b"PROXY UNKNOWN\r\nrest") == Header(None, None, 15)
    assert read(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n") == Header(None, None, 43)


def test_two_families() -> None:
    mapped = (End("::ffff:192.0.2.1", 50_000), SIX[1])
    for build in (build1, build2):
        data = build((FOUR[0], SIX[1]))
        assert read(data) == Header(*mapped, len(data))
    assert b" fe80::1 " in build1((End("fe80::1%eth0", 1), SIX[1]))


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 25\n" + bytes(80),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 25 6\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.1 50000 25\r\n",
        b"PROXY TCP4 ::1 ::1 50000 25\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.1 50000 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 50000 65536\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 050 25\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.1 50000 25\r\n",
        b"PROXY\r\n",
        b"POST / HTTP/1.0\r\n",
        b"P" * 200,
        b"GET /",
        b"\r\n\r\n\r\n",
    ],
)
def test_what_is_none(line: bytes) -> None:
    with pytest.raises(ParseError):
        read(line)


def test_local_and_what_is_not_tcp() -> None:
    for command, kind, body in (
        (0x20, 0x00, b""),
        (0x20, 0x11, ADDRESSES4),
        (0x21, 0x00, b""),
        (0x21, 0x12, ADDRESSES4),
        (0x21, 0x31, bytes(216)),
    ):
        data = header2(command, kind, body)
        assert read(data) == Header(None, None, len(data))


def test_tlvs_are_passed_over() -> None:
    data = header2(0x21, 0x11, ADDRESSES4 + b"\x02\0\x09a.example" + b"\x04\0\x03\0\0\0" + b"\xe0\0\0")
    assert read(data) == Header(*FOUR, len(data))


def test_the_checksum() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    data = build2(FOUR)
    for at in {*range(16, len(data))} - {28}:  # where it says that there is one
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises(ParseError):
            read(bytes(broken))


@pytest.mark.parametrize(
    "data",
    [
        header2(0x11, 0x11, ADDRESSES4),
        header2(0x22, 0x11, ADDRESSES4),
        header2(0x21, 0x41, bytes(216)),
        header2(0x21, 0x13, ADDRESSES4),
        header2(0x21, 0x11, ADDRESSES4[:-1]),
        header2(0x21, 0x21, ADDRESSES4),
        header2(0x21, 0x11, ADDRESSES4 + b"\x04"),
        header2(0x21, 0x11, ADDRESSES4 + b"\x04\0\x02\0"),
        header2(0x21, 0x11, ADDRESSES4 + b"\x03\0\x03\0\0\0"),
        header2(0x21, 0x11, ADDRESSES4 + bytes(HEADER_MAX))[:16],
        SIGNATURE[:-1] + b"\r",
    ],
)
def test_version_2_that_is_malformed(data: bytes) -> None:
    with pytest.raises(ParseError):
        read(data)
