"""What the page asks for: its own files, streams of what happens, and requests that are passed on to a session.

A sentence of the session's is given on as it is, with its status; whoever reaches this has been let in by the guard.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from importlib.resources import files
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hythe.dashboard import connections
from hythe.dashboard.streams import answer
from hythe.dashboard.watching import PATIENCE, Hub
from hythe.errors import MachineError, UsageError
from hythe.session.client import Session, SessionEndedError, find, running
from hythe.session.plain import plain
from hythe.view.waterfall.gather import of_running
from hythe.view.waterfall.groups import grouped
from hythe.view.waterfall.model import KINDS
from hythe.view.waterfall.text import label, tls_text

#: Lines of a waterfall; alike ones are joined where there are more.
_LINES: Final = 500
#: Bytes of a request's body.
_BODY_MAX: Final = 65_536


def application(hub: Hub) -> Starlette:
    """All of it."""
    web = str(files("hythe.dashboard") / "web")
    session = "/api/sessions/{name}"
    connection = session + "/connections/{id:int}"
    routes = [
        Route("/api/sessions", _sessions),
        Route(session + "/stream", _with(hub, _stream)),
        Route(session + "/waterfall", _waterfall),
        Route(session + "/listeners", _listeners),
        Route(session + "/listeners", _publish, methods=["POST"]),
        Route(session + "/listeners/{id:int}", _unpublish, methods=["DELETE"]),
        Route(session + "/faults", _faults),
        Route(session + "/faults", _set_faults, methods=["PATCH"]),
        Route(connection, _connection),
        Route(connection, _kill, methods=["DELETE"]),
        Route(connection + "/stream", _with(hub, connections.stream)),
        Route(connection + "/why", _with(hub, connections.why)),
        Route(connection + "/graph", _with(hub, connections.graph)),
        Route(connection + "/packets/{number:int}", _with(hub, connections.layers)),
        Mount("/", StaticFiles(directory=web, html=True)),
    ]
    handlers: dict[Any, Callable[..., Any]] = {HTTPException: _status, UsageError: _wrong, MachineError: _cannot}
    return Starlette(routes=routes, exception_handlers=handlers)


def _with(hub: Hub, act: Callable[[Hub, Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await act(hub, request)

    return endpoint


# --- Errors, as one sentence


def _problem(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)


async def _status(request: Request, error: HTTPException) -> Response:
    return _problem(error.status_code, f"{request.url.path}: {error.detail}")


async def _wrong(_request: Request, error: UsageError) -> Response:
    return _problem(400, str(error))


async def _cannot(_request: Request, error: MachineError) -> Response:
    return _problem(410 if isinstance(error, SessionEndedError) else 409, str(error))


# --- Sessions


async def _sessions(_request: Request) -> Response:
    def ask() -> list[Any]:
        found = []
        for each in running(PATIENCE):
            try:
                found.append(plain(each.about()))
            except SessionEndedError as error:  # it is the one that is silent or has just gone; others are not
                found.append({"name": each.name, "error": str(error)})
        return found

    return JSONResponse(await asyncio.to_thread(ask))


async def _stream(hub: Hub, request: Request) -> Response:
    """All of a session. `record=1`: keep the first packets of every connection that begins."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        async with hub.watcher(request.path_params["name"]) as watcher:
            with ExitStack() as stack:
                stream = stack.enter_context(hub.streamed(stack.enter_context(watcher.listen())))
                if request.query_params.get("record"):
                    stack.enter_context(watcher.keep())
                async for piece in stream.pieces():
                    yield piece

    return answer(pieces())


# --- What is passed on


async def _asked(request: Request, ask: Callable[[Session], Any]) -> Response:
    """Ask the session of the path, in a thread; its answer, or its sentence."""

    def call() -> Any:
        return plain(ask(find(request.path_params["name"], PATIENCE)))

    return JSONResponse(await asyncio.to_thread(call))


async def _body(request: Request) -> dict[str, Any]:
    """A request's object. Raises `UsageError` for anything else."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_MAX:
            raise UsageError(f"a request has {_BODY_MAX} bytes at most")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the request's body is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise UsageError("the request's body is not an object")
    return found


async def _connection(request: Request) -> Response:
    return await _asked(request, lambda session: session.connection(request.path_params["id"]))


async def _kill(request: Request) -> Response:
    return await _asked(request, lambda session: session.kill(request.path_params["id"]))


async def _waterfall(request: Request) -> Response:
    """Lines of spans; from the first time on the session notes what happens to each connection that begins."""

    def ask(session: Session) -> dict[str, Any]:
        found = grouped(of_running(session), _LINES)
        lines = [plain(each) | {"label": label(each), "secret": tls_text(each)} for each in found.lines]
        return {"began": found.began, "seconds": found.seconds, "notes": found.notes, "kinds": dict(KINDS), "lines": lines}

    return await _asked(request, ask)


async def _listeners(request: Request) -> Response:
    return await _asked(request, lambda session: session.listeners(processes=True))


async def _publish(request: Request) -> Response:
    publication = (await _body(request)).get("publish")
    if not isinstance(publication, str):
        raise UsageError("say what to publish as text: 8080:80")
    return await _asked(request, lambda session: session.publish(publication))


async def _unpublish(request: Request) -> Response:
    return await _asked(request, lambda session: session.unpublish(request.path_params["id"]))


async def _faults(request: Request) -> Response:
    return await _asked(request, lambda session: session.faults())


async def _set_faults(request: Request) -> Response:
    words = await _body(request)
    if not all(each is None or isinstance(each, str) for each in words.values()):
        raise UsageError("faults are texts, or null to take one away")
    return await _asked(request, lambda session: session.set_faults(**words))
