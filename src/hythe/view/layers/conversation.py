"""Conversations among packets: who talks to whom by which protocol, numbered in the order they begin."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hythe.errors import UsageError
from hythe.services.ports import port_number
from hythe.view.layers.dissect import dissect
from hythe.view.layers.model import Dissection, Shown
from hythe.view.layers.tables import Tables, ends, socket_pair
from hythe.wire.pcapng import CapturedPacket

#: Conversations that are remembered; what begins after so many has no number.
_MAX: Final = 1_000_000


@dataclass(slots=True)
class Conversation:
    """One of them. `ends`: who spoke first, then the other, as `address:port` or an address."""

    number: int
    protocol: str
    ends: tuple[str, str]
    packets: int = 0
    octets: int = 0

    def __str__(self) -> str:
        return f"{self.protocol} {self.ends[0]} <-> {self.ends[1]}"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which packets are wanted: of conversation `stream`, or of the socket pair `pair`; all, without either."""

    stream: int | None = None
    pair: frozenset[str] | None = None

    @classmethod
    def of_pair(cls, text: str) -> Choice:
        """From ``10.0.0.3:35310,10.0.0.2:http``. Raises `UsageError`."""
        sides = text.split(",")
        if len(sides) != 2:
            raise UsageError(f"{text!r} is no socket pair: write for example 10.0.0.3:35310,10.0.0.2:80")
        return cls(pair=frozenset(_socket(side) for side in sides))


class Conversations:
    """All that were seen, by number. `chosen` picks packets of them."""

    __slots__ = ("_keys", "all")

    def __init__(self) -> None:
        self._keys: dict[tuple[str, frozenset[str]], Conversation] = {}
        self.all: list[Conversation] = []

    def add(self, found: Dissection) -> Conversation:
        """Count one packet to its conversation."""
        named = _named(found)
        protocol = next(
            (header.name for header in reversed(found.headers) if header.pdu and header.name != "DNS"), "unknown"
        )
        key = (protocol, frozenset(named))
        conversation = self._keys.get(key)
        if conversation is None:
            conversation = Conversation(len(self.all), protocol, named)
            if len(self.all) < _MAX:
                self._keys[key] = conversation
                self.all.append(conversation)
        conversation.packets += 1
        conversation.octets += found.length
        return conversation

    def chosen(self, packets: Iterable[CapturedPacket], choice: Choice, count: int = 0) -> Iterator[Shown]:
        """The tables of the packets that are wanted: the first `count`, or all."""
        tables, left = Tables(), count
        for packet in packets:
            found = dissect(packet.data, packet.interface.linktype, packet.length)
            conversation = self.add(found)
            if choice.stream is not None and conversation.number != choice.stream:
                continue
            if choice.pair is not None and frozenset(conversation.ends) != choice.pair:
                continue
            yield tables.show(found, packet.timestamp)
            left -= 1
            if not left:
                return


def _named(found: Dissection) -> tuple[str, str]:
    pair = socket_pair(found)
    return (_joined(*pair[:2]), _joined(*pair[2:])) if pair else ends(found)


def _joined(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _socket(text: str) -> str:
    """One end in the form that `Conversation.ends` has."""
    address, _, port = text.strip().rpartition(":")
    number = port_number(port)
    try:
        known = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        known = None
    if known is None or number is None:
        raise UsageError(f"{text!r} is no socket: write for example 10.0.0.3:35310 or [2001:db8::1]:80")
    return _joined(str(known), str(number))
