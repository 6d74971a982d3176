"""Addresses that never leave a host are not spoken to, and not listened to, by a wire: RFC 1122, 3.2.1.3 (g)."""

from __future__ import annotations

import errno

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from hythe.host.interfaces import Prefix
from hythe.host.routes import Route
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6, Lone, packed

INNER = ["127.0.0.1", "127.9.8.7", "::1"]


def packets(source: str, destination: str) -> list[IP | IPv6]:
    if ":" in source:
        head, echo = IPv6(src=source, dst=destination), ICMPv6EchoRequest()
    else:
        head, echo = IP(src=source, dst=destination), ICMP()
    return [head / TCP(dport=80, sport=5, seq=1), head / UDP(dport=53) / b"x", head / UDP(dport=9), head / echo]


@pytest.mark.rfc("1122", "3.2.1.3", "MUST")
@pytest.mark.parametrize("gateway", [False, True], ids=["host", "gateway"])
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("direction", ["from", "to"])
def test_what_a_wire_brings_is_dropped(inner: str, direction: str, gateway: bool) -> None:
    lone = Lone(any_destination=gateway, allow_privileged_ports=True)
    for default in (Prefix(bytes(4), 0), Prefix(bytes(16), 0)):
        lone.host.routes.add(Route(default, lone.side.interface))
    lone.host.listen(None, 80)
    endpoint = lone.host.bind(None, 53)
    ours, theirs = (LEFT6, RIGHT6) if ":" in inner else (LEFT4, RIGHT4)
    assert len(lone.send(*packets(theirs, ours))) == 3, "or else the test proves nothing"
    assert len(endpoint.take()) == 1
    assert lone.send(*packets(*((inner, ours) if direction == "from" else (theirs, inner)))) == []
    assert endpoint.take() == []
    assert len(lone.host.connections) == 1


@pytest.mark.rfc("1122", "3.2.1.3", "MUST")
@pytest.mark.parametrize("inner", INNER)
def test_no_route_leads_there(inner: str) -> None:
    lone = Lone()
    for default in (Prefix(bytes(4), 0), Prefix(bytes(16), 0)):
        lone.host.routes.add(Route(default, lone.side.interface))
    with pytest.raises(OSError) as caught:
        lone.host.connect(packed(inner), 80, 0)
    assert caught.value.errno == errno.ENETUNREACH
    with pytest.raises(OSError) as caught:
        lone.host.bind(None, 0).send(0, b"x", packed(inner), 9)
    assert caught.value.errno == errno.ENETUNREACH
    assert lone.run() == []


def test_a_host_that_has_such_an_address_reaches_it() -> None:
    lone = Lone()
    interface = lone.side.interface
    lone.host.add_address(interface, Prefix.parse("127.0.0.1/8"))
    assert lone.host.route(packed("127.5.5.5")).interface is interface
