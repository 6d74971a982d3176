"""`hythe.Resolver`: names to addresses and back, through this machine's sockets or a hythe host's own stack.

    resolver = hythe.Resolver("9.9.9.9", "[2620:fe::fe]:53")
    print(await resolver.resolve("example.com"), await resolver.reverse("9.9.9.9"))

A host that is given ``nameservers=`` has one of its own, whose packets are the host's. `hythe.host` decides (`Lookup` what
to ask, `Inquiry` whom, how often and what to believe); `inquiring` carries the messages.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import socket
from collections.abc import Sequence
from random import Random, SystemRandom
from typing import Final, Self

from hythe.aio.asking import Sharing
from hythe.aio.inquiring import Errand, Kernel, Stack
from hythe.config import ResolverConfig
from hythe.errors import UsageError
from hythe.host.answers import Answers
from hythe.host.hostsfile import PATH as HOSTS
from hythe.host.hostsfile import HostsFile
from hythe.host.inquiry import Inquiry, Outcome
from hythe.host.lookup import Found, Lookup, Status
from hythe.host.resolvconf import parse_resolv_conf
from hythe.services.ports import port_number
from hythe.units import SECOND
from hythe.wire import dns
from hythe.wire.dnsmessage import Question, Record, lower
from hythe.wire.dnstext import name_text, parse_name_text
from hythe.wire.resolvconf import PATH as RESOLV_CONF
from hythe.wire.resolvconf import PORT

#: What a connection needs: IPv6 first, as RFC 6724 prefers it where it works.
ADDRESSES: Final = (dns.AAAA, dns.A)
_EAI: Final = (
    (Status.NO_SUCH_NAME, socket.EAI_NONAME),
    (Status.NO_DATA, socket.EAI_NODATA),
    (Status.SERVER_FAILED, socket.EAI_AGAIN),
    (Status.UNREACHABLE, socket.EAI_AGAIN),
)


class Resolver:
    """Asks name servers. Many look-ups may go on at once.

    `servers`: each ``"9.9.9.9"``, ``"127.0.0.1:5353"`` or ``"[2620:fe::fe]:53"``, in order. `search`: domains for names that
    are not whole. `config`: everything else there is to set. `hosts`: names that need no server. `via`: the `hythe.Host`
    whose stack carries queries; None for this machine's sockets. `random`: only a test gives its own.
    Raises `UsageError` for a server that is no address.
    """

    def __init__(
        self,
        *servers: str,
        search: Sequence[str] = (),
        config: ResolverConfig | None = None,
        hosts: HostsFile | None = None,
        via: Stack | None = None,
        random: Random | None = None,
    ) -> None:
        config = config or ResolverConfig()
        if servers:
            config = dataclasses.replace(config, servers=tuple(parse_server(each) for each in servers))
        if search:
            config = dataclasses.replace(config, search=tuple(search))
        if not config.servers:
            raise UsageError("a resolver needs a name server: give it an address, for example hythe.Resolver('9.9.9.9')")
        self.config = config
        self.hosts = hosts or HostsFile()
        self._stack = via or Kernel()
        self._random = random or SystemRandom()
        self._answers = Answers(config)
        self._asking = Sharing(self._inquire)
        self._first = 0

    @classmethod
    def of_machine(cls, *servers: str, via: Stack | None = None, config: ResolverConfig | None = None) -> Self:
        """As this machine looks names up: /etc/hosts, and the servers, search list and options of /etc/resolv.conf.

        `servers` and `config` are asked and hold instead of what resolv.conf says.
        """
        return cls(*servers, config=config or machine_config(), hosts=HostsFile(_read(HOSTS)), via=via)

    def __repr__(self) -> str:
        return f"<hythe.Resolver {' '.join(f'{address}#{port}' for address, port in self.config.servers)}>"

    # --- What programs want

    async def resolve(self, name: str) -> list[str]:
        """The addresses of a name, best first. Raises `socket.gaierror` when there are none."""
        try:
            if (numeric := _address(name)) is not None:
                return [str(numeric)]
            found = await self.lookup(name)
        except UsageError as error:
            raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
        return [str(ipaddress.ip_address(each)) for each in _checked(found).addresses()]

    async def __call__(self, name: str) -> list[str]:
        """As `resolve`, so that a resolver can be a host's ``resolve=``."""
        return await self.resolve(name)

    async def reverse(self, address: str) -> list[str]:
        """The names of an address. Raises `socket.gaierror` when there are none, `UsageError` when it is no address."""
        return _checked(await self.lookup_address(address)).pointers()

    # --- All there is to know

    async def lookup(self, name: str, *kinds: int) -> Found:
        """Look up records of the types `kinds` (numbers), A and AAAA unless given: first in the hosts file, then by DNS.

        Whatever comes of it is in the result. Raises `UsageError` for what cannot be a name.
        """
        kinds = kinds or ADDRESSES
        if set(kinds) <= set(ADDRESSES):
            known = self._known(name, kinds)
            if known is not None:
                return known
        try:
            lookup = Lookup(_ascii(name), kinds, self.config)
        except ValueError as error:
            raise UsageError(str(error)) from error
        while questions := lookup.questions():
            outcomes = await asyncio.gather(*(self._ask(each) for each in questions))
            for question, outcome in zip(questions, outcomes, strict=True):
                lookup.learn(question, outcome)
        return lookup.found

    async def lookup_address(self, address: str) -> Found:
        """Look up the names of an address: PTR records. Raises `UsageError` when it is none."""
        numeric = _address(address)
        if numeric is None:
            raise UsageError(f"{address!r} is not an address: write for example 192.0.2.1 or 2001:db8::1")
        name = dns.reverse_name(numeric.packed)
        names = self.hosts.names(numeric.packed)
        if names:
            records = [Record(name, dns.PTR, 0, dns.build_name(parse_name_text(each))) for each in names]
            return Found(address, Status.FOUND, dns.NOERROR, name_text(name), records=records, source=HOSTS)
        return await self.lookup(name_text(name) + ".", dns.PTR)

    def _known(self, name: str, kinds: Sequence[int]) -> Found | None:
        addresses = self.hosts.addresses(name)
        if not addresses:
            return None
        labels = parse_name_text(_ascii(name))
        kind = {4: dns.A, 16: dns.AAAA}
        records = [Record(labels, kind[len(each)], 0, each) for each in addresses if kind[len(each)] in kinds]
        status = Status.FOUND if records else Status.NO_DATA
        source = HOSTS if self.hosts.says(name) else "RFC 6761"
        return Found(name, status, dns.NOERROR, name_text(labels), records=records, source=source)

    async def _ask(self, question: Question) -> Outcome:
        now = int(asyncio.get_running_loop().time() * SECOND)
        question = dataclasses.replace(question, name=lower(question.name))
        return self._answers.get(question, now) or await self._asking.get(question)

    async def _inquire(self, question: Question) -> Outcome:
        loop = asyncio.get_running_loop()
        first = self._first
        if self.config.rotate:
            self._first = (first + 1) % len(self.config.servers)
        inquiry = Inquiry(question, self.config, self._random, int(loop.time() * SECOND), first)
        outcome = await Errand(self._stack, inquiry).run()
        self._answers.put(question, outcome, int(loop.time() * SECOND))
        return outcome


def machine_config() -> ResolverConfig:
    """What /etc/resolv.conf says now; a missing file is like an empty one."""
    return parse_resolv_conf(_read(RESOLV_CONF))


def parse_server(text: str) -> tuple[str, int]:
    """(address, port) of a name server. Raises `UsageError`."""
    host, port = text, str(PORT)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port if bracket and not rest else ""
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    number = port_number(port, "udp")
    if _address(host) is None or not number:
        raise UsageError(f"{text!r} is no name server: write for example 9.9.9.9, 127.0.0.1:5353 or [2620:fe::fe]:53")
    return host, number


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _ascii(name: str) -> str:
    """A name in the letters of DNS (RFC 3490). Raises `UsageError`."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UsageError(f"{name!r} cannot be a name: {error}") from error


def _checked(found: Found) -> Found:
    """`found`, if it is. Raises `socket.gaierror`."""
    for status, number in _EAI:
        if found.status is status:
            reason = f" ({found.reason})" if found.reason else ""
            raise socket.gaierror(number, f"{found.name!r} cannot be resolved: {status.value}{reason}")
    return found


def _read(path: str) -> str:
    """A file of the machine's; a missing one, or one that we may not read, is like an empty one, as to glibc."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
