"""`hythe host`: names to addresses and back, by hand."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress

import click

from hythe.aio.resolver import Resolver, machine_config, parse_server
from hythe.cli.command import Command
from hythe.config import ResolverConfig
from hythe.errors import MachineError, UsageError
from hythe.host.lookup import Found, Status
from hythe.host.resolvconf import is_address
from hythe.view.found import as_json, asked, sentences
from hythe.wire import dns
from hythe.wire.dnsmessage import MX
from hythe.wire.dnstext import type_number


@click.command(cls=Command)
@click.option(
    "-t", "--type", "kind", metavar="TYPE", help="Look up records of this type, such as MX, TXT or TYPE731, by DNS alone."
)
@click.option("-4", "only4", is_flag=True, help="Look up IPv4 addresses only.")
@click.option("-6", "only6", is_flag=True, help="Look up IPv6 addresses only.")
@click.option("--tcp", is_flag=True, help="Ask over TCP at once, not only where an answer is too long for UDP.")
@click.option(
    "--via",
    multiple=True,
    metavar="WAY",
    help="Ask SERVER over TCP through socks5://HOST, http://HOST, ssh://HOST, wg:FILE.",
)
@click.option("--stack", is_flag=True, help="Ask through hythe's own TCP/IP stack, behind a gateway as in `hythe run`.")
@click.option("--json", "structured", is_flag=True, help="Print one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="Tell what was asked, and every record of the answers.")
@click.argument("name", metavar="NAME|ADDRESS")
@click.argument("server", required=False)
def command(
    name: str,
    server: str | None,
    kind: str | None,
    only4: bool,
    only6: bool,
    tcp: bool,
    via: tuple[str, ...],
    stack: bool,
    structured: bool,
    verbose: bool,
) -> int:
    """Look up NAME, or the names of ADDRESS, as this machine does: in /etc/hosts, then by DNS.

    SERVER (ADDRESS, ADDRESS:PORT or a name) is asked instead of /etc/hosts and the servers of /etc/resolv.conf.
    """
    if only4 and only6:
        raise UsageError("-4 and -6 exclude each other: leave both out for both families")
    if via and stack:
        raise UsageError("--via leads out by itself: leave --stack out")
    reverse = is_address(name)
    kinds = _kinds(kind, only4=only4, only6=only6, reverse=reverse)
    found, servers, config = asyncio.run(_look_up(name, server, kinds, own=kind is None, tcp=tcp, stack=stack, via=via))
    if structured:
        click.echo(as_json(found, servers))
    else:
        if server is not None:
            address, port = config.servers[0]
            click.echo(f"Using domain server:\nName: {server}\nAddress: {address}#{port}\nAliases: \n")
        for line in asked(found, servers) if verbose else ():
            click.echo(line)
        if found.status is Status.UNREACHABLE:
            remedy = (
                "name another SERVER"
                if server is not None or via
                else "check /etc/resolv.conf, or name a SERVER that answers"
            )
            raise MachineError(f"no name server could be reached ({found.reason}): {remedy}")
        for line in sentences(found, kinds):
            click.echo(line)
    return 0 if found.status is Status.FOUND else 1


def _kinds(kind: str | None, *, only4: bool, only6: bool, reverse: bool) -> tuple[int, ...]:
    number = type_number(kind) if kind is not None else None
    if kind is not None and number is None:
        raise UsageError(f"-t {kind} is no type of record: write for example A, AAAA, MX, TXT, NS, SOA, SRV, PTR or TYPE731")
    if reverse:
        if number not in (None, dns.PTR):
            raise UsageError(f"-t {kind} asks about a name, not about an address: leave -t out")
        return (dns.PTR,)
    if number is not None:
        return (number,)
    return (dns.A,) if only4 else (dns.AAAA,) if only6 else (dns.A, dns.AAAA, MX)


async def _look_up(
    name: str,
    server: str | None,
    kinds: tuple[int, ...],
    *,
    own: bool,
    tcp: bool,
    stack: bool,
    via: tuple[str, ...],
) -> tuple[Found, tuple[tuple[str, int], ...], ResolverConfig]:
    """What is found, whom we asked (with `stack` the gateway), and whose names these are. `own`: /etc/hosts may know it."""
    if via:
        config = _far_servers(via) if server is None else ResolverConfig(servers=(parse_server(server),))
        return await _look_up_by(via, name, dataclasses.replace(config, use_tcp=True), kinds)
    config = dataclasses.replace(machine_config(), use_tcp=tcp)
    if server is not None:
        config = dataclasses.replace(config, servers=(await _server(server),))
        own = False
    machine = Resolver.of_machine(config=config)
    known = own and _own(machine, name)
    if known and dns.PTR not in kinds:
        kinds = tuple(kind for kind in kinds if kind != MX)
    async with _resolver(machine if known else Resolver(config=config), config, stack=stack and not known) as resolver:
        if kinds == (dns.PTR,) and is_address(name):
            found = await resolver.lookup_address(name)
        else:
            found = await resolver.lookup(name, *kinds)
    return found, resolver.config.servers, config


def _far_servers(via: tuple[str, ...]) -> ResolverConfig:
    """Those of a WireGuard file; no other way tells which its far end asks."""
    from hythe.via.spec import parse_all

    last = parse_all(via)[-1].hops[-1]
    if last.scheme != "wg" or len(via) > 1:
        raise UsageError("--via leads to a far end, whose servers are not known here: name a SERVER")
    from hythe.tunnel.wireguard.config import read

    configuration = read(last.path)
    if not configuration.dns:
        raise UsageError(f"{configuration.source} has no DNS = line: add one, or name a SERVER")
    return ResolverConfig(servers=tuple((str(each), 53) for each in configuration.dns), search=configuration.search)


async def _look_up_by(
    via: tuple[str, ...], name: str, config: ResolverConfig, kinds: tuple[int, ...]
) -> tuple[Found, tuple[tuple[str, int], ...], ResolverConfig]:
    """The same through a way: nothing of this machine's own takes part, neither hosts nor domains to search."""
    from hythe.via.make import make_all
    from hythe.via.spec import parse_all
    from hythe.via.stack import WayStack

    way = make_all(parse_all(via))
    try:
        resolver = Resolver(config=config, via=WayStack(way))
        reverse = kinds == (dns.PTR,) and is_address(name)
        found = await resolver.lookup_address(name) if reverse else await resolver.lookup(name, *kinds)
    finally:
        await way.close()
    return found, config.servers, config


def _resolver(plain: Resolver, config: ResolverConfig, *, stack: bool) -> contextlib.AbstractAsyncContextManager[Resolver]:
    if not stack:
        return contextlib.nullcontext(plain)
    from hythe.gateway.guest import guest_resolver

    return guest_resolver(config.servers, config)


def _own(machine: Resolver, name: str) -> bool:
    """Does /etc/hosts know it?"""
    if is_address(name):
        return bool(machine.hosts.names(ipaddress.ip_address(name).packed))
    return bool(machine.hosts.addresses(name))


async def _server(text: str) -> tuple[str, int]:
    """A server by its address, or by its name."""
    try:
        return parse_server(text)
    except UsageError:
        if ":" in text or "#" in text:
            raise
    try:
        return parse_server((await Resolver.of_machine().resolve(text))[0])
    except OSError as error:
        raise MachineError(f"the server {text!r} cannot be asked, {error.strerror}: write its address") from error
