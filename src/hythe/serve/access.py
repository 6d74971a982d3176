"""One line a request, and answers to what no application answers."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hythe.serve.asked import in_origin_form
from hythe.serve.log import Say, endpoint, stamped

#: Said of every answer: what is served is what the sender says it is, and nothing else.
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")


class Access:
    """An ASGI application around another, which tells `say` of each request once it is answered."""

    def __init__(self, app: ASGIApp, say: Say) -> None:
        self._app = ExceptionMiddleware(app, {HTTPException: _explained})
        self._say = say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and tell of it: also of an answer that the client did not wait for."""
        status, sent = 0, 0

        async def counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append(_NOSNIFF)
            await send(message)
            if scope["method"] != "HEAD":
                sent += len(message.get("body", b""))

        try:
            await self._app(in_origin_form(scope), receive, counted)
        finally:
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            target = (scope["raw_path"] + query).decode("ascii", "backslashreplace")
            request = f"{scope['method']} {target} HTTP/{scope['http_version']}"
            self._say(stamped(endpoint(scope["client"]), f"{request} {status or 500} {sent}"))


async def _explained(_request: Request, error: Exception) -> Response:
    """A status of which there is nothing but its name to say."""
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.status_code} {error.detail}\n", error.status_code, error.headers)


async def busy(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """The application of a connection too many."""
    raise HTTPException(503, headers={"Retry-After": "5", "Connection": "close"})
