"""A network plan refuses what cannot be, in a sentence, and does not change."""

from __future__ import annotations

from typing import Any

import pytest

from hythe.errors import UsageError
from hythe.gateway.namespace import Addressing, NetworkPlan

OURS = bytes((10, 1, 2, 2))
GATEWAY = bytes((10, 1, 2, 1))
OURS6 = bytes.fromhex("fd00") + bytes(13) + b"\2"
GATEWAY6 = bytes.fromhex("fd00") + bytes(13) + b"\1"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mtu": 67}, "68 to 65535"),
        ({"mtu": 65_536}, "68 to 65535"),
        ({"mtu": 1_279, "ipv6": Addressing(OURS6, 64, GATEWAY6)}, "IPv6 needs an MTU of 1280"),
        ({"ipv4": Addressing(OURS6, 64, GATEWAY6)}, "must have 4 bytes"),
        ({"ipv6": Addressing(OURS, 24, GATEWAY)}, "must have 16 bytes"),
        ({"device": ""}, "cannot name"),
        ({"device": "a-name-too-long0"}, "cannot name"),
        ({"device": "a/b"}, "cannot name"),
    ],
)
def test_a_plan_that_cannot_be(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        NetworkPlan(**fields)


@pytest.mark.parametrize(
    ("address", "prefix", "gateway", "words"),
    [
        (OURS, 24, GATEWAY6, "both be IPv4"),
        (OURS[:3], 24, GATEWAY[:3], "both be IPv4"),
        (OURS, 32, GATEWAY, "write 1 to 31"),
        (OURS, 0, GATEWAY, "write 1 to 31"),
        (OURS, 24, bytes((10, 1, 3, 1)), "same prefix"),
        (OURS, 24, OURS, "another address"),
    ],
)
def test_addresses_that_cannot_be(address: bytes, prefix: int, gateway: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Addressing(address, prefix, gateway)


def test_the_least_and_the_most() -> None:
    assert NetworkPlan(mtu=68, ipv4=Addressing(OURS, 24, GATEWAY)).mtu == 68
    assert NetworkPlan(mtu=65_535, ipv6=Addressing(OURS6, 64, GATEWAY6)).mtu == 65_535


def test_a_plan_does_not_change() -> None:
    plan = NetworkPlan()
    with pytest.raises(AttributeError, match="NetworkPlan does not change"):
        plan.mtu = 1_500
    assert plan.mtu == 65_520
