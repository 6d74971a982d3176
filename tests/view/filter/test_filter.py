"""`hythe.view.filter`: what it selects beside tcpdump, over chosen and random expressions and every link type."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hythe.view.captures import read_capture
from hythe.view.filter import LINKTYPES, Filter, FilterError, Names
from hythe.wire import pcap
from tests import needs
from tests.view import packets
from tests.view.filter.expressions import CHOSEN, expression

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

#: link type -> what its header is for IPv4 and for IPv6, as a little-endian machine writes it.
HEADERS: dict[int, tuple[str | None, str | None]] = {
    0: ("02000000", "1e000000"),
    1: ("02000000000b02000000000a0800", "02000000000b02000000000a86dd"),
    101: ("", ""),
    108: ("00000002", "00000018"),
    113: ("000000010006" + "02000000000a0000" + "0800", "000400010006" + "02000000000a0000" + "86dd"),
    228: ("", None),
    229: (None, ""),
    276: ("0800000000000001" + "00010006" + "02000000000a0000", "86dd000000000001" + "00010406" + "02000000000a0000"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a capture of packets of which everything is there."""
    # What is cut off within a header that a filter looks at is tried apart: there the order of looking matters.
    frames = [frame.ljust(90, b"\0") for frame in packets.everything()]
    return packets.write_pcap(tmp_path_factory.mktemp("filter") / "whole.pcap", frames + packets.tcp_conversation())


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a capture of all packets, those cut short too.

    Not those that end within IPv6 addresses: we look at no word of one that a prefix leaves open, and tcpdump does without
    its optimizer.
    """
    frames = [frame for frame in packets.everything() if frame[12:14] != b"\x86\xdd" or len(frame) >= 54]
    return packets.write_pcap(tmp_path_factory.mktemp("filter") / "all.pcap", frames)


def selected_by_tcpdump(path: Path, text: str, *words: str) -> list[int] | None:
    """Return the times of packets; None where tcpdump knows beforehand that none can match, or of an arithmetic error."""
    command = [needs.program("tcpdump"), *words, "-r", str(path), "-w", "-", text]
    ran = subprocess.run(command, capture_output=True, timeout=20, check=False)
    if any(reason in ran.stderr for reason in (b"rejects all packets", b"by zero", b"by more than 31")):
        return None
    assert ran.returncode == 0, (text, ran.stderr)
    return [packet.timestamp for packet in pcap.Reader().feed(ran.stdout)]


def selected(path: Path, text: str) -> list[int]:
    found = list(read_capture(str(path)))
    passes = Filter(text).predicate(found[0].interface.linktype)
    return [packet.timestamp for packet in found if passes(packet.data, packet.length)]


@pytest.mark.parametrize("text", CHOSEN)
def test_chosen_expressions_select_what_tcpdump_selects(whole: Path, text: str) -> None:
    found = selected(whole, text)
    assert found
    assert found == selected_by_tcpdump(whole, text)


def test_random_expressions_select_what_tcpdump_selects(whole: Path, rng: Random) -> None:
    """As many as it takes for 110 that match something, but not everything."""
    matched, count = 0, sum(1 for _ in read_capture(str(whole)))
    while matched < 110:
        text = expression(rng, 2)
        theirs = selected_by_tcpdump(whole, text)
        if theirs is not None:
            assert selected(whole, text) == theirs, text
            matched += 0 < len(theirs) < count


@pytest.mark.slow
def test_many_random_expressions(whole: Path, rng: Random) -> None:
    """With the optimizer or without: it may leave out a division by zero, which refuses a packet."""
    for _ in range(3_000):
        text = expression(rng, 4)
        theirs = selected_by_tcpdump(whole, text)
        if theirs is not None:
            ours = selected(whole, text)
            assert ours == theirs or ours == selected_by_tcpdump(whole, text, "-O"), text


def test_packets_cut_short_are_refused_where_tcpdump_refuses_them(everything: Path, rng: Random) -> None:
    """Without its optimizer, which may look at fields in another order than written, and so meet the end sooner."""
    for text in [*CHOSEN[::2], *(expression(rng) for _ in range(50))]:
        theirs = selected_by_tcpdump(everything, text, "-O")
        assert theirs is None or selected(everything, text) == theirs, text


@pytest.mark.parametrize("linktype", sorted(LINKTYPES))
def test_every_link_type(tmp_path: Path, linktype: int) -> None:
    four, six = HEADERS[linktype]
    frames = [
        bytes.fromhex(four) + frame[14:] for frame in packets.tcp_conversation() + packets.udp()[:6] if four is not None
    ]
    if six is not None:
        frames += [bytes.fromhex(six) + frame[14:] for frame in packets.icmpv6() + packets.ipv6()[:14]]
    path = packets.write_pcap(tmp_path / "link.pcap", frames, linktype)
    for text in (
        "tcp",
        "udp port 40001",
        "host 192.0.2.1",
        "net 2001:db8::/32",
        "ip6",
        "arp",
        "icmp6[0] = 135",
        "len > 70",
        "not ip",
    ):
        theirs = selected_by_tcpdump(path, text, "-O")
        assert selected(path, text) == (theirs or []), text


def test_directions_of_cooked_captures(tmp_path: Path) -> None:
    frames = [bytes.fromhex(kind + "0001000602000000000a00000800") + packets.udp()[0][14:] for kind in ("0000", "0004")]
    path = packets.write_pcap(tmp_path / "link.pcap", frames, 113)
    for text in ("inbound", "outbound", "not inbound"):
        assert selected(path, text) == selected_by_tcpdump(path, text)


class Known(Names):
    """Three hosts and a service."""

    __slots__ = ()

    def addresses(self, name: str) -> list[bytes]:
        return {"four.test": [bytes((192, 0, 2, 1))], "six.test": [bytes.fromhex("20010db8" + "0" * 23 + "1")]}.get(name, [])

    def port(self, name: str) -> dict[str, int]:
        return {"both": {"tcp": 8081, "udp": 8081}, "one": {"udp": 40_001}}.get(name, {})


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("host four.test", "host 192.0.2.1"),
        ("src host four.test or six.test", "src host 192.0.2.1 or src host 2001:db8::1"),
        ("ip6 host six.test", "ip6 host 2001:db8::1"),
        ("port both", "port 8081"),
        ("port one", "udp port 40001"),
        ("portrange both-40001", "portrange 8081-40001"),
        ("portrange 40002-40000", "portrange 40000-40002"),
        ("ip proto udp", "ip proto 17"),
    ],
)
def test_names_are_looked_up(whole: Path, text: str, same: str) -> None:
    found = list(read_capture(str(whole)))
    named, plain = (Filter(each, Known()).predicate(1) for each in (text, same))
    chosen = [passes for packet in found if (passes := named(packet.data, packet.length))]
    assert chosen
    assert [named(packet.data, packet.length) for packet in found] == [plain(packet.data, packet.length) for packet in found]


@pytest.mark.parametrize(
    ("text", "marks", "reason"),
    [
        ("fooo", "^^^^", "what is 'fooo'"),
        ("host", "    ^", "the host is missing"),
        ("port 80 or", "          ^", "something is missing"),
        ("tcp 80", "    ^^", "what is '80' to 'tcp'"),
        ("port 99999", "     ^^^^^", "a port goes up to 65535"),
        ("ip[3", "  ^", "this bracket has no end"),
        ("(tcp and udp", "^", "this parenthesis has no end"),
        ("tcp) and udp", "   ^", "cannot go on like this"),
        ("ip[0] / 0 = 1", "      ^", "divides by zero"),
        ("ip[0] << 32 = 1", "      ^^", "shift it by 31"),
        ("tcp[1:3] = 1", "      ^", "1, 2 or 4 bytes"),
        ("tcp[1]", "      ^", "a comparison is missing"),
        ("ether host 1.2.3.4", "           ^^^^^^^", "no MAC address"),
        ("host 1:2:3:4:5:6", "     ^^^^^^^^^^^", "write 'ether'"),
        ("ip6 host 1.2.3.4", "         ^^^^^^^", "ip6 has no IPv4"),
        ("arp host ::1", "         ^^^", "arp has no IPv6"),
        ("net 10.1.1.0/8", "    ^^^^^^^^", "bits set"),
        ("net 10.0.0.0/33", "             ^^", "goes up to 32"),
        ("net 300.1", "    ^^^^^", "go up to 255"),
        ("net here", "    ^^^^", "no network"),
        ("tcp net 10", "        ^^", "tcp has no IPv4"),
        ("ip port 80", "        ^^", "ip has no ports"),
        ("port nowhere", "     ^^^^^^^", "no service|not a service"),
        ("udp port both or port both2", "                      ^^^^^", "not a service"),
        ("host nobody.test", "     ^^^^^^^^^^^", "no address"),
        ("vlan 4096", "     ^^^^", "up to 4095"),
        ("gateway here", "^^^^^^^", "not known here"),
        ("port 80 $", "        ^", "has no meaning"),
        ("proto nothing", "      ^^^^^^^", "no protocol above IP"),
        ("ether proto nothing", "            ^^^^^^^", "no protocol of the link"),
        ("inbound", "^^^^^^^", "which way"),
        ("less", "    ^", None),
        ("ip[5000000000] = 1", "   ^^^^^^^^^^", "32 bits"),
        ("ip[4000000000] = 1", "^^", "no packet has so many"),
    ],
)
def test_a_wrong_expression_points_at_the_word(text: str, marks: str, reason: str | None) -> None:
    with pytest.raises(FilterError, match=reason) as caught:
        Filter(text, Known()).predicate(1)
    assert str(caught.value).splitlines()[1:] == [f"  {text}", f"  {marks}"]


@pytest.mark.parametrize(
    "text", ["(" * 100 + "tcp" + ")" * 100, "not " * 100 + "tcp", "ip[" * 100, "tcp or " * 5_000, "-" * 100, "1 ^ " * 100]
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        Filter(text)


@pytest.mark.parametrize("text", ["vlan", "ether host 1:2:3:4:5:6", "multicast", "mpls 5"])
def test_what_a_link_type_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="this link type"):
        Filter(text).predicate(101)


def test_an_empty_expression_takes_everything() -> None:
    assert not Filter(" ")
    assert Filter("").predicate(1)(b"", 0)
