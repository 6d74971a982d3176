"""Hosts on in-process links: two that talk to each other, and one whose far end is the test itself."""

from __future__ import annotations

import ipaddress
from random import Random
from typing import Any

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet as Scapy

from hythe.config import HostConfig, TcpConfig
from hythe.host.host import Host
from hythe.host.interfaces import Prefix
from hythe.link.pair import PairEnd, pair
from hythe.wire.packet import VNET_PLAIN

LEFT4, RIGHT4 = "192.0.2.1", "192.0.2.2"
LEFT6, RIGHT6 = "2001:db8::1", "2001:db8::2"


def packed(text: str) -> bytes:
    """The address as the stack has it."""
    return ipaddress.ip_address(text).packed


class Side:
    """One host with one interface."""

    def __init__(self, link: PairEnd, addresses: tuple[str, ...], seed: int, **config: Any) -> None:
        self.link = link
        self.host = Host(HostConfig(**config), Random(seed), bytes([seed]) * 32)
        self.interface = self.host.attach("test0", link, tuple(map(Prefix.parse, addresses)))

    def turn(self, now: int) -> bool:
        """Feed and visit, as the driver does; True if there was anything to do."""
        packets = self.link.receive(now, 8)
        for packet in packets:
            self.host.receive(packet, now, self.interface)
        if self.host.next_deadline() <= now:
            self.host.fire(now)
        ready = self.host.take_ready()
        for item in ready:
            item.queued = False
            self.host.attend(item, now)
        self.host.settle(now)
        return bool(packets or ready)


class Pair:
    """Two hosts on one wire: `left` 192.0.2.1 and 2001:db8::1, `right` the same with 2."""

    def __init__(
        self,
        mtu: int = 1500,
        *,
        offload: bool = True,
        left: dict[str, Any] | None = None,
        right: dict[str, Any] | None = None,
    ) -> None:
        ends = pair(mtu, offload=offload, poison=True)
        self.now = 0
        self.left = Side(ends[0], (f"{LEFT4}/24", f"{LEFT6}/64"), 1, **(left or {}))
        self.right = Side(ends[1], (f"{RIGHT4}/24", f"{RIGHT6}/64"), 2, **(right or {}))

    def run(self, after: int = 0) -> None:
        """Let `after` nanoseconds pass, then turn until nothing happens any more."""
        self.now += after
        for _ in range(1000):
            if not (self.left.turn(self.now) | self.right.turn(self.now)):
                return
        raise AssertionError("the two hosts never come to rest")


class Lone:
    """A host, 192.0.2.1 and 2001:db8::1, whose wire the test holds the other end of."""

    def __init__(self, mtu: int = 1500, **config: Any) -> None:
        near, self.far = pair(mtu, offload=False, poison=True)
        config.setdefault("tcp", TcpConfig(timestamps=False, initial_window=10))
        self.side = Side(near, (f"{LEFT4}/24", f"{LEFT6}/64"), 3, **config)
        self.host = self.side.host
        self.now = 0

    def send(self, *packets: Scapy | bytes, after: int = 0) -> list[Scapy]:
        """Give the host packets, and return what it answers, dissected."""
        self.now += after
        for packet in packets:
            self.far.send(self.now, VNET_PLAIN + bytes(packet))
        return self.run()

    def run(self, after: int = 0) -> list[Scapy]:
        """Let time pass; what the host has sent, dissected."""
        return list(map(dissect, self.drain(after)))

    def drain(self, after: int = 0) -> list[bytes]:
        """The same as bytes."""
        self.now += after
        while self.side.turn(self.now):
            pass
        sent = []
        while packets := self.far.receive(self.now, 8):
            sent += [packet.keep() for packet in packets]
        return sent


def dissect(data: bytes) -> Scapy:
    """The packet as scapy sees it, all checksums right."""
    kind = IP if data[0] >> 4 == 4 else IPv6
    packet = kind(data)
    again = kind(data)
    for layer in (again, *(again.getlayer(index) for index in range(1, 4))):
        if layer is None or "inerror" in layer.name:
            break
        for field in ("chksum", "cksum"):
            if field in layer.fields:
                del layer.fields[field]
    assert bytes(again) == data, f"a checksum is wrong in {packet!r}"
    return packet
