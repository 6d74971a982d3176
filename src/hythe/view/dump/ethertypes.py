"""Names of what Ethernet carries, and its addresses as text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

IPV4: Final = 0x0800
ARP: Final = 0x0806
REVERSE_ARP: Final = 0x8035
IPV6: Final = 0x86DD
VLANS: Final = frozenset({0x8100, 0x88A8, 0x9100, 0x9200})

ETHERTYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00FE: "GRE-OSI",
        0x0200: "PUP",
        0x0500: "Sprite",
        0x0600: "NS",
        0x0707: "GeoNet (old)",
        0x0800: "IPv4",
        0x0806: "ARP",
        0x1000: "Trail",
        0x1111: "CALM FAST",
        0x6001: "MOP DL",
        0x6002: "MOP RC",
        0x6003: "DN",
        0x6004: "LAT",
        0x6007: "SCA",
        0x6558: "TEB",
        0x8035: "Reverse ARP",
        0x8038: "Lanbridge",
        0x803C: "DEC DNS",
        0x803E: "DEC DTS",
        0x805B: "VEXP",
        0x805C: "VPROD",
        0x809B: "Appletalk",
        0x80F3: "Appletalk ARP",
        0x8100: "802.1Q",
        0x8137: "IPX",
        0x86DD: "IPv6",
        0x8808: "MPCP",
        0x8809: "Slow Protocols",
        0x880B: "PPP",
        0x8847: "MPLS unicast",
        0x8848: "MPLS multicast",
        0x8863: "PPPoE D",
        0x8864: "PPPoE S",
        0x886F: "MS NLB heartbeat",
        0x8870: "Jumbo",
        0x888E: "EAPOL",
        0x8899: "Realtek protocols",
        0x88A2: "AoE",
        0x88A8: "802.1Q-QinQ",
        0x88CA: "TIPC",
        0x88CC: "LLDP",
        0x88E5: "802.1AE MACsec",
        0x88F7: "PTP",
        0x8902: "CFM",
        0x893A: "IEEE1905.1",
        0x8947: "GeoNet",
        0x894F: "NSH",
        0x9000: "Loopback",
        0x9100: "802.1Q-9100",
        0x9200: "802.1Q-9200",
        0xABCD: "CFM (old)",
        0xD28B: "Arista Vendor Specific Protocol",
        0xFEFE: "OSI",
    }
)


@lru_cache(maxsize=4_096)
def mac_text(address: bytes) -> str:
    """`02:00:00:00:00:01`; of any length."""
    return address.hex(":")


def ethertype_text(number: int) -> str:
    """`IPv4`, or what tcpdump says of one that nobody knows."""
    return ETHERTYPES.get(number, "Unknown")
