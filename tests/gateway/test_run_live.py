"""`hythe live` beside a command in `hythe run`: what is seen is what the API says, and keys do what they say."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from textual.widgets import Input, Static

from hythe.session.client import Session
from hythe.view.terminal.app import Live
from hythe.view.terminal.cells import rate
from hythe.view.terminal.detail import DetailScreen
from hythe.view.terminal.dialogs import Ask, Confirm, Keys
from hythe.view.terminal.lines import Lines
from hythe.view.watch.source import Contact
from tests import needs
from tests.gateway.namespace.typist import Typist
from tests.gateway.servers import echo, tcp_server
from tests.gateway.sessions import find, session, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from textual.pilot import Pilot

    from tests.gateway.conftest import Person

#: One connection that says something once, and one that says something all the time; until it is killed, or both are.
CLIENT = """
import socket, sys, time
still = socket.create_connection(("host.hythe.internal", int(sys.argv[1])))
still.sendall(bytes(1000))
busy = socket.create_connection(("host.hythe.internal", int(sys.argv[1])))
print("ready", flush=True)
while True:
    try:
        busy.sendall(bytes(3000))
        busy.recv(65536)
    except OSError:
        time.sleep(1)
    time.sleep(0.05)
"""
SECONDS = 20.0
SIZE = (80, 24)


def quiet_echo(connection: object) -> None:
    """Echo, to the end or a reset."""
    try:
        echo(connection)  # type: ignore[arg-type]
    except ConnectionResetError:
        return


def screen(app: Live) -> list[str]:
    """Return the lines that are seen."""
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


async def sees(pilot: Pilot[None], what: Callable[[], object]) -> None:
    """Wait until something is true of what is seen."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, "\n".join(screen(pilot.app))  # type: ignore[arg-type]
        await pilot.pause(0.05)


async def types(pilot: Pilot[None], text: str) -> None:
    """Put text in the line that is open, and press enter."""
    await pilot.pause()
    pilot.app.screen.query(Input).last().value = text
    await pilot.press("enter")


def lines(app: Live, view: str) -> Lines:
    return app.screen_stack[0].query_one(f"#{view}", Lines)


def busiest(table: Lines) -> int:
    """Return the place of the connection that has carried most."""
    return max(range(len(table.rows)), key=lambda place: table.rows[place].connection.bytes_up)


def run(app: Live, test: Callable[[Pilot[None]], Awaitable[None]]) -> None:
    async def main() -> None:
        async with app.run_test(size=SIZE) as pilot:
            await test(pilot)

    asyncio.run(main())


def test_every_view_shows_what_the_api_says(nobody: Person) -> None:
    with tcp_server(quiet_echo) as port:
        command = nobody.script(CLIENT, str(port))
        with session(nobody, "--host-loopback -4", *command) as (running, asked):
            assert running.line() == "ready\n"
            app = Live(Contact(asked.name, lambda name: Session(name, asked.path)), list)

            async def test(pilot: Pilot[None]) -> None:
                for part in (connections, detail, changes, logs, ports, killed):
                    await part(pilot, app, asked)

            run(app, test)


async def connections(pilot: Pilot[None], app: Live, asked: Session) -> None:
    table = lines(app, "connections")
    await sees(pilot, lambda: app.model.tick > 2 and len(table.rows) >= 2 and all(each.owner for each in table.rows))
    still, busy = [each for each in asked.connections(processes=True) if each.protocol == "tcp"]
    shown = {each.connection.id: each for each in table.rows}
    assert shown[still.id].connection.bytes_up == still.bytes_up == 1_000
    assert still.process is not None
    assert shown[still.id].owner.pid == still.process.pid
    await sees(pilot, lambda: shown[busy.id].up > 0)
    seen = screen(app)
    assert len(seen) == 24
    assert {len(line) for line in seen} == {80}
    assert seen[0].startswith(asked.name)
    assert "open" in seen[1]
    assert seen[2].split()[:4] == ["ID▾", "TO", "UP/s", "DOWN/s"]

    def row() -> list[str]:
        return next(line.split() for line in screen(app)[3:] if line.split()[:1] == [str(busy.id)])

    assert {"ESTAB", "python"} <= set(row())
    await sees(pilot, lambda: row()[2] == rate(shown[busy.id].up))  # once it is drawn
    for key in ("q Quit", "d DNS", "⏎ Detail", "/ Filter", "s Sort", "k Kill", "f Faults", "? Keys"):
        assert key in seen[-1], seen[-1]
    await pilot.press("s")  # by rate: who moves is first
    await sees(pilot, lambda: table.rows[0].connection.id == busy.id)
    await pilot.press("r")
    await sees(pilot, lambda: table.rows[-1].connection.id == busy.id)
    await pilot.press("slash")
    await types(pilot, "port:1")  # which is no place to look in: the line stays
    assert app.query_one("#filter", Input).has_class("open")
    await types(pilot, f"{busy.inside.port} state:est")
    assert [each.connection.id for each in table.rows] == [busy.id]
    assert f"only: {busy.inside.port} state:est" in screen(app)[0]
    await pilot.press("escape")
    assert len(table.rows) >= 2
    await pilot.press("question_mark")
    assert isinstance(app.screen, Keys)
    assert sum("Reverse" in line for line in screen(app)) == 1
    await pilot.press("escape")
    svg = app.export_screenshot()
    assert "ESTAB" in "".join(ElementTree.fromstring(svg).itertext())


async def detail(pilot: Pilot[None], app: Live, asked: Session) -> None:
    table = lines(app, "connections")
    table.cursor = busiest(table)
    chosen = table.chosen.connection
    await pilot.press("enter")
    await sees(pilot, lambda: isinstance(app.screen, DetailScreen) and len(app.screen.trail.up) > 10)
    seen = app.screen
    assert isinstance(seen, DetailScreen)
    assert seen.detail.connection.id == chosen.id
    told = asked.connection(chosen.id).info
    assert told is not None
    assert seen.detail.info is not None
    assert seen.detail.info.mss == told.mss
    facts = str(seen.query_one("#facts", Static).content)
    assert f"MSS {told.mss}" in facts
    assert f"-> host.hythe.internal:{chosen.remote.port}" in facts
    latest = seen.trail.up[-1].reached
    await sees(pilot, lambda: seen.trail.up[-1].reached >= latest + 10_000)
    assert seen.trail.up[-1].reached <= asked.connection(chosen.id).connection.bytes_up
    await sees(pilot, lambda: sum("⠀" < each <= "⣿" for each in "".join(screen(app)[7:-1])) > 20)
    legends = [screen(app)[6]]
    await pilot.press("u")
    legends.append(screen(app)[6])
    up, down = sorted(legends)
    assert up.startswith("from the command, ")
    assert {"received", "taken"} <= set(up.split())
    assert down.startswith("to the command, ")
    assert "acknowledged  SACK  sent again" in down
    await pilot.press("escape")


async def changes(pilot: Pilot[None], app: Live, asked: Session) -> None:
    await pilot.press("f")
    assert isinstance(app.screen, Ask)
    await types(pilot, "loss=much")
    await sees(pilot, lambda: any("'much'" in line for line in screen(app)))
    await types(pilot, "delay=2ms up-loss=1%")
    await sees(pilot, lambda: not isinstance(app.screen, Ask))
    assert asked.faults().words == {"delay": "2ms", "up_loss": "1%"}
    await sees(pilot, lambda: "faults: delay=2ms up-loss=1%" in screen(app)[0])
    await pilot.press("f")
    await types(pilot, "")
    await sees(pilot, lambda: not app.model.faults)
    assert asked.faults().words == {}


async def logs(pilot: Pilot[None], app: Live, asked: Session) -> None:
    await pilot.press("d")
    queries = [each for each in asked.queries() if each.type == "A"]
    assert queries
    await sees(pilot, lambda: sum("host.hythe.internal" in line for line in screen(app)) == len(asked.queries()))
    await pilot.press("e")
    await sees(pilot, lambda: any("up-loss=1%" in line for line in screen(app)))


async def ports(pilot: Pilot[None], app: Live, asked: Session) -> None:
    await pilot.press("l")
    await pilot.press("p")
    await types(pilot, "nonsense")
    await sees(pilot, lambda: isinstance(app.screen, Ask) and str(app.screen.query_one("#wrong", Static).content))
    await types(pilot, "127.0.0.1:0:7000")
    await sees(pilot, lambda: lines(app, "ports").rows)
    (published,) = asked.listeners()
    assert published.outside is not None
    await sees(pilot, lambda: any(f"127.0.0.1:{published.outside.port}" in line for line in screen(app)))  # type: ignore[union-attr]
    await pilot.press("u")
    await sees(pilot, lambda: not asked.listeners())


async def killed(pilot: Pilot[None], app: Live, asked: Session) -> None:
    await pilot.press("c")
    table = lines(app, "connections")
    table.cursor = busiest(table)
    number = table.chosen.connection.id
    await pilot.press("k")
    await sees(pilot, lambda: isinstance(app.screen, Confirm))
    await pilot.press("n")
    assert asked.connection(number).connection.ended is None
    await pilot.press("k")
    await sees(pilot, lambda: isinstance(app.screen, Confirm))
    await pilot.press("y")
    await sees(pilot, lambda: app.model.connections[number].gone)
    assert asked.connection(number).connection.error == "ECONNABORTED"
    await pilot.press("e")
    await sees(pilot, lambda: any(f"closed    {number} tcp" in line for line in screen(app)))


def test_a_session_that_ends_stays_to_be_seen_and_is_followed_when_it_is_back(nobody: Person) -> None:
    with session(nobody, "", "sleep", "60") as (running, asked):
        app = Live(Contact(asked.name, lambda name: Session(name, asked.path)), list)

        async def test(pilot: Pilot[None]) -> None:
            await sees(pilot, lambda: app.model.tick)
            running.process.terminate()
            await sees(pilot, lambda: f"the session '{asked.name}' has ended" in screen(app)[0])
            with nobody.running(f"--name {asked.name}", "sleep", "60") as again:
                await asyncio.to_thread(until, lambda: find(nobody, asked.name), again)
                await sees(pilot, lambda: not app.source.trouble and screen(app)[0].rstrip() == asked.name)
                assert app.session is not None
                assert app.session.about().since > 0
                serial = app.model.serial
                await sees(pilot, lambda: app.model.serial > serial)

        run(app, test)


@pytest.mark.parametrize("by", ["key", pytest.param("signal", marks=pytest.mark.slow)])
def test_it_leaves_a_terminal_as_it_was(root: Person, by: str) -> None:
    with session(root, "", "sleep", "60") as (_, asked):
        environment = {**needs.clean_environment(), "TERM": "xterm-256color"}
        live = f"sh -c 'echo number $$; exec {sys.executable} -m hythe live {asked.name}'"
        program = f"stty -a > before; {live}; echo status $?; stty -a > after; cmp before after && echo as it was; read end"
        with Typist("sh", "-c", f"cd $(mktemp -d); {program}", cwd=str(root.folder), env=environment) as typist:
            number = re.search(r"number (\d+)", typist.expect(r"\x1b\[\?1049h"))  # the other screen
            typist.expect(asked.name)
            assert number is not None
            if by == "key":
                typist.type("q")
            else:
                os.kill(int(number[1]), signal.SIGTERM)
            ended = typist.expect("as it was")
            assert re.search(r"\x1b\[\?1049l.*status 0", ended, re.DOTALL)


@pytest.mark.slow
def test_a_picture_is_given_up_by_a_signal(tmp_path: Path) -> None:
    picture = tmp_path / "live.svg"
    words = [sys.executable, "-m", "hythe", "live", "--picture", str(picture)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, env=needs.clean_environment()) as process:
        until(picture.exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT


def test_where_it_cannot_be_it_says_so(nobody: Person) -> None:
    """The python of others has no textual."""
    for options, sentence in (
        (["web"], "hythe live needs a terminal: hythe ps web shows the same once, and --picture FILE draws it"),
        ([], "hythe live needs a terminal: hythe ps and hythe netstat show the same once, and --picture FILE draws it"),
        (["--picture", "x.svg"], "hythe live needs the package textual: pip install 'hythe[live]'"),
    ):
        said = subprocess.run(
            [nobody.python, "-m", "hythe", "live", *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=needs.clean_environment(),
            timeout=30,
        )
        assert (said.returncode, said.stdout, said.stderr) == (
            1 + (not options or options == ["web"]),
            "",
            f"hythe: {sentence}\n",
        )
