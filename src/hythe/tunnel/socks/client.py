"""The client's side of SOCKS: the steps of one request."""

from __future__ import annotations

from hythe.errors import ParseError
from hythe.tunnel.socks.messages import (
    ERRORS,
    GENERAL_FAILURE,
    GRANTED4,
    IPV4,
    NAME,
    NO_AUTHENTICATION,
    NONE_ACCEPTABLE,
    NOT_ALLOWED,
    PASSWORD,
    PASSWORD_VERSION,
    REJECTED4,
    SIZES,
    SOCKS5,
    SUCCEEDED,
    Bound,
    build_address,
    build_request4,
    parse_address,
)
from hythe.tunnel.socks.steps import Step, Steps


class RejectedError(Exception):
    """The proxy has said no. `number`: the errno that it amounts to. `ours`: it will not have us at all."""

    def __init__(self, number: int, words: str, *, ours: bool = False) -> None:
        super().__init__(words)
        self.number = number
        self.ours = ours


def request5(command: int, host: str, port: int, login: tuple[str, str] | None) -> Steps[Bound]:
    """SOCKS5: greet, prove who we are if asked to, ask. ParseError, `RejectedError`; ValueError for a name too long."""
    address = build_address(host, port)
    methods = (NO_AUTHENTICATION, PASSWORD) if login is not None else (NO_AUTHENTICATION,)
    version, method = yield Step(bytes((SOCKS5, len(methods), *methods)), 2)
    if version != SOCKS5:
        raise ParseError(f"it does not speak SOCKS5: its answer begins with {version:#04x}")
    if method == NONE_ACCEPTABLE or method not in methods:
        want = "it takes neither user nor none" if login is not None else "it wants a user: write USER:PASSWORD@"
        raise RejectedError(ERRORS[NOT_ALLOWED][0], want, ours=True)
    if method == PASSWORD and login is not None:
        user, password = (each.encode() for each in login)
        proof = bytes((PASSWORD_VERSION, len(user))) + user + bytes((len(password),)) + password
        _, status = yield Step(proof, 2)
        if status:
            raise RejectedError(ERRORS[NOT_ALLOWED][0], "it does not accept user and password", ours=True)
    return (yield from read_reply5(bytes((SOCKS5, command, 0)) + address))


def read_reply5(request: bytes = b"") -> Steps[Bound]:
    """The reply to `request`; a second one comes to BIND by itself."""
    version, reply, _, kind, first = yield Step(request, 5)
    if version != SOCKS5:
        raise ParseError(f"its reply begins with {version:#04x}, not with SOCKS5's 0x05")
    if reply != SUCCEEDED:
        number, words = ERRORS.get(reply, (ERRORS[GENERAL_FAILURE][0], f"failure {reply}"))
        raise RejectedError(number, words)
    if kind == NAME:
        name = yield Step(b"", first + 2)
        return parse_address(kind, name) if first else Bound("0.0.0.0", 0)
    if kind not in SIZES:
        raise ParseError(f"its reply has an address of the unknown kind {kind}")
    return parse_address(kind, bytes((first,)) + (yield Step(b"", SIZES[kind] + 1)))


def request4(command: int, host: str, port: int, user: str) -> Steps[Bound]:
    """SOCKS4A. As above."""
    return (yield from read_reply4(build_request4(command, host, port, user)))


def read_reply4(request: bytes = b"") -> Steps[Bound]:
    """The reply to `request`."""
    reply = yield Step(request, 8)
    if reply[0] or not GRANTED4 <= reply[1] <= GRANTED4 + 3:
        raise ParseError(f"it does not speak SOCKS4: its reply begins with {reply[:2].hex()}")
    if reply[1] != GRANTED4:
        words = "rejected or failed" if reply[1] == REJECTED4 else "it asks for ident, which does not run here"
        raise RejectedError(ERRORS[GENERAL_FAILURE][0], words)
    return parse_address(IPV4, reply[4:8] + reply[2:4])
