"""The head of a request, read strictly before h11 reads it.

A proxy that understands a message otherwise than the server behind it can be made to pass on one request within another
(RFC 9112, 11.2). So what is ambiguous is refused: two lengths, a length beside chunks (6.3), lines that end by a bare LF
(2.2), folded lines (5.2), a space before a colon (5.1). h11 forgives some of these.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
from http import HTTPStatus
from typing import Final, NamedTuple

import h11

from hythe.proxy.access import canonical
from hythe.via.patterns import ascii_name

#: Bytes of a head, and of its first line.
HEAD_MAX: Final = 65_536
LINE_MAX: Final = 16_384
#: Header lines of a head.
LINES_MAX: Final = 200
#: Bytes read at once.
READ: Final = 16_384
#: Of the longest body: an exabyte.
_DIGITS: Final = 18
_END: Final = b"\r\n\r\n"
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_FIRST: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/[0-9]\.[0-9]")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_AUTHORITY: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:@\[\]/?#\s]+))(?::(?P<port>[0-9]{1,5})?)?")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_ABSOLUTE: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[/?][^#]*)?")
#: A head that needs no closer look: CONNECT, one Host, and of what else there is nothing that `check` looks into.
_TUNNEL: Final = re.compile(
    rb"CONNECT ([!-~]+) HTTP/1\.1\r\n"
    rb"(?i:host):[\t -~]*\r\n"
    rb"(?:(?!(?i:host|content-length|transfer-encoding|max-forwards):)[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n){0,50}"
    rb"\r\n"
)
_HTTP: Final = 80
_VERSIONS: Final = (b"1.1", b"1.0")


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """The request is not carried out: a status and one sentence. `told`: the log has it already."""

    def __init__(self, status: HTTPStatus, sentence: str, *, told: bool = False) -> None:
        super().__init__(sentence)
        self.status = status
        self.told = told


class Target(NamedTuple):
    """Where a request goes. `path`: what the server is asked for; empty with CONNECT."""

    host: str
    port: int
    authority: str
    path: str


async def read_head(stream: socket.socket, begun: bytes) -> tuple[bytes, bytes] | None:
    """A head, and what came behind it; None when the client has ended before it. `Refusal`, OSError."""
    loop = asyncio.get_running_loop()
    data = begun
    while True:
        while data.startswith(b"\r\n"):  # RFC 9112, 2.2: empty lines before a request mean nothing
            data = data[2:]
        end = data.find(_END)
        check_progress(data if end < 0 else data[: end + len(_END)])
        if end >= 0:
            return data[: end + len(_END)], data[end + len(_END) :]
        more = await loop.sock_recv(stream, READ)
        if not more:
            if data:
                raise Refusal(HTTPStatus.BAD_REQUEST, "the request ended in the middle of its head")
            return None
        data += more


def check_progress(data: bytes) -> None:
    """Is what there is of a head well formed and short enough so far? `Refusal`."""
    if data and data[:1] != b"\r" and not _NAME.match(data):
        words = f"the request begins with 0x{data[0]:02x} and not with a method: TLS and SOCKS are for ports that speak them"
        raise Refusal(HTTPStatus.BAD_REQUEST, words)
    bare = _BARE.search(data, 0, len(data) - 1) if data.endswith(b"\r") else _BARE.search(data)
    if bare is not None:
        raise Refusal(HTTPStatus.BAD_REQUEST, "a line of the request ends by a bare CR or LF, not by both (RFC 9112, 2.2)")
    line = data.find(b"\r\n")
    if (len(data) if line < 0 else line) > LINE_MAX:
        raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, f"the first line of the request has more than {LINE_MAX} bytes")
    if len(data) > HEAD_MAX:
        raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head of the request has more than {HEAD_MAX} bytes")


def check(head: bytes) -> None:
    """Refuse what is ambiguous. `Refusal`."""
    first, *lines = head.removesuffix(_END).split(b"\r\n")
    if len(lines) > LINES_MAX:
        raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request has more than {LINES_MAX} header lines")
    if not _FIRST.fullmatch(first):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "the first line of the request is not METHOD URL HTTP/1.1, in ASCII (RFC 9112, 3)"
        )
    lengths = encodings = hosts = size = 0
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise Refusal(HTTPStatus.BAD_REQUEST, "a header line is folded (RFC 9112, 5.2)")
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise Refusal(HTTPStatus.BAD_REQUEST, "a header line is not NAME: VALUE (RFC 9112, 5)")
        match name.lower():
            case b"content-length":
                lengths += 1
                word = value.strip(b" \t")
                if not word.isdigit() or len(word) > _DIGITS:
                    raise Refusal(HTTPStatus.BAD_REQUEST, "Content-Length is not one number (RFC 9112, 6.3)")
                size = int(word)
            case b"transfer-encoding":
                encodings += 1
                if value.strip(b" \t").lower() != b"chunked":
                    raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "the only Transfer-Encoding that is known here is chunked")
            case b"host":
                hosts += 1
            case b"max-forwards":
                word = value.strip(b" \t")
                if not word.isdigit() or len(word) > _DIGITS:
                    raise Refusal(HTTPStatus.BAD_REQUEST, "Max-Forwards is not a number (RFC 9110, 7.6.2)")
                if not int(word) and first.startswith((b"OPTIONS ", b"TRACE ")):
                    raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "Max-Forwards ends here, and this proxy has nothing to say")
    if lengths > 1 or encodings > 1:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request says more than once how long it is (RFC 9112, 6.3)")
    if lengths and encodings:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request has both Content-Length and Transfer-Encoding (RFC 9112, 6.3)")
    if encodings and first.endswith(b"HTTP/1.0"):
        raise Refusal(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding (RFC 9112, 6.1)")
    if first.startswith(b"CONNECT ") and (encodings or size):
        raise Refusal(HTTPStatus.BAD_REQUEST, "CONNECT has no body (RFC 9110, 9.3.6)")
    if hosts > 1:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request has more than one Host (RFC 9112, 3.2)")


def tunnel(head: bytes) -> Target | None:
    """Where to, if it is a CONNECT that may be carried out as it stands; of all others `check` and h11 say more."""
    match = _TUNNEL.fullmatch(head)
    if match is None:
        return None
    text = match[1].decode()
    try:
        return Target(*_authority(text, None), text, "")
    except Refusal:
        return None


def target(request: h11.Request) -> Target:
    """Where a request is to go. `Refusal`."""
    text = request.target.decode("latin-1")
    if request.http_version not in _VERSIONS:
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this proxy speaks HTTP/1.1 and HTTP/1.0")
    if request.method == b"CONNECT":
        host, port = _authority(text, None)
        return Target(host, port, text, "")
    match = _ABSOLUTE.fullmatch(text)
    if match is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, "this is a proxy: ask for a whole URL, http://HOST/PATH, or CONNECT HOST:PORT")
    if match["scheme"].lower() != "http":
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, f"{match['scheme']} is not spoken here: use http, or CONNECT for https")
    host, port = _authority(match["authority"], _HTTP)
    path = match["path"] or ("*" if request.method == b"OPTIONS" else "/")
    return Target(host, port, match["authority"], f"/{path}" if path.startswith("?") else path)


def credentials(request: h11.Request) -> tuple[str, str] | None:
    """User and password (RFC 7617); None where there are none. `Refusal`."""
    found = [value for name, value in request.headers if name == b"proxy-authorization"]
    if not found:
        return None
    scheme, _, word = found[0].partition(b" ")
    if len(found) > 1 or scheme.lower() != b"basic":
        raise Refusal(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "log in by Basic authentication (RFC 7617), once")
    try:
        user, colon, password = base64.b64decode(word.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = user = password = ""
    if not colon:
        raise Refusal(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "Proxy-Authorization is not the base64 of USER:PASSWORD")
    return user, password


def _authority(text: str, default: int | None) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(text)
    port = int(match["port"]) if match is not None and match["port"] else default
    if match is None or port is None or not 0 < port < 1 << 16:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request does not say where it is to go as HOST:PORT")
    host = match["six"] or ascii_name(match["host"])
    if match["six"] is None and not _HOST.fullmatch(host):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the host of the request is neither a name nor an address")
    return canonical(host), port
