"""One connection as a page opens it: its details and packets as they come, and what is made of the packets when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hythe.dashboard.streams import Stream, answer, encode
from hythe.dashboard.traces import Trace, packed
from hythe.dashboard.watching import Hub, Watcher
from hythe.errors import UsageError
from hythe.session.client import SessionEndedError
from hythe.session.model import Detail
from hythe.session.plain import plain
from hythe.units import SECOND
from hythe.view.analysis import plain as analysis
from hythe.view.analysis.words import names, reason_text, report, shares
from hythe.view.layers import plain as layering
from hythe.view.plot.graph import KINDS, TONES, busier, legend, top
from hythe.view.plot.graph import graph as drawn

#: Packets told of in one message: a page that knows nothing gets several.
_BATCH: Final = 500
#: Marks of one layer of a graph: more than a screen has room for.
_MARKS: Final = 20_000
#: Congestion windows noted of one connection, one a round: hours.
_WINDOWS: Final = 20_000


async def stream(hub: Hub, request: Request) -> Response:
    """`detail`, `packets` (from the first that is kept), and `trace`: what there is of them."""

    async def pieces() -> AsyncGenerator[bytes, None]:
        number = request.path_params["id"]
        async with hub.watcher(request.path_params["name"]) as watcher:
            with ExitStack() as stack, hub.streamed(Stream(list)) as told:
                following = asyncio.create_task(_follow(watcher, number, told, stack))
                try:
                    async for piece in told.pieces():
                        yield piece
                finally:
                    following.cancel()
                    await asyncio.wait([following])

    return answer(pieces())


async def _follow(watcher: Watcher, number: int, told: Stream, stack: ExitStack) -> None:
    """Tell of one connection, once a round of its watcher, until it or its session ends."""
    try:
        detail = await _ask(watcher, number)
        recording = watcher.recording
        if recording is not None:
            stack.enter_context(recording.look(detail.connection))
        last, trace = 0, None
        while True:
            await told.room()
            told.put(encode("detail", plain(detail)))
            found = recording.traces.of(detail.connection) if recording is not None else None
            if found is not trace:
                trace, last = found, 0
            fresh = list(islice(trace.since(last), _BATCH)) if trace is not None else []
            if trace is not None:
                last = fresh[-1].number if fresh else last
                _note_window(trace, detail)
                told.put(encode("packets", [each.row(trace.start) for each in fresh]))
            told.put(encode("trace", _standing(trace, runs=recording is not None and recording.runs)))
            if len(fresh) < _BATCH:
                await watcher.next_round()
            if detail.connection.ended is None:
                detail = await _ask(watcher, number)
    except (UsageError, SessionEndedError) as error:
        told.put(encode("over", {"sentence": str(error)}))


def _note_window(trace: Trace, detail: Detail) -> None:
    """The congestion window of hythe's end, which no packet tells, for the graph of what is in flight."""
    conversation, far = trace.conversation, packed(detail.connection.remote)
    if conversation is None or detail.info is None or far not in conversation.ends:
        return
    series = conversation.ways[conversation.ends.index(far)].series
    if series is not None and len(series.cwnd) < _WINDOWS:
        series.cwnd.append((time.time_ns(), detail.info.cwnd))


def _standing(trace: Trace | None, *, runs: bool) -> dict[str, Any]:
    if trace is None:
        return {"recording": runs, "count": 0, "let_go": 0, "handshake": False}
    conversation = trace.conversation
    return {
        "recording": runs,
        "count": trace.count,
        "let_go": trace.let_go,
        "handshake": conversation is not None and conversation.handshake,
    }


async def _ask(watcher: Watcher, number: int) -> Detail:
    session = await watcher.found()
    return await asyncio.to_thread(session.connection, number)


async def _trace(hub: Hub, request: Request) -> Trace:
    """Of a connection that a page looks at. Raises `UsageError` where there is none."""
    async with hub.watcher(request.path_params["name"]) as watcher:
        detail = await _ask(watcher, request.path_params["id"])
        trace = watcher.recording.traces.of(detail.connection) if watcher.recording is not None else None
    if trace is None:
        raise UsageError(f"no packet of connection {detail.connection.id} has been recorded: open it, and wait for one")
    return trace


async def layers(hub: Hub, request: Request) -> Response:
    """One packet, layer by layer."""
    number = request.path_params["number"]
    shown = (await _trace(hub, request)).shown(number)
    if shown is None:
        raise UsageError(f"packet {number} is not kept")
    return JSONResponse(layering.plain(shown))


async def why(hub: Hub, request: Request) -> Response:
    """What limited it."""
    conversation = (await _trace(hub, request)).conversation
    if conversation is None:
        raise UsageError("only TCP connections are explained")
    shared = []
    for index, way in enumerate(conversation.ways):
        ends = names(conversation, index)
        shared.append([[reason_text(way, each, *ends), spent / SECOND, share] for each, spent, share in shares(way)])
    return JSONResponse({**analysis.plain(conversation), "shares": shared, "report": list(report(conversation))})


async def graph(hub: Hub, request: Request) -> Response:
    """Marks of a graph: `kind` as of `hythe plot`, `way` there or back, the one that carries more without it."""
    conversation = (await _trace(hub, request)).conversation
    kind, way = request.query_params.get("kind", "sequence"), request.query_params.get("way")
    if conversation is None:
        raise UsageError("only TCP connections are drawn")
    if kind not in KINDS or way not in (None, "there", "back"):
        raise UsageError(f"a graph is one of {', '.join(KINDS)}, its way there or back")
    index = busier(conversation) if way is None else int(way == "back")
    made = drawn(conversation, index, kind)
    told = [
        {
            "name": each.name,
            "legend": legend(made, each),
            "shape": each.shape,
            "colour": TONES[each.tone],
            "marks": each.marks[-_MARKS:],
        }
        for each in made.layers
    ]
    way = ("there", "back")[index]
    return JSONResponse({"title": made.title, "y": made.y, "top": top(made), "way": way, "layers": told})
