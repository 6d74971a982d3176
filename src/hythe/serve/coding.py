"""Content codings (RFC 9110, 8.4 and 12.5.3): compress what can be compressed whenever the client accepts it.

Pages of up to `WHOLE` bytes are compressed at once and have a Content-Length; longer ones are compressed as they are sent.
A compressed page has a weak validator: the same content, not the same bytes (8.8.1). Parts of a page are never compressed,
their ranges count bytes of the page itself.
"""

from __future__ import annotations

import zlib
from typing import Final, Protocol

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a page up to which it is compressed as one.
WHOLE: Final = 1_024 * 1_024
#: Compressing so many bytes takes about as long as handing them to another thread.
_BRIEF: Final = 16 * 1_024
#: What is compressed besides text/*: RFC 6839's suffixes among them.
_TYPES: Final = ("application/json", "application/javascript", "application/xml", "application/wasm", "application/rtf")
_SUFFIXES: Final = ("+json", "+xml", "+text")
_GZIP_LEVEL: Final = 6
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS
_BROTLI_QUALITY: Final = 4  # as quick as gzip's 6, and tighter
_ZSTD_LEVEL: Final = 6  # whose window of 2 MiB every client has (RFC 9659: 8 MiB at most)


class Compressor(Protocol):
    """One page's."""

    def compress(self, data: bytes) -> bytes:
        """What of `data` and of what came before it can be sent."""

    def flush(self) -> bytes:
        """The rest."""


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._compressor = brotli.Compressor(quality=_BROTLI_QUALITY)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data))

    def flush(self) -> bytes:
        return bytes(self._compressor.finish())


def _compressor(coding: str) -> Compressor:
    if coding == "br":
        return _Brotli()
    if coding == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS)


def chosen(accepted: str) -> str | None:
    """``br``, ``zstd``, ``gzip``, or None for the page as it is: what Accept-Encoding likes best, of equals the tightest."""
    weights: dict[str, float] = {}
    for item in accepted.split(","):
        name, _, parameters = item.partition(";")
        key, _, value = parameters.strip().partition("=")
        try:
            weights[name.strip().lower()] = float(value) if key.strip().lower() == "q" else 1.0
        except ValueError:
            weights[name.strip().lower()] = 0.0  # a weight that is none: do not count on it
    if "x-gzip" in weights:
        weights.setdefault("gzip", weights["x-gzip"])  # 8.4.1.3

    def weight(name: str) -> float:
        return weights.get(name, weights.get("*", 0.0))

    best = max(("br", "zstd", "gzip"), key=weight)
    return best if weight(best) > 0 and weight(best) >= weights.get("identity", 0.0) else None


def compressible(headers: Headers) -> bool:
    """Is a page with these headers worth it?"""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return (
        "content-encoding" not in headers
        and "content-range" not in headers
        and (kind.startswith("text/") or kind in _TYPES or kind.endswith(_SUFFIXES))
    )


class Coding:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, compressed where the client accepts it."""
        coding = chosen(Headers(scope=scope).get("accept-encoding", ""))
        await self._app(scope, receive, _Page(coding, send, head=scope["method"] == "HEAD").send)


class _Page:
    """One answer on its way. Its first message waits until it is known whether the whole page fits."""

    def __init__(self, coding: str | None, send: Send, *, head: bool) -> None:
        self._coding = coding
        self._send = send
        self._head = head
        self._start: Message | None = None
        self._compressor: Compressor | None = None
        self._taken = 0
        self._made = bytearray()

    async def send(self, message: Message) -> None:
        """What the application says, to the client."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._compressor is None:
            await self._send(message)
        else:
            await self._body(self._compressor, message.get("body", b""), more=message.get("more_body", False))

    async def _begin(self, message: Message) -> None:
        headers = MutableHeaders(raw=message["headers"])
        if compressible(headers) or message["status"] in (206, 304):
            headers.add_vary_header("Accept-Encoding")
        if self._coding is None or not compressible(headers) or message["status"] in (206, 304):
            await self._send(message)
            return
        if headers.get("content-length") == "0":
            await self._send(message)
            return
        headers["content-encoding"] = self._coding
        del headers["content-length"]
        del headers["accept-ranges"]
        etag = headers.get("etag", "")
        if etag.startswith('"'):
            headers["etag"] = f"W/{etag}"
        if self._head:  # of a length that only compressing would tell (RFC 9110, 9.3.2)
            await self._send(message)
            return
        self._start = message
        self._compressor = _compressor(self._coding)

    async def _body(self, compressor: Compressor, body: bytes, *, more: bool) -> None:
        self._taken += len(body)
        if len(body) <= _BRIEF:
            self._made += compressor.compress(body)
        else:
            self._made += await to_thread.run_sync(compressor.compress, body)
        if not more:
            self._made += compressor.flush()
        if more and self._taken <= WHOLE:
            return
        if self._start is not None:
            if not more:
                MutableHeaders(raw=self._start["headers"])["content-length"] = str(len(self._made))
            await self._send(self._start)
            self._start = None
        if self._made or not more:
            made, self._made = bytes(self._made), bytearray()
            await self._send({"type": "http.response.body", "body": made, "more_body": more})
