"""Handshakes recorded from wireguard-go, in both roles, with and without a pre-shared key: the same bytes again.

`recorded.json`: the configuration (keys made for it), the clock on the wall, the seed of all random bytes, and what
happened: it was asked to send a packet, it hears or sends a datagram, it gives a packet. The far end was wireguard-go
0.0.20220316, which took every message of ours.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from hythe.config import WireguardConfig
from hythe.tunnel.wireguard.config import parse
from hythe.tunnel.wireguard.device import Device
from hythe.tunnel.wireguard.joining import Joiner

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())
FAR = ("10.99.0.2", 51_820)
NOW = 10**12


def played(record: dict[str, Any], change: int | None = None) -> list[tuple[str, bytes]]:
    """What the device does when it is asked and hears the same; the last bit of event number `change` is another."""
    device = Device(
        parse(record["configuration"]), WireguardConfig(), lambda: record["wall"], random.Random(record["seed"]).randbytes
    )
    (peer,) = device.peers.values()
    if record["role"] == "initiator":
        peer.endpoint = FAR
    done: list[tuple[str, bytes]] = []
    for number, (kind, text) in enumerate(record["events"]):
        data = bytes.fromhex(text)
        if number == change:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if kind == "asked":
            done.append((kind, data))
            device.send(peer, [data], NOW)
        elif kind == "hears":
            done.append((kind, data))
            joiner = Joiner(4)
            joiner.begin(4)
            device.receive(memoryview(data), 0, len(data), FAR, 0, NOW, joiner)
            done += [("gives", each.keep()) for each in joiner.finish()]
        done += [("sends", b"".join(each.parts)) for each in device.outbox]
        device.outbox.clear()
    return done


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: f"{record['role']}-{record['seed']}")
def test_the_same_happens_again(record: dict[str, Any]) -> None:
    assert played(record) == [(kind, bytes.fromhex(text)) for kind, text in record["events"]]
    assert {kind for kind, _ in record["events"]} == {"asked", "hears", "sends", "gives"}


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: f"{record['role']}-{record['seed']}")
def test_a_bit_changed_in_what_is_heard_changes_all(record: dict[str, Any]) -> None:
    """MAC2, the last 16 bytes of a handshake message, is zero and not looked at: so only data is changed there."""
    heard = [number for number, (kind, text) in enumerate(record["events"]) if kind == "hears" and text.startswith("04")]
    for number in heard:
        assert len(played(record, number)) < len(record["events"])
