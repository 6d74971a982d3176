"""`hythe run`: any command, without root, on a network of its own."""

from __future__ import annotations

import contextlib
import os

import click

from hythe.cli.command import Command
from hythe.cli.faults import fault_options
from hythe.errors import MachineError, UsageError
from hythe.gateway.names.resolvconf import parse_servers
from hythe.gateway.options import RunOptions
from hythe.gateway.publish.publications import parse as parse_publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from hythe.gateway.attend import Watcher
    from hythe.gateway.faults import Faults
    from hythe.gateway.relay.plan import TunnelPlan
    from hythe.gateway.session import Session
    from hythe.proxy.transparent import Plan
    from hythe.via.spec import Route


#: What `--summary` may be; those behind the second take moments. A name with this end is a page's.
_SUMMARIES = ("text", "json", "waterfall", "waterfall-json")
_PAGE = ".html"
SUMMARY = "[text|json|waterfall|waterfall-json|FILE.html]"


@click.command(cls=Command, context_settings={"allow_interspersed_args": False})
@click.option(
    "--host-loopback",
    is_flag=True,
    help="Let the command reach this machine's own loopback and addresses, as host.hythe.internal.",
)
@click.option(
    "-p",
    "--publish",
    multiple=True,
    metavar="[ADDR:]HOSTPORT:PORT[/udp]",
    help="Let outside clients reach the command's PORT by HOSTPORT of this machine; ADDR is loopback unless given.",
)
@click.option(
    "--via",
    multiple=True,
    metavar="WAY[,WAY…][ for DEST…]",
    help="Reach the world, or what follows 'for', by socks5://HOST, http://HOST, ssh://HOST, wg:FILE, or a chain of them.",
)
@click.option("--proxy", metavar="FILE.toml", help="What COMMAND may reach, how, and what is told of it: a proxy's rules.")
@click.option("--dns", metavar="ADDR[,ADDR]|none", help="Ask these resolvers, or none, instead of this machine's.")
@click.option("--mtu", type=int, metavar="N", help="Make packets so long at most.  [default: 65520, with faults 1500]")
@click.option("-4", "only4", is_flag=True, help="Give it IPv4 only.")
@click.option("-6", "only6", is_flag=True, help="Give it IPv6 only.")
@click.option("--capture", metavar="FILE", help="Write every packet to FILE (pcapng), as the command sees it.")
@click.option(
    "--keylog",
    is_flag=True,
    help="Write the secrets of its TLS into the capture, so that it opens decrypted (SSLKEYLOGFILE).",
)
@click.option(
    "--summary",
    is_flag=False,
    flag_value="text",
    metavar=SUMMARY,
    help="Tell of all connections at the end: as a table or a waterfall on standard error, or a page.",
)
@click.option("--name", metavar="NAME", help="Call the session so in hythe ps.  [default: made of COMMAND]")
@click.option("--wait", is_flag=True, help="Wait for processes that the command leaves in the background.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each connection as it opens and ends.")
@click.option("-q", "--quiet", is_flag=True, help="Print no notices.")
@fault_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    command: tuple[str, ...],
    only4: bool,
    only6: bool,
    host_loopback: bool,
    publish: tuple[str, ...],
    via: tuple[str, ...],
    proxy: str | None,
    dns: str | None,
    mtu: int | None,
    capture: str | None,
    keylog: bool,
    summary: str | None,
    name: str | None,
    wait: bool,
    verbose: bool,
    quiet: bool,
    seed: int | None,
    **faults: str | None,
) -> int:
    """Run COMMAND on a network of its own.

    It runs as ever, and keeps its user, directory, terminal and exit status; only the network is another. That one's far
    end is hythe's TCP/IP stack, and what COMMAND connects to is reached from there by this machine's sockets.
    """
    page = page_of(summary, ", then -- COMMAND")
    if only4 and only6:
        raise UsageError("-4 and -6 exclude each other: leave both out for both families")
    if capture == "-":
        raise UsageError(
            "--capture - would write packets among what COMMAND prints: name a file, or a pipe that you made with mkfifo"
        )
    if keylog and capture is None:
        raise UsageError("--keylog puts secrets into a capture, and there is none: add --capture FILE")
    from hythe.gateway.run import run

    wire = faults_of(faults, seed)

    def follow() -> Watcher:
        from hythe.view.follow import Follower  # once the command's room is forked

        return Follower(say, verbose=verbose, quiet=quiet)

    if proxy is not None and via:
        raise UsageError(f"--via and --proxy exclude each other: write via = … into [transparent] of {proxy}")
    policy = policy_of(proxy, "run")
    tunnel, routes = _ways(via)
    options = RunOptions(
        command,
        mtu=mtu,
        families=frozenset({4} if only4 else {6} if only6 else {4, 6}),
        host_loopback=host_loopback,
        dns=parse_servers(dns) if dns is not None else None,
        publish=[each for text in publish for each in parse_publication(text)],
        capture=capture,
        keylog=keylog,
        moments=wants_moments(summary),
        wait=wait,
        faults=wire,
        name=name,
        tunnel=tunnel,
        routes=policy.routes if policy is not None else routes,
        policy=policy,
    )
    status, session = run(options, follow)
    if summary is not None:
        from shlex import join  # the command has run

        summarize(session, summary, f"hythe run: {join(command)}", page)
    return status


def _ways(texts: tuple[str, ...]) -> tuple[TunnelPlan | None, Sequence[Route]]:
    """What `--via` means: a tunnel of packets, and ways of streams. Raises `UsageError`, `MachineError`."""
    if not texts:
        return None, ()
    from hythe.gateway.relay.routing import tunnel_of  # start-up pays for what is used
    from hythe.via.spec import parse_all

    return tunnel_of(parse_all(texts))


def policy_of(path: str | None, kind: str) -> Plan | None:
    """What ``--proxy`` means. Raises `UsageError`, `MachineError`."""
    if path is None:
        return None
    from hythe.proxy.transparent import Plan  # start-up pays for what is used

    return Plan(path, kind)


def faults_of(words: dict[str, str | None], seed: int | None) -> Faults | None:
    """What the options say, None for none of them. Raises `UsageError`."""
    if seed is None and all(each is None for each in words.values()):
        return None
    from hythe.gateway.faults import parse  # start-up pays for what is used

    return parse(words, seed)


def wants_moments(summary: str | None) -> bool:
    """Does it tell when things happened?"""
    return summary is not None and (summary in _SUMMARIES[2:] or summary.endswith(_PAGE))


def page_of(summary: str | None, rest: str = "") -> BinaryIO | None:
    """The file for a page, if `--summary` means one, before anything runs. `rest`: of what to write instead.

    Raises `MachineError`, and `UsageError` where it means nothing.
    """
    if summary is None or summary in _SUMMARIES:
        return None
    if not summary.endswith(_PAGE):
        raise UsageError(
            f"--summary={summary} is not possible: write --summary or --summary=json, =waterfall, =waterfall-json or "
            f"=FILE{_PAGE}{rest}"
        )
    return _open_page(summary)


def _open_page(path: str) -> BinaryIO:
    try:
        return open(path, "wb")
    except OSError as error:
        raise MachineError(
            f"the page {path!r} cannot be written ({error.strerror}): name a file in a directory you may write to"
        ) from error


def _write_page(page: BinaryIO, text: str) -> None:
    """A full disk must not cost the command its status either."""
    try:
        with page:
            page.write(text.encode())
    except OSError as error:
        say(f"hythe: the page {page.name!r} is not complete: {error.strerror}")


def summarize(session: Session, form: str, title: str, page: BinaryIO | None = None, *, peers: bool = False) -> None:
    """Tell of the connections in one of `_SUMMARIES`, or into the page. `title`: what ran; `peers`: of a tunnel, inside."""
    from time import monotonic_ns

    now = monotonic_ns()
    if form in _SUMMARIES[:2]:
        from hythe.gateway.api.lookups import name_all
        from hythe.view.summary import as_json, table

        name_all(session)
        records = session.records()
        text = as_json(records, session.began, now) if form == "json" else table(records, now, session.forgotten())
        say(text.removesuffix("\n"))
        return
    from hythe.view.waterfall.gather import of_session

    found = of_session(session, now, peers=peers)
    if page is not None:
        from hythe.view.waterfall.page import page as document

        _write_page(page, document(found, title))
    elif form == "waterfall-json":
        from json import dumps

        from hythe.session.plain import plain

        say(dumps(plain(found), indent=2))
    else:
        from hythe.view.waterfall.text import drawn, terminal

        say(drawn(found, *terminal(2)).removesuffix("\n"))


def say(text: str) -> None:
    """To standard error, if anybody is there: a full disk or a closed pipe must not cost the command its status.

    Past Python's own buffer, which would try again at the end, and fail with a status of its own.
    """
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="surrogateescape"))
