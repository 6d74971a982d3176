"""The server's side of SOCKS: the steps up to a client's request.

Two parts, since proving who a client is may take its time: the greeting, which gives a login to check where one is wanted,
and then the request. Whatever is malformed is a ParseError: the connection is closed without a word, which is all that a
client of no known protocol could understand.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hythe.errors import ParseError
from hythe.tunnel.socks.messages import (
    ADDRESS_TYPE_NOT_SUPPORTED,
    NAME,
    NAME_MAX,
    NO_AUTHENTICATION,
    NONE_ACCEPTABLE,
    PASSWORD,
    PASSWORD_VERSION,
    SIZES,
    SOCKS4,
    SOCKS5,
    Request,
    build_reply4,
    build_reply5,
    parse_address,
    parse_name,
)
from hythe.tunnel.socks.steps import Step, Steps

#: Longest user name of SOCKS4.
_USER4_MAX: Final = 255


class UnwelcomeError(Exception):
    """The client cannot prove who it is, or asks in a way that is not ours; it has been told."""


class LoginError(UnwelcomeError):
    """Its password is wrong."""


class Greeting(NamedTuple):
    """`request`: of SOCKS4, which has no greeting. `login`: of SOCKS5, what is to be checked."""

    request: Request | None
    login: tuple[str, str] | None


def greeting(*, password: bool) -> Steps[Greeting]:
    """Up to the login, or the request of SOCKS4. `password`: clients must have one."""
    version, second = yield Step(b"", 2)
    if version == SOCKS4:
        if password:
            yield Step(build_reply4(False), 0)
            raise UnwelcomeError("SOCKS4 has no passwords")
        return Greeting((yield from _request4(second)), None)
    if version != SOCKS5 or not second:
        raise ParseError("neither SOCKS4 nor SOCKS5")
    methods = yield Step(b"", second)
    wanted = PASSWORD if password else NO_AUTHENTICATION
    if wanted not in methods:
        yield Step(bytes((SOCKS5, NONE_ACCEPTABLE)), 0)
        raise UnwelcomeError("no method in common")
    if not password:
        yield Step(bytes((SOCKS5, NO_AUTHENTICATION)), 0)
        return Greeting(None, None)
    version, size = yield Step(bytes((SOCKS5, PASSWORD)), 2)
    if version != PASSWORD_VERSION or not size:
        raise ParseError("no negotiation of user and password (RFC 1929)")
    user = yield Step(b"", size + 1)
    word = (yield Step(b"", user[-1])) if user[-1] else b""
    return Greeting(None, (_text(user[:-1]), _text(word)))


def verdict(*, accepted: bool) -> Steps[None]:
    """Tell what came of the login (RFC 1929, 2)."""
    yield Step(bytes((PASSWORD_VERSION, 0 if accepted else 1)), 0)
    if not accepted:
        raise LoginError("wrong user or password")


def request5(user: str = "") -> Steps[Request]:
    """The request of SOCKS5 (RFC 1928, 4)."""
    version, command, _, kind, first = yield Step(b"", 5)
    if version != SOCKS5:
        raise ParseError("no request of SOCKS5")
    if kind == NAME:
        address = yield Step(b"", first + 2)
    elif kind in SIZES:
        address = bytes((first,)) + (yield Step(b"", SIZES[kind] + 1))
    else:
        yield Step(build_reply5(ADDRESS_TYPE_NOT_SUPPORTED), 0)
        raise UnwelcomeError(f"an address of the unknown kind {kind}")
    return Request(SOCKS5, command, *parse_address(kind, address), user)


def request() -> Steps[Request]:
    """All of it, where nobody has to log in."""
    return (yield from greeting(password=False)).request or (yield from request5())


def _request4(command: int) -> Steps[Request]:
    rest = yield Step(b"", 6)
    user = yield from _until_zero(_USER4_MAX)
    if rest[2:5] == bytes(3) and rest[5]:  # 4A: 0.0.0.x is no address, and a name follows
        name = yield from _until_zero(NAME_MAX)
        return Request(SOCKS4, command, parse_name(name), int.from_bytes(rest[:2], "big"), _text(user))
    return Request(SOCKS4, command, *parse_address(1, rest[2:] + rest[:2]), _text(user))


def _until_zero(limit: int) -> Steps[bytes]:
    found = b""
    while (one := (yield Step(b"", 1))) != b"\0":
        found += one
        if len(found) > limit:
            raise ParseError("a string of SOCKS4 that does not end")
    return found


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ParseError("a user or password that is not UTF-8") from error
