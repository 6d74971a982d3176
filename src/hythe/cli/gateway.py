"""`hythe gateway`: the far half of a tunnel. Its peers reach the world as a command in `hythe run` does."""

from __future__ import annotations

import click

from hythe.cli.command import Command
from hythe.cli.faults import fault_options
from hythe.cli.run import SUMMARY, faults_of, page_of, policy_of, say, summarize, wants_moments
from hythe.gateway.names.resolvconf import parse_servers
from hythe.gateway.publish.publications import parse as parse_publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hythe.gateway.attend import Watcher


@click.command(cls=Command)
@click.option("--wg", "path", required=True, metavar="FILE", help="Serve the peers of this WireGuard configuration.")
@click.option("--host-loopback", is_flag=True, help="Let peers reach this machine itself, as host.hythe.internal.")
@click.option("--peer-to-peer", is_flag=True, help="Let peers reach each other: packets between them are forwarded.")
@click.option(
    "-p",
    "--publish",
    multiple=True,
    metavar="[ADDR:]HOSTPORT:PORT[/udp][@PEER]",
    help="Let outside clients reach PORT of PEER by HOSTPORT of this machine; ADDR is loopback unless given.",
)
@click.option("--proxy", metavar="FILE.toml", help="What peers may reach, how, and what is told of it: a proxy's rules.")
@click.option("--dns", metavar="ADDR[,ADDR]|none", help="Ask these resolvers, or none, instead of this machine's.")
@click.option("--capture", metavar="FILE", help="Write every packet to FILE (pcapng), as the peers see it.")
@click.option(
    "--summary",
    is_flag=False,
    flag_value="text",
    metavar=SUMMARY,
    help="Tell of all connections at the end: as a table or a waterfall on standard error, or a page.",
)
@click.option("--name", metavar="NAME", help="Call the session so in hythe ps.  [default: gateway]")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each connection as it opens and ends.")
@click.option("-q", "--quiet", is_flag=True, help="Print no notices.")
@fault_options
def command(
    path: str,
    host_loopback: bool,
    peer_to_peer: bool,
    publish: tuple[str, ...],
    proxy: str | None,
    dns: str | None,
    capture: str | None,
    summary: str | None,
    name: str | None,
    verbose: bool,
    quiet: bool,
    seed: int | None,
    **faults: str | None,
) -> int:
    """Serve the peers of a WireGuard configuration, without root.

    What they connect to is reached through this machine's sockets; names are answered at this side's address. SIGHUP has
    FILE read again: peers come and go, and the others notice nothing.
    """
    page = page_of(summary)
    from hythe.gateway.peers.serve import serve

    def follow() -> Watcher:
        from hythe.view.follow import Follower

        return Follower(say, verbose=verbose, quiet=quiet)

    policy = policy_of(proxy, "gateway")
    session = serve(
        path,
        follow,
        host_loopback=host_loopback,
        peer_to_peer=peer_to_peer,
        dns=parse_servers(dns) if dns is not None else None,
        publish=[each for text in publish for each in parse_publication(text)],
        capture=capture,
        faults=faults_of(faults, seed),
        moments=wants_moments(summary),
        name=name,
        policy=policy,
        routes=policy.routes if policy is not None else (),
    )
    if summary is not None:
        summarize(session, summary, f"hythe gateway --wg {path}", page, peers=True)
    return 0
