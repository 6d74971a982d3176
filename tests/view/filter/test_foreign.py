"""What is asked for least often: other networks' protocols, chains of headers, and words that are refused with advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scapy.compat import raw

from hythe.view.filter import Filter, FilterError
from tests.view import packets, rarepackets
from tests.view.filter.test_filter import HEADERS, selected, selected_by_tcpdump

if TYPE_CHECKING:
    from pathlib import Path

WORDS = (
    *("iso", "clnp", "esis", "es-is", "isis", "is-is", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp"),
    *("ipx", "netbeui", "stp", "atalk", "aarp", "decnet", "lat", "ether proto \\loopback"),
    *("iso proto 129", "iso proto \\esis", "iso proto \\isis", "isis proto 18", "isis proto 9"),
    *(
        "ether proto 5",
        "ether proto 6",
        "ether proto 0xe0",
        "ether proto 0x8137",
        "ether proto \\iso",
        "ether proto \\atalk",
    ),
    *("decnet src 10.15", "decnet dst 10.15", "decnet host 10.15", "decnet src and dst 10.15", "decnet src or dst 10.15"),
    *("atalk[1] = 2", "not iso and not ipx", "iso or stp or aarp", "decnet[2] & 7 = 2"),
)
LINKS = (
    "wlan host 02:00:00:00:00:0a",
    "fddi src 02:00:00:00:00:0a",
    "tr multicast",
    "ppp broadcast",
    "slip[6] = 2",
    "wlan[0:2] = 512",
)
CHAINS = tuple(
    f"{where}protochain {protocol}"
    for where in ("", "ip ", "ip6 ")
    for protocol in ("6", "17", "\\udp", "51", "59", "60", "99", "\\ipv6-icmp")
)


@pytest.mark.parametrize("text", WORDS)
def test_other_networks_in_ethernet_and_cooked_frames(tmp_path: Path, text: str) -> None:
    ethernet = packets.write_pcap(tmp_path / "a.pcap", rarepackets.foreign() + packets.udp())
    found = selected(ethernet, text)
    assert found
    assert found == selected_by_tcpdump(ethernet, text)
    cooked = bytes.fromhex(HEADERS[113][0] or "")[:14]
    path = packets.write_pcap(tmp_path / "b.pcap", rarepackets.foreign(cooked, cooked=True), 113)
    # tcpdump looks for OSI's first byte where LLC's is in such frames, and so knows beforehand that there is none.
    assert selected(path, text) == (selected_by_tcpdump(path, text, "-O") or [])


@pytest.mark.parametrize(
    "text", ["vlan and ipx", "vlan and clnp", "pppoes and iso", "pppoes and ipx", "pppoes and stp", "pppoes and lat"]
)
def test_other_networks_behind_tags_and_in_ppp(tmp_path: Path, text: str) -> None:
    header = raw(packets.ETHER)[:12]
    frames = rarepackets.foreign(header + bytes.fromhex("81000005"))
    ppp = (0x21, 0x23, 0x29, 0x2B, 0x31, 0x6004)
    frames += [header + bytes.fromhex("886411000001000a") + number.to_bytes(2, "big") + bytes(40) for number in ppp]
    path = packets.write_pcap(tmp_path / "a.pcap", frames)
    found = selected(path, text)
    assert found
    assert found == selected_by_tcpdump(path, text)


@pytest.mark.parametrize("text", LINKS)
def test_all_names_of_the_link_layer_mean_the_same(tmp_path: Path, text: str) -> None:
    path = packets.write_pcap(tmp_path / "a.pcap", packets.arp() + packets.udp())
    found = selected(path, text)
    assert found
    assert found == selected_by_tcpdump(path, text)


@pytest.mark.parametrize("text", CHAINS)
def test_protocols_behind_other_headers(tmp_path: Path, text: str) -> None:
    path = packets.write_pcap(tmp_path / "a.pcap", rarepackets.chains() + packets.ipv6() + packets.fragments())
    # Its optimizer does not get through a loop.
    assert selected(path, text) == selected_by_tcpdump(path, text, "-O")


def test_a_chain_is_no_program_for_a_kernel() -> None:
    from hythe.errors import UsageError

    with pytest.raises(UsageError, match="protochain follows headers in a loop"):
        Filter("tcp or ip6 protochain 6").program(1)


def test_the_interface_of_a_cooked_packet(tmp_path: Path) -> None:
    frames = [
        bytes.fromhex(f"080000000000000{index}" + "00010006" + "02000000000a0000") + packets.udp()[0][14:]
        for index in (1, 2, 1)
    ]
    path = packets.write_pcap(tmp_path / "a.pcap", frames, 276)
    assert selected(path, "ifindex 1") == selected_by_tcpdump(path, "ifindex 1")
    assert len(selected(path, "ifindex 1")) == 2


@pytest.mark.parametrize(
    ("text", "marks", "reason"),
    [
        ("gateway here", "^^^^^^^", "write 'ether host MAC and not host ADDRESS'"),
        ("tcp or geneve 5", "       ^^^^^^", "write 'udp port 6081'"),
        ("llc u", "^^^", "ether\\[12:2\\] <= 1500"),
        ("byte 3 = 5", "^^^^", "write ether"),
        ("type mgt", "^^^^", "no Wi-Fi"),
        ("ifindex", "       ^", "the number of an interface"),
        ("ifindex 3", "^^^^^^^", "do not tell which interface"),
        ("iso[1] = 2", "^^^", "write ether"),
        ("iso proto 4294967296", "          ^^^^^^^^^^", "no protocol of OSI"),
        ("decnet host 10.2000", "            ^^^^^^^", "a node of DECnet"),
        ("clnp proto 5", "           ^", "clnp does not tell"),
        ("tcp protochain 5", "               ^", "tcp does not tell"),
        ("src protochain 5", "               ^", "no source"),
        ("ether protochain 5", "                 ^", "ether does not tell"),
    ],
)
def test_what_is_refused_gets_advice(text: str, marks: str, reason: str) -> None:
    with pytest.raises(FilterError, match=reason) as caught:
        Filter(text).predicate(1)
    assert str(caught.value).endswith(f"\n  {text}\n  {marks}")
