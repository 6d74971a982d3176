"""The live view without a session: this machine's sockets, chosen from a list."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from hythe.errors import UsageError
from hythe.view.terminal.app import Live
from hythe.view.terminal.detail import DetailScreen
from hythe.view.terminal.dialogs import Choose
from hythe.view.terminal.lines import Lines
from hythe.view.watch.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from hythe.view.watch.source import Source


async def sees(pilot: Pilot[None], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        await pilot.pause(0.05)


@pytest.mark.alone  # thousands of sockets of other tests would be this machine's, too
def test_this_machine_is_one_of_those_that_can_be_chosen() -> None:
    def gone() -> Source:
        raise UsageError("no session is called 'web': none runs")

    async def main() -> None:
        app = Live(Machine(), lambda: [("web", gone), ("this machine", Machine)], choose=True)
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
            server.accept()[0] as accepted,
        ):
            async with app.run_test(size=(80, 24), notifications=True) as pilot:
                await sees(pilot, lambda: isinstance(app.screen, Choose))
                first = app.source
                await pilot.press("enter")
                await sees(pilot, lambda: app._notifications)
                assert [each.message for each in app._notifications] == ["no session is called 'web': none runs"]
                assert app.source is first
                await pilot.press("o")
                await sees(pilot, lambda: isinstance(app.screen, Choose))
                await pilot.press("down", "enter")
                await sees(pilot, lambda: app.source is not first)
                port, server_port = client.getsockname()[1], server.getsockname()[1]
                await pilot.press("slash")
                # By both, since another test's connection from a port of that number may be waiting for its time to pass.
                app.query_one("#filter", Input).value = f"from:{port} to:{server_port}"
                await pilot.press("enter")
                table = app.query_one("#connections", Lines)
                await sees(pilot, lambda: len(table.rows) == 1)
                assert table.chosen.connection.inside.port == port
                for key in ("k", "f", "p"):  # nothing of this machine is to be changed
                    assert not app.check_action({"k": "kill", "f": "faults", "p": "publish"}[key], ())
                await pilot.press("enter")
                assert isinstance(app.screen, DetailScreen)
                accepted.sendall(bytes(70_000))
                await sees(pilot, lambda: app.screen.trail.down[-1].reached >= 70_000)  # type: ignore[attr-defined]

    asyncio.run(main())
