"""Every parser of bytes that come from a wire or a file of somebody else's, as a function of bytes.

A target returns normally or raises `ParseError`; anything else is a bug. Each has a folder of inputs under ``corpus``, and a
folder without a target, or a target without one, fails the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hythe.config import HostConfig, WireguardConfig
from hythe.errors import ParseError, UsageError
from hythe.host.fragments import Reassembler, fragment4, fragment6
from hythe.host.hostsfile import HostsFile
from hythe.host.resolvconf import parse_resolv_conf
from hythe.proxy import proxyprotocol
from hythe.tunnel.ftp.control import Announced, Control, DoorWanted, Held
from hythe.tunnel.ftp.messages import Endpoint
from hythe.tunnel.socks import server as socks_server
from hythe.tunnel.socks.client import RejectedError, request4, request5
from hythe.tunnel.socks.messages import parse_datagram
from hythe.tunnel.socks.server import UnwelcomeError
from hythe.tunnel.socks.steps import Steps
from hythe.tunnel.wireguard.config import parse as parse_wireguard
from hythe.tunnel.wireguard.device import Device
from hythe.tunnel.wireguard.joining import Joiner
from hythe.view.dump.printer import Printer
from hythe.view.dump.show import Style
from hythe.view.filter import Filter, FilterError, Names
from hythe.view.layers.conversation import Choice, Conversations
from hythe.view.layers.page import page
from hythe.view.layers.plain import plain
from hythe.view.layers.text import packet_text
from hythe.wire import (
    arp,
    dhcp,
    dns,
    dnsmessage,
    ethernet,
    gso,
    icmp,
    icmpv6,
    ipv4,
    ipv6,
    mld,
    ndp,
    options,
    pcap,
    pcapng,
    quote,
    segment,
    tls,
    udp,
)
from hythe.wire.packet import PARTIAL, Packet

#: Of the device that is fuzzed, and which the corpus's messages are for.
_WIREGUARD: Final = f"""[Interface]
PrivateKey = {"CAgI" * 10}CAg=
[Peer]
PublicKey = {"CQkJ" * 10}CQk=
AllowedIPs = 10.0.0.0/8, fd00::/8
"""
_SIX: Final = bytes.fromhex("20010db8000000000000000000000001")


def _ipv4(data: bytes) -> None:
    header = ipv4.parse(data, len(data))
    assert 20 <= header.header_length <= header.total_length <= len(data)


def _ipv6(data: bytes) -> None:
    header = ipv6.parse(data, len(data))
    assert ipv6.HEADER_SIZE <= header.payload_offset <= header.end <= len(data)


def _segment(data: bytes) -> None:
    packet = Packet().fill(data, 0, PARTIAL)
    for found in (segment.read4(packet), segment.read6(packet)):
        if found is not None:
            assert found.size == len(found.payload) <= len(data)


def _udp(data: bytes) -> None:
    packet = Packet().fill(data, 0, PARTIAL)
    for found in (udp.read4(packet), udp.read6(packet)):
        if found is not None:
            assert len(found.payload) <= len(data)


def _options(data: bytes) -> None:
    """What was understood can be written again, if it fits, and means the same then."""
    read = options.parse(data[: options.OPTIONS_MAX])
    if sum(2 + len(rest) for _, rest in read.unknown) + len(data) <= options.OPTIONS_MAX // 2:
        assert options.parse(options.build(read)) == read


def _icmpv6(data: bytes) -> None:
    icmpv6.parse(data, len(data), _SIX, _SIX, False)


def _ndp(data: bytes) -> None:
    ndp.parse(data, len(data), _SIX, _SIX, verify=False)


def _fragments(data: bytes) -> None:
    """Two halves of the input, each a packet."""
    reassembler = Reassembler(HostConfig(fragment_memory=1 << 16))
    middle = len(data) // 2
    for part in (data[:middle], data[middle:], data):
        try:
            reassembler.add(part, len(part), 0)
        finally:
            assert 0 <= reassembler.held <= 1 << 16
    reassembler.expire(1 << 62)
    assert reassembler.held == 0


def _fragmenting(data: bytes) -> None:
    try:
        pieces = fragment6(data, 1_280, 7) if data[:1] and data[0] >> 4 == 6 else fragment4(data, 576)
    except ValueError:
        return  # ParseError is one; so is "may not be fragmented"
    assert all(len(piece) <= 1_280 for piece in pieces)


_LINK_TYPES: Final = (
    pcapng.LINKTYPE_ETHERNET,
    pcapng.LINKTYPE_RAW,
    pcapng.LINKTYPE_NULL,
    pcapng.LINKTYPE_LINUX_SLL,
    pcapng.LINKTYPE_LINUX_SLL2,
)


class _NoNames(Names):
    """Nobody is asked."""

    __slots__ = ()

    def addresses(self, name: str) -> list[bytes]:
        return []


def _filter(data: bytes) -> None:
    """What means something can be run, on anything."""
    try:
        passes = Filter(data.decode("latin-1"), _NoNames()).predicate(1)
    except FilterError as error:
        raise ParseError("means nothing") from error
    assert passes(data, len(data)) in (False, True)


def _dump(data: bytes) -> None:
    """A frame that nobody can read is shown as far as it goes: there is no error, and always some text."""
    packet = pcapng.CapturedPacket(pcapng.Interface("", pcapng.LINKTYPE_ETHERNET, 0, 1_000_000), 0, data, len(data))
    for verbose in (0, 3):
        assert Printer(Style(verbose=verbose, link=True)).text(packet)


def _layers(data: bytes) -> None:
    """The first byte chooses a link type. Whatever follows has tables, and no field lies outside of the packet."""
    linktype = _LINK_TYPES[data[0] % len(_LINK_TYPES)] if data else _LINK_TYPES[0]
    packet = pcapng.CapturedPacket(pcapng.Interface("", linktype, 0, 1_000_000), 0, data[1:], len(data))
    for shown in Conversations().chosen([packet], Choice()):
        assert packet_text(shown, 80, fields=True)
        assert plain(shown)["tables"]
        assert page([shown])
        for header in shown.dissection.headers:
            assert header.at + header.size <= len(data[1:])


def _pcap(data: bytes) -> None:
    reader = pcap.Reader()
    for _ in reader.feed(data):
        pass
    reader.end()


def _gso(data: bytes) -> None:
    if data:
        gso.cut(data[1:], len(data) - 1, 4 * data[0], PARTIAL)


def _steps(data: bytes, steps: Steps[object]) -> None:
    """Give a negotiation all that it asks for, as long as there is some."""
    try:
        step = next(steps)
        while len(data) >= step.need:
            read, data = data[: step.need], data[step.need :]
            step = steps.send(read)
    except StopIteration:
        return
    except (RejectedError, UnwelcomeError) as error:
        raise ParseError(str(error)) from error
    raise ParseError("cut off")


def _socks_server(data: bytes) -> None:
    def negotiation(password: bool) -> Steps[object]:
        greeting = yield from socks_server.greeting(password=password)
        return greeting.request or (yield from socks_server.request5())

    _steps(data, negotiation(data[1:3] == b"\1\2"))


def _socks_client(data: bytes) -> None:
    five = data[:1] == b"\5"
    login = ("me", "secret")
    _steps(data, request5(1, "a.example", 80, login) if five else request4(1, "a.example", 80, "me"))


def _wireguard(data: bytes) -> None:
    """A device under no load and one under load: whatever comes, nothing comes out of it, and nobody becomes a peer."""
    configuration = parse_wireguard(_WIREGUARD)
    for load in (0, 1_000_000):
        settings = WireguardConfig(load_handshakes=load)
        device = Device(configuration, settings, lambda: 0, bytes)
        joiner = Joiner(4)
        joiner.begin(4)
        assert device.receive(memoryview(data), 0, len(data) or 1, ("192.0.2.1", 7), 3, 0, joiner) == len(data)
        assert not joiner.finish()
        (peer,) = device.peers.values()
        assert peer.endpoint is None
        assert len(device.outbox) <= 1


def _wireguard_joining(data: bytes) -> None:
    """What peers send may be anything: packets that are joined come apart as they were."""
    size = 1 + (data[0] if data else 0)
    packets = [each for at in range(1, len(data), size) if _is_as_long_as_it_says(each := data[at : at + size])]
    joiner = Joiner(max(1, len(packets)))
    joiner.begin(len(packets))
    for each in packets:
        if not joiner.join(each, len(each)):
            joiner.add(each)
    found: list[bytes] = []
    for slot in joiner.finish():
        whole = slot.keep()
        found += gso.cut(whole, len(whole), slot.gso_size, PARTIAL) if slot.gso_size else [whole]
    assert [len(each) for each in found] == [len(each) for each in packets]


def _is_as_long_as_it_says(packet: bytes) -> bool:
    if packet[0] >> 4 == 4:
        return 20 <= len(packet) == int.from_bytes(packet[2:4], "big")
    return packet[0] >> 4 == 6 and len(packet) - 40 == int.from_bytes(packet[4:6], "big")


def _wireguard_config(data: bytes) -> None:
    try:
        parse_wireguard(data.decode("utf-8", "replace"))
    except UsageError as error:
        raise ParseError("says why") from error


def _ftp(data: bytes) -> None:
    """Those that begin with a digit or a space are the server's. What is asked of the shell is done; nobody is led away."""
    control = Control("192.0.2.1", "192.0.2.9")
    for line in data.splitlines(keepends=True):
        (control.receive_server if line[:1].isdigit() or line[:1] == b" " else control.receive_client)(line)
        while control.events:
            event = control.events.popleft()
            if isinstance(event, Announced) and event.near is None:
                control.listening(4_000)
            elif isinstance(event, DoorWanted):
                control.door(Endpoint("198.51.100.1", 5_000))
            elif isinstance(event, Held):
                control.go(joined=True)
    asked = [line for line in bytes(control.to_server).split(b"\r\n") if re.match(rb"(?i)(PORT|EPRT)(?![A-Z])", line)]
    assert control.raw or set(asked) <= {b"PORT 198,51,100,1,19,136"}


def _beginning(read: Callable[[bytes], object], data: bytes) -> None:
    """What is incomplete asks for more than there is."""
    need = read(data)
    if isinstance(need, int):
        assert need > len(data)
        raise ParseError("cut off")


TARGETS: Final[Mapping[str, Callable[[bytes], object]]] = MappingProxyType(
    {
        "arp": lambda data: arp.parse(data, len(data)),
        "client-hello": lambda data: _beginning(tls.read, data),
        "dhcp": lambda data: dhcp.parse(data, len(data)),
        "dns-query": lambda data: dns.parse_query(data, len(data)),
        "dns-response": lambda data: dnsmessage.parse_message(data, len(data)),
        "dump": _dump,
        "ethernet": lambda data: ethernet.parse(data, len(data)),
        "filter": _filter,
        "fragmenting": _fragmenting,
        "fragments": _fragments,
        "ftp": _ftp,
        "gso": _gso,
        "hosts": lambda data: HostsFile(data.decode("utf-8", "replace")),
        "icmp": lambda data: icmp.parse(data, len(data), False),
        "icmpv6": _icmpv6,
        "ipv4": _ipv4,
        "ipv6": _ipv6,
        "layers": _layers,
        "mld": lambda data: mld.parse_query(data, len(data), _SIX, _SIX, verify=False),
        "ndp": _ndp,
        "options": _options,
        "pcap": _pcap,
        "pcapng": lambda data: list(pcapng.read(data)),
        "proxy-protocol": lambda data: _beginning(proxyprotocol.read, data),
        "quote4": quote.parse4,
        "quote6": quote.parse6,
        "resolv-conf": lambda data: parse_resolv_conf(data.decode("utf-8", "replace")),
        "segment": _segment,
        "server-hello": lambda data: _beginning(tls.read_answer, data),
        "socks-client": _socks_client,
        "socks-datagram": parse_datagram,
        "socks-server": _socks_server,
        "udp": _udp,
        "wireguard": _wireguard,
        "wireguard-config": _wireguard_config,
        "wireguard-joining": _wireguard_joining,
    }
)
