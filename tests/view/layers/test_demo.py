"""The six tables of a handshake, as the layer table of a textbook has them, from what two hosts really send."""

from __future__ import annotations

from typing import Final

from hythe.view.dump.printer import Printer
from hythe.view.dump.show import Style
from hythe.view.filter import Filter
from hythe.view.layers.conversation import Choice, Conversations
from hythe.view.layers.demo import handshake
from hythe.view.layers.model import DOWN, UP, Shown, Table, bits
from hythe.view.layers.text import row_ends
from hythe.wire.pcapng import LINKTYPE_ETHERNET

CLIENT: Final = "bc:35:db:cf:1b:03"
SERVER: Final = "bc:f2:b8:57:86:02"
THERE: Final = ("Src Port 35310, Dst Port 80", "Src IP 10.0.0.3, Dst IP 10.0.0.2")
BACK: Final = ("Src Port 80, Dst Port 35310", "Src IP 10.0.0.2, Dst IP 10.0.0.3")


def conversation(seed: int = 1) -> list[Shown]:
    tcp = Filter("tcp").predicate(LINKTYPE_ETHERNET)
    packets = (packet for packet in handshake(seed) if tcp(packet.data, packet.length))
    return [*Conversations().chosen(packets, Choice())]


def rows(table: Table) -> list[tuple[str, str, str, str]]:
    """Layer, protocol, PDU, and whatever names an end."""
    named = ((row, row_ends(row.ports or row.addresses or row.macs)) for row in table.rows)
    return [(row.layer, row.protocol, row.pdu, ends) for row, ends in named]


def expected(ports: str, addresses: str, macs: str) -> list[tuple[str, str, str, str]]:
    return [
        ("Transport", "TCP", "Segments", ports),
        ("Network", "IP", "Packets", addresses),
        ("Data Link", "Ethernet", "Frames", macs),
        ("Physical", "", "Bits", ""),
    ]


def test_the_six_tables() -> None:
    syn, syn_ack, ack = conversation()
    for shown, ends, macs, info in (
        (syn, THERE, f"Src MAC {CLIENT}, Dst MAC unknown", "3-way handshake (SYN)"),
        (syn_ack, BACK, f"Src MAC {SERVER}, Dst MAC {CLIENT}", "3-way handshake (SYN/ACK)"),
        (ack, THERE, f"Src MAC {CLIENT}, Dst MAC {SERVER}", "3-way handshake (ACK)"),
    ):
        sender, receiver = shown.tables
        assert (sender.side, sender.direction, receiver.side, receiver.direction) == ("sender", DOWN, "receiver", UP)
        assert rows(sender) == expected(*ends, macs)
        assert rows(receiver) == expected(*ends, macs)[::-1]
        assert sender.rows[0].info == receiver.rows[-1].info == info
        assert (sender.host, receiver.host) == (shown.source, shown.destination)
        assert not shown.dissection.broken


def test_the_bits_are_those_of_the_frame() -> None:
    for shown in conversation():
        spelled = "".join(chr(int(octet, 2)) for octet in bits(shown.dissection.data).split()).encode("latin-1")
        assert spelled == shown.dissection.data
    assert bits(b"HT") == "01001000 01010100"


def test_it_is_a_handshake_by_what_the_packets_say() -> None:
    syn, syn_ack, ack = (shown.dissection.headers[-1] for shown in conversation())
    number = "Sequence Number"
    assert syn_ack.value("Acknowledgment Number") == (syn.value(number) + 1) % 2**32 == ack.value(number)
    assert ack.value("Acknowledgment Number") == (syn_ack.value(number) + 1) % 2**32
    for header in (syn, syn_ack, ack):
        assert header.meaning("Checksum") == "right"


def test_the_same_by_the_same_seed() -> None:
    assert [*handshake(5)] == [*handshake(5)]
    assert [packet.data for packet in handshake(5)] != [packet.data for packet in handshake(6)]


def test_arp_finds_the_server_before_the_syn() -> None:
    printer = Printer(Style(), stamp=1)
    lines = [printer.text(packet).partition(", length")[0] for packet in handshake()]
    asked = lines.index("ARP, Request who-has 10.0.0.2 tell 10.0.0.3")
    assert lines[asked + 1] == f"ARP, Reply 10.0.0.2 is-at {SERVER}"
    assert lines[asked + 2].startswith("IP 10.0.0.3.35310 > 10.0.0.2.80: Flags [S]")
    assert len(lines) == asked + 5
