"""Subnets are picked clear of everything the machine has a route to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest

from hythe.errors import MachineError
from hythe.gateway.namespace import machine_networks, pick_prefix6, pick_subnet4
from tests import needs

if TYPE_CHECKING:
    import random

PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15")]


def packed(text: str) -> tuple[bytes, int]:
    network = ipaddress.ip_network(text)
    return network.network_address.packed, network.prefixlen


def text(network: tuple[bytes, int]) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(network)


def test_random_routes_are_avoided(rng: random.Random) -> None:
    for _ in range(200):
        used = [
            ipaddress.ip_network((rng.getrandbits(16) | 10 << 24 | rng.getrandbits(8) << 16, 32)).supernet(
                new_prefix=rng.randrange(9, 33)
            )
            for _ in range(rng.randrange(60))
        ]
        picked = text(pick_subnet4([(each.network_address.packed, each.prefixlen) for each in used]))
        assert isinstance(picked, ipaddress.IPv4Network)
        assert any(isinstance(each, ipaddress.IPv4Network) and picked.subnet_of(each) for each in PRIVATE)
        assert not any(picked.overlaps(each) for each in used)


@pytest.mark.parametrize(
    ("taken", "inside"),
    [
        (["0.0.0.0/0"], "10.0.0.0/8"),
        (["0.0.0.0/1", "128.0.0.0/1"], "10.0.0.0/8"),
        (["10.0.0.0/8"], "172.16.0.0/12"),
        (["10.0.0.0/8", "172.16.0.0/12"], "192.168.0.0/16"),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], "198.18.0.0/15"),
    ],
)
def test_the_next_private_network_is_taken(taken: list[str], inside: str) -> None:
    picked = text(pick_subnet4([packed(each) for each in taken]))
    assert picked.prefixlen == 24
    assert picked.subnet_of(ipaddress.ip_network(inside))  # type: ignore[arg-type]


def test_no_private_network_left() -> None:
    with pytest.raises(MachineError, match="-6"):
        pick_subnet4([packed(str(each)) for each in PRIVATE])
    with pytest.raises(MachineError, match="-4"):
        pick_prefix6([packed("fd00::/8")])


def test_a_prefix_beside_one_in_use() -> None:
    first = pick_prefix6([packed("::/0")])
    second = pick_prefix6([first, packed("2001:db8::/32")])
    assert text(first).prefixlen == text(second).prefixlen == 64
    assert text(first).subnet_of(ipaddress.ip_network("fd00::/8"))  # type: ignore[arg-type]
    assert not text(first).overlaps(text(second))


def test_the_machine_has_loopback() -> None:
    """The reader of routes against a fact of every machine; `test_netlink` compares it with `ip`."""
    needs.program("ip")
    assert packed("127.0.0.0/8") in machine_networks()
