"""FTP's lines: cut from a stream, freed of Telnet, and what they say of data ports.

A line ends by CR LF (RFC 959, 5.3.1), or by LF alone as people and careless programs write it. Telnet's commands (RFC 854)
may stand in a client's line, before ABOR above all; they mean nothing to us, and are left out. What is passed on is the line
as it was understood, so that the server cannot understand another.
"""

from __future__ import annotations

import re
import socket
import string
from typing import Final, NamedTuple

from hythe.errors import ParseError

#: Longest line, either way. A path has 4096 bytes at most.
LINE_MAX: Final = 8_192

#: RFC 854: from SE up, a byte behind IAC is a command; WILL to DONT have an option behind them, SB a text up to SE.
_IAC: Final = 255
_SE: Final = 240
_SB: Final = 250
_WILL: Final = 251

#: A verb has letters alone, whatever a server lets stand behind it.
_LETTERS: Final = string.ascii_letters.encode()
_NUMBERS: Final = re.compile(rb"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
#: RFC 2428, 3: the delimiter is whatever stands first.
_EXTENDED_PASSIVE: Final = re.compile(rb"\(([!-~])\1\1(\d{1,5})\1\)")
_REPLY: Final = re.compile(rb"([1-6]\d\d)([ -]|$)")


class Endpoint(NamedTuple):
    """An address as text, and a port."""

    host: str
    port: int


class Command(NamedTuple):
    """`verb` in capitals; `line`: all of it, without its end."""

    verb: str
    argument: bytes
    line: bytes


class Lines:
    """A stream, cut into lines. `telnet`: its commands are left out."""

    __slots__ = ("_held", "_telnet")

    def __init__(self, *, telnet: bool) -> None:
        self._held = bytearray()
        self._telnet = telnet

    def __len__(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        self._held += data

    def next(self) -> bytes | None:
        """The next line without its end; None until there is one whole. ParseError when it is too long."""
        at = self._held.find(b"\n")
        if at > LINE_MAX or (at < 0 and len(self._held) > LINE_MAX):
            raise ParseError("a line that does not end")
        if at < 0:
            return None
        line = bytes(self._held[:at])
        del self._held[: at + 1]
        line = line.removesuffix(b"\r")
        return without_telnet(line) if self._telnet and _IAC in line else line

    def begin(self) -> bytes:
        """The first bytes that have not been cut."""
        return bytes(self._held[:4])

    def rest(self) -> bytes:
        """What has not been cut, given away."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


def without_telnet(line: bytes) -> bytes:
    """A line without commands of Telnet. A byte 255 that is none stays, and so does a pair of them."""
    kept = bytearray()
    at = 0
    while at < len(line):
        follows = line[at + 1] if at + 1 < len(line) else 0
        if line[at] != _IAC or follows < _SE:
            kept.append(line[at])
            at += 1
        elif follows == _IAC:
            kept += line[at : at + 2]
            at += 2
        elif follows == _SB:
            end = line.find(bytes((_IAC, _SE)), at + 2)
            at = end + 2 if end >= 0 else len(line)
        else:
            at += 3 if follows >= _WILL else 2
    return bytes(kept)


def command(line: bytes) -> Command:
    """What a client says. ParseError for a CR in it, which some servers take for the end of a line (CR NUL is a CR)."""
    if b"\r" in line.replace(b"\r\0", b""):
        raise ParseError("a CR without LF")
    line = line.lstrip(b" \t")
    rest = line.lstrip(_LETTERS)
    return Command(line[: len(line) - len(rest)].decode("ascii").upper(), rest.strip(), line)


def reply_code(line: bytes) -> tuple[int, bool] | None:
    """The code that a reply's first line bears, and whether more lines follow; None where it is no reply."""
    match = _REPLY.match(line)
    return (int(match[1]), match[2] == b"-") if match is not None else None


def may_be_reply(begin: bytes) -> bool:
    """Whether a reply can begin like that."""
    digits = begin[:3]
    return (not digits or digits.isdigit()) and b"0" not in digits[:1] and begin[3:4] in (b"", b" ", b"-", b"\r", b"\n")


# --- Where data connections go


def parse_port(argument: bytes) -> Endpoint:
    """The argument of PORT, ``192,0,2,1,24,131``. ParseError."""
    return _numbers(_NUMBERS.fullmatch(argument))


def _numbers(match: re.Match[bytes] | None) -> Endpoint:
    numbers = [int(each) for each in match.groups()] if match is not None else [256]
    if max(numbers) > 255:
        raise ParseError("no address and port")
    return Endpoint(".".join(map(str, numbers[:4])), numbers[4] << 8 | numbers[5])


def build_port(end: Endpoint) -> bytes:
    """The reverse, for an IPv4 address."""
    return f"{end.host.replace('.', ',')},{end.port >> 8},{end.port & 255}".encode()


def parse_extended_port(argument: bytes) -> Endpoint:
    """The argument of EPRT, ``|1|192.0.2.1|6275|`` (RFC 2428, 2). ParseError; `UnknownFamilyError` for neither 1 nor 2."""
    parts = argument.split(argument[:1]) if argument else []
    if len(parts) != 5 or parts[4]:
        raise ParseError("no family, address and port")
    family = {b"1": socket.AF_INET, b"2": socket.AF_INET6}.get(parts[1])
    if family is None:
        raise UnknownFamilyError(parts[1].decode("latin-1"))
    try:
        host = socket.inet_ntop(family, socket.inet_pton(family, parts[2].decode("ascii")))
    except (OSError, ValueError) as error:
        raise ParseError("no address of its family") from error
    if not re.fullmatch(rb"\d{1,5}", parts[3]) or int(parts[3]) > 0xFFFF:
        raise ParseError("no port")
    return Endpoint(host, int(parts[3]))


def build_extended_port(end: Endpoint) -> bytes:
    """The reverse."""
    return f"|{2 if ':' in end.host else 1}|{end.host}|{end.port}|".encode()


def parse_passive(code: int, line: bytes) -> int:
    """The port of a reply 227 or 229. ParseError.

    The address in a 227 is not asked for: a server has its data port where its control port is, and one that names
    another host, by mistake or behind NAT or on purpose, would have us connect there (RFC 2577, 3).
    """
    if code == 227:
        port = _numbers(_NUMBERS.search(line, 4)).port
    else:
        match = _EXTENDED_PASSIVE.search(line)
        port = int(match[2]) if match is not None else 0
    if not 0 < port <= 0xFFFF:
        raise ParseError("no port")
    return port


class UnknownFamilyError(ParseError):
    """A network protocol that is neither IPv4 nor IPv6."""
