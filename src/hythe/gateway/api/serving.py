"""HTTP/1.1 for one caller: h11 knows the protocol, this file moves the bytes and finds who answers.

A caller has `PATIENCE` to read each piece of an answer, and an answer is made no faster than it is read. Bad requests get a
status and one sentence; a bug of ours gets 500 and the traceback, and harms neither the traffic nor other callers.
"""

from __future__ import annotations

import asyncio
import json
import socket
import traceback
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import h11

from hythe.errors import MachineError, UnknownError, UsageError
from hythe.session.model import Problem
from hythe.session.plain import build, plain
from hythe.session.routes import JSON, ROUTES, Parameter, Route

#: Seconds: to read a piece of an answer, and to think of a next request.
PATIENCE: Final = 30
#: Bytes of a request's body, and of its head.
BODY_MAX: Final = 65_536
HEAD_MAX: Final = 16_384
_READ: Final = 65_536
#: Answers above this leave in pieces of about that size.
_PIECE: Final = 32_768
_TRUTH: Final[Mapping[str, bool]] = {"1": True, "true": True, "0": False, "false": False}


class Answering(Protocol):
    """What answers: a coroutine for each `operation` of `session.routes`, and the end."""

    async def finish(self) -> None:
        """The session is about to end: let those who listen hear the rest."""


class RefusedError(Exception):
    """The request cannot be answered: a status and one sentence."""

    def __init__(self, status: HTTPStatus, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that has a route. `number`: what stood for ``{id}``."""

    route: Route
    number: int | None
    parameters: dict[str, Any]


async def serve(caller: socket.socket, resources: Answering) -> None:
    """Answer until the caller goes, says nothing for too long, or breaks the protocol. The socket stays its owner's."""
    try:
        await _Caller(caller, resources).converse()
    except OSError:
        return  # it is gone, or does not read


class _Caller:
    def __init__(self, caller: socket.socket, resources: Answering) -> None:
        self._socket = caller
        self._resources = resources
        self._loop = asyncio.get_running_loop()
        self._machine = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
        self._bare = False  # the answer to HEAD has no body

    async def converse(self) -> None:
        """One request after the other."""
        while True:
            try:
                request = await self._event()
                if not isinstance(request, h11.Request):
                    return
                self._bare = request.method == b"HEAD"
                body = await self._body()
            except h11.RemoteProtocolError as error:
                if self._machine.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await self._refuse(HTTPStatus(error.error_status_hint), f"this is not HTTP/1.1 ({error})")
                return
            await self._answer(request, body)
            if self._machine.our_state is not h11.DONE or self._machine.their_state is not h11.DONE:
                return
            self._machine.start_next_cycle()

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._machine.next_event()
            if event is not h11.NEED_DATA:
                return event
            async with asyncio.timeout(PATIENCE):
                self._machine.receive_data(await self._loop.sock_recv(self._socket, _READ))

    async def _body(self) -> bytes:
        body = bytearray()
        if self._machine.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[], reason=b"Continue"))
        while isinstance(event := await self._event(), h11.Data):
            if len(body) <= BODY_MAX:
                body += event.data
        return bytes(body)

    async def _answer(self, request: h11.Request, body: bytes) -> None:
        try:
            if len(body) > BODY_MAX:
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has {BODY_MAX} bytes at most")
            asked = _find(request.method.decode(), request.target.decode("latin-1"))
            arguments = [] if asked.number is None else [asked.number]
            if asked.route.body is not None:
                arguments.append(_read_body(asked.route, body))
            result = await getattr(self._resources, asked.route.operation)(*arguments, **asked.parameters)
        except RefusedError as refusal:
            await self._refuse(refusal.status, str(refusal), refusal.headers)
        except UsageError as error:
            await self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except UnknownError as error:
            await self._refuse(HTTPStatus.NOT_FOUND, str(error))
        except MachineError as error:
            await self._refuse(HTTPStatus.CONFLICT, str(error))
        except Exception:  # noqa: BLE001 - the caller is told; the traffic of others goes on
            await self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, traceback.format_exc())
        else:
            await self._tell(asked.route, result)

    async def _tell(self, route: Route, result: Any) -> None:
        """`result`: what a route's method gives: an object, text, or pieces to come."""
        if isinstance(result, AsyncGenerator):
            # Who listens may pause: what does not fit in its queue is left out. Who asked for a list is to read it.
            await self._stream(route.media, result, PATIENCE if route.media == JSON else None)
            return
        data = result.encode() if isinstance(result, str) else json.dumps(plain(result)).encode() + b"\n"
        await self._whole(HTTPStatus.OK, route.media, data)

    async def _refuse(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(plain(Problem(sentence))).encode() + b"\n"
        await self._whole(status, JSON, data, headers)

    async def _whole(self, status: HTTPStatus, media: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        fields = [("Content-Type", media), ("Content-Length", str(len(data))), *(headers or {}).items()]
        await self._send(h11.Response(status_code=status, headers=fields, reason=status.phrase.encode()))
        for at in range(0, 0 if self._bare else len(data), _PIECE):
            await self._send(h11.Data(data=data[at : at + _PIECE]))
        await self._send(h11.EndOfMessage())

    async def _stream(self, media: str, pieces: AsyncGenerator[bytes, None], patience: int | None) -> None:
        """Until the pieces end or the caller goes; it has nothing to say meanwhile."""
        fields = [("Content-Type", media), ("Cache-Control", "no-store")]
        await self._send(h11.Response(status_code=HTTPStatus.OK, headers=fields, reason=b"OK"))
        sending = self._loop.create_task(self._send_all(pieces, patience))
        leaving = self._loop.create_task(self._loop.sock_recv(self._socket, 1))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise ConnectionResetError
            await sending
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.wait((sending, leaving))

    async def _send_all(self, pieces: AsyncGenerator[bytes, None], patience: int | None) -> None:
        async with aclosing(pieces):
            async for piece in pieces:
                await self._send(h11.Data(data=piece), patience)
                await asyncio.sleep(0)
        await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event, patience: int | None = PATIENCE) -> None:
        data = self._machine.send(event)
        if data:
            async with asyncio.timeout(patience):
                await self._loop.sock_sendall(self._socket, data)


def _find(method: str, target: str) -> _Asked:
    """The route of a request. Raises `RefusedError`, `UsageError`."""
    parts = urlsplit(target)
    words = [word for word in parts.path.split("/") if word]
    others = []
    for route in ROUTES:
        pattern = [word for word in route.path.split("/") if word]
        number = _match(pattern, words)
        if number is not None:
            if route.method == method:
                return _Asked(route, number if "{id}" in pattern else None, _parameters(route, parts.query))
            others.append(route.method)
    if others:
        sentence = f"{parts.path} does not know {method}, but {' and '.join(others)}"
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, sentence, Allow=", ".join(others))
    raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no {parts.path}: /openapi.json says what there is")


def _match(pattern: list[str], words: list[str]) -> int | None:
    """None where they do not match; else the number that stands for ``{id}``, or 0."""
    if len(pattern) != len(words):
        return None
    number = 0
    for expected, word in zip(pattern, words, strict=True):
        if expected == "{id}" and word.isdecimal():
            number = int(word)
        elif expected != word:
            return None
    return number


def _parameters(route: Route, query: str) -> dict[str, Any]:
    known = {each.name: each for each in route.parameters}
    found = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise UsageError(f"{route.path} has no parameter {name!r}: it knows {', '.join(known) or 'none'}")
        found[name] = _value(known[name], text)
    return found


def _value(parameter: Parameter, text: str) -> Any:
    if parameter.kind is int and text.isdecimal():
        return int(text)
    if parameter.kind is bool and text in _TRUTH:
        return _TRUTH[text]
    raise UsageError(f"{parameter.name} cannot be {text!r}: write {'1 or 0' if parameter.kind is bool else 'a number'}")


def _read_body(route: Route, body: bytes) -> Any:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the request's body is not JSON ({error})") from error
    if isinstance(route.body, type):
        return build(route.body, value)
    if not isinstance(value, dict) or not all(each is None or isinstance(each, str) for each in value.values()):
        raise UsageError("the request's body is not an object of texts and nulls")
    return value
