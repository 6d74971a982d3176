"""Whose an address is: the longest prefix, beside a search through all."""

from __future__ import annotations

import ipaddress
import random

from hythe.tunnel.wireguard.allowed import AllowedIPs


def test_the_longest_prefix_has_it(rng: random.Random) -> None:
    table: AllowedIPs[int] = AllowedIPs(100)
    owners: dict[ipaddress.IPv4Network | ipaddress.IPv6Network, int] = {}
    for number in range(200):
        six = rng.random() < 0.5
        length = rng.choice([0, 1, 8, 12, 23, 24, 31, 32] + ([64, 100, 128] if six else []))
        bits = rng.getrandbits(6) << (122 if six else 26)
        network = ipaddress.ip_network((bits.to_bytes(16 if six else 4, "big"), length), strict=False)
        table.add(network, number)
        owners[network] = number
    for _ in range(2_000):
        first, last = rng.getrandbits(6), rng.getrandbits(4)
        address = ipaddress.ip_address((first << 122 | last).to_bytes(16, "big"))
        if rng.random() < 0.5:
            address = ipaddress.ip_address((first << 26 | last).to_bytes(4, "big"))
        inside = [network for network in owners if network.version == address.version and address in network]
        expected = owners[max(inside, key=lambda each: each.prefixlen)] if inside else None
        assert table.find(address.packed) == expected


def test_what_is_added_or_taken_away_counts_at_once() -> None:
    table: AllowedIPs[str] = AllowedIPs(100)
    address = ipaddress.ip_address("10.1.2.3").packed
    assert table.find(address) is None
    table.add(ipaddress.ip_network("10.0.0.0/8"), "eight")
    assert table.find(address) == "eight"
    table.add(ipaddress.ip_network("10.1.0.0/16"), "sixteen")
    assert table.find(address) == "sixteen"
    table.remove("sixteen")
    assert table.find(address) == "eight"
    table.add(ipaddress.ip_network("10.0.0.0/8"), "another")
    assert table.find(address) == "another"
    assert table.find(bytes(16)) is None


def test_what_is_remembered_is_bounded() -> None:
    table: AllowedIPs[str] = AllowedIPs(10)
    table.add(ipaddress.ip_network("::/0"), "all")
    assert all(table.find(number.to_bytes(16, "big")) == "all" for number in range(100))
    assert len(table._cache) <= 10
