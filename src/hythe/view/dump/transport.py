"""What lies above IP, by its protocol number: for both versions alike."""

from __future__ import annotations

from hythe.view.dump.gre import gre
from hythe.view.dump.icmp import icmp
from hythe.view.dump.icmp6 import icmp6
from hythe.view.dump.igmp import igmp
from hythe.view.dump.show import Carrier, Show
from hythe.view.dump.tcp import tcp
from hythe.view.dump.udp import udp


def transport(show: Show, protocol: int, data: bytes, at: int, length: int, carrier: Carrier) -> None:
    """The bytes at `at`, of which the IP header promised `length`."""
    match protocol:
        case 6:
            tcp(show, data, at, length, carrier)
        case 17:
            udp(show, data, at, length, carrier)
        case 1 | 2 if len(carrier.source) == 16:
            show.put(f"[{'ICMP' if protocol == 1 else 'IGMP'} requires IPv4] (invalid)")
        case 1:
            icmp(show, data, at, length, carrier)
        case 2:
            igmp(show, data, at, length)
        case 58 if len(carrier.source) == 4:
            show.put("[ICMPv6 requires IPv6] (invalid)")
        case 143 if len(carrier.source) == 4:
            show.put("[Ethernet requires IPv6] (invalid)")
        case 58:
            icmp6(show, data, at, length, carrier)
        case 4:
            show.within(True, data, at, length)
        case 41:
            show.within(False, data, at, length)
        case 47:
            gre(show, data, at, length)
        case 59:
            show.put("no next header")
        case _:
            show.put(f" {show.names.protocol(protocol)} {length}")
