"""The web server: uvicorn, on either ground, with our connections."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import HANDLED_SIGNALS, Server

from hythe.serve.access import Access, busy
from hythe.serve.coding import Coding
from hythe.serve.connections import IDLE, Connection
from hythe.serve.grounds import Ground
from hythe.serve.log import Say

#: Seconds that answers on their way have to come to their end once the server was told to end.
DRAIN: Final = 30
#: Seconds that answers have to stop which are cut off then.
_QUIT: Final = 5.0
#: Descriptors for files and for everything but clients.
_RESERVE: Final = 128
#: Most bytes of a request's head.
_HEAD_SIZE: Final = 32 * 1_024
#: Clients where the system sets no limit.
_MANY: Final = 100_000
#: Seconds between two looks at whether slow clients make way.
_LOOK: Final = 5.0


class WebServer(Server):
    """Serves `app` on `ground` until SIGTERM or SIGINT; `say` gets the log, `begun` is called once clients can come.

    `coding`: compress what clients take compressed; a stream that is read as it comes must not be.
    """

    def __init__(
        self,
        app: ASGIApp,
        ground: Ground,
        tls: ssl.SSLContext | None,
        say: Say,
        begun: Callable[[], object],
        *,
        coding: bool = True,
    ) -> None:
        config = Config(
            cast("Any", Access(Coding(app) if coding else app, say)),
            loop="none",
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=_HEAD_SIZE,
            timeout_keep_alive=int(IDLE),
        )
        super().__init__(config)
        self._ground = ground
        self._tls = tls
        self._say = say
        self._begun = begun
        self._look: asyncio.TimerHandle | None = None

    async def startup(self, sockets: object = None) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        await self.lifespan.startup()
        most = _descriptors() - _RESERVE
        refusal = cast("ASGIApp", Access(busy, self._say))

        def protocol() -> Connection:
            return Connection(self.config, self.server_state, loop, most, refusal, self._say)

        self.servers = list(cast("Any", await self._ground.streams(protocol, self._tls)))
        self.started = True
        self._check()
        self._begun()

    async def shutdown(self, sockets: object = None) -> None:
        """Take no more clients, finish what they were promised while there is time, and end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                await super().shutdown()
        # An answer that is cut off by us, not by its client's going, is a bug's to uvicorn, and told with a traceback.
        for connection in list(self.server_state.connections):
            cast("Connection", connection).transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_QUIT)
        if self._look is not None:
            self._look.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first of them ends us in order, the second at once. We exit with 0, for it is how servers end."""
        loop = asyncio.get_running_loop()
        for number in HANDLED_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_end)
        try:
            yield
        finally:
            for number in HANDLED_SIGNALS:
                loop.remove_signal_handler(number)

    def _asked_to_end(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self.server_state.connections):
            cast("Connection", connection).check(now)
        self._look = loop.call_later(_LOOK, self._check)


def _descriptors() -> int:
    """How many we may have: all that the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else _MANY
