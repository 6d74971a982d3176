"""How an outside client appears inside: the addresses of the connection that the command sees."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, NamedTuple

from hythe.gateway.layout import Family
from hythe.host.interfaces import Prefix

_MAPPED: Final = bytes(10) + b"\xff\xff"


class Target(NamedTuple):
    """One way to the command: our address, which stands for the client, and the command's; packed, of one family."""

    local: bytes
    remote: bytes


def targets(client: str, families: list[Family]) -> list[Target]:
    """The ways to the command for a client at address `client`, that of the client's own family first.

    The command sees the client's own address where it can be told: with both in one family, no address that means something
    else in the command's network, and no tunnel that the command's answer would take. A client on this machine is seen as
    this machine, any other as the gateway.
    """
    packed = pack(client)
    here = ipaddress.ip_address(packed).is_loopback
    ways = []
    for family in sorted(families, key=lambda each: len(each.gateway) != len(packed)):
        if len(family.gateway) == len(packed) and _can_be_shown(packed, family):
            local = packed
        else:
            local = family.host if here else family.gateway
        ways.append(Target(local, family.command))
    return ways


def pack(client: str) -> bytes:
    """4 or 16 bytes of an address as `accept` and `recvfrom` tell it, zone left out."""
    address, _, _ = client.partition("%")
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _can_be_shown(address: bytes, family: Family) -> bool:
    ip = ipaddress.ip_address(address)
    return not (
        family.distant
        or ip.is_loopback
        or ip.is_link_local
        or ip.is_unspecified
        or ip.is_multicast
        or address.startswith(_MAPPED)
        or Prefix(family.gateway, family.prefix).contains(address)
    )
