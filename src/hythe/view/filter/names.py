"""Names in filters: protocols, constants of header fields, and what has to be looked up outside: hosts and services."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.services.ports import port_number

#: Protocols above IP, with the versions that a filter looks for them in.
TRANSPORTS: Final[Mapping[str, tuple[int, bool, bool]]] = MappingProxyType(
    {
        "icmp": (1, True, False),
        "igmp": (2, True, False),
        "tcp": (6, True, True),
        "igrp": (9, True, False),
        "udp": (17, True, True),
        "esp": (50, True, True),
        "ah": (51, True, True),
        "icmp6": (58, False, True),
        "pim": (103, True, True),
        "vrrp": (112, True, False),
        "carp": (112, True, False),
        "sctp": (132, True, True),
    }
)
#: Protocols by their EtherType.
ETHERTYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "ip": 0x0800,
        "arp": 0x0806,
        "rarp": 0x8035,
        "ip6": 0x86DD,
        "mopdl": 0x6001,
        "moprc": 0x6002,
        "decnet": 0x6003,
        "lat": 0x6004,
        "sca": 0x6007,
        "loopback": 0x9000,
        "atalk": 0x809B,
        "aarp": 0x80F3,
        # No EtherTypes, but LLC addresses (IEEE 802.2): of spanning trees, OSI, NetBEUI, IPX.
        "stp": 0x42,
        "iso": 0xFE,
        "netbeui": 0xF0,
        "ipx": 0xE0,
    }
)
#: Words before another that say where to look: the link layer under any of its names, which mean the same to tcpdump.
LINKS: Final = frozenset({"ether", "link", "ppp", "slip", "fddi", "tr", "wlan"})
#: Protocols of OSI's network layer, by their first byte.
OSI: Final[Mapping[str, int]] = MappingProxyType({"clnp": 0x81, "esis": 0x82, "es-is": 0x82, "isis": 0x83, "is-is": 0x83})
#: Kinds of IS-IS packets by level and what they are for (ISO 10589, 9): hellos, link states, complete and partial numbers.
ISIS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "l1": (26, 24, 18, 15, 17),
        "l2": (27, 25, 20, 16, 17),
        "iih": (17, 15, 16),
        "lsp": (18, 20),
        "snp": (26, 27, 24, 25),
        "csnp": (24, 25),
        "psnp": (26, 27),
    }
)

#: Offsets and values that have names in arithmetic (RFC 792, RFC 4443, RFC 9293).
CONSTANTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "icmptype": 0,
        "icmpcode": 1,
        "icmp6type": 0,
        "icmp6code": 1,
        "tcpflags": 13,
        "tcp-fin": 1,
        "tcp-syn": 2,
        "tcp-rst": 4,
        "tcp-push": 8,
        "tcp-ack": 16,
        "tcp-urg": 32,
        "tcp-ece": 64,
        "tcp-cwr": 128,
        "icmp-echoreply": 0,
        "icmp-unreach": 3,
        "icmp-sourcequench": 4,
        "icmp-redirect": 5,
        "icmp-echo": 8,
        "icmp-routeradvert": 9,
        "icmp-routersolicit": 10,
        "icmp-timxceed": 11,
        "icmp-paramprob": 12,
        "icmp-tstamp": 13,
        "icmp-tstampreply": 14,
        "icmp-ireq": 15,
        "icmp-ireqreply": 16,
        "icmp-maskreq": 17,
        "icmp-maskreply": 18,
        "icmp6-destinationunreach": 1,
        "icmp6-packettoobig": 2,
        "icmp6-timeexceeded": 3,
        "icmp6-parameterproblem": 4,
        "icmp6-echo": 128,
        "icmp6-echoreply": 129,
        "icmp6-multicastlistenerquery": 130,
        "icmp6-multicastlistenerreportv1": 131,
        "icmp6-multicastlistenerdone": 132,
        "icmp6-routersolicit": 133,
        "icmp6-routeradvert": 134,
        "icmp6-neighborsolicit": 135,
        "icmp6-neighboradvert": 136,
        "icmp6-redirect": 137,
        "icmp6-routerrenum": 138,
        "icmp6-nodeinformationquery": 139,
        "icmp6-nodeinformationresponse": 140,
        "icmp6-ineighbordiscoverysolicit": 141,
        "icmp6-ineighbordiscoveryadvert": 142,
        "icmp6-multicastlistenerreportv2": 143,
        "icmp6-homeagentdiscoveryrequest": 144,
        "icmp6-homeagentdiscoveryreply": 145,
        "icmp6-mobileprefixsolicit": 146,
        "icmp6-mobileprefixadvert": 147,
        "icmp6-certpathsolicit": 148,
        "icmp6-certpathadvert": 149,
        "icmp6-multicastrouteradvert": 151,
        "icmp6-multicastroutersolicit": 152,
        "icmp6-multicastrouterterm": 153,
    }
)


class Names:
    """How names outside an expression are found; a test has its own."""

    __slots__ = ()

    def addresses(self, name: str) -> list[bytes]:
        """The packed addresses of a host, each once; none if there is no such host."""
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        kinds = {socket.AF_INET, socket.AF_INET6}
        return list(dict.fromkeys(socket.inet_pton(each[0], str(each[4][0])) for each in found if each[0] in kinds))

    def port(self, name: str) -> dict[str, int]:
        """The ports of a service, by protocol, for those of tcp and udp that have it."""
        found = {}
        for protocol in ("tcp", "udp"):
            port = port_number(name, protocol)
            if port is not None:
                found[protocol] = port
        return found

    def protocol(self, name: str) -> int | None:
        """The number of a protocol above IP."""
        if name in TRANSPORTS:
            return TRANSPORTS[name][0]
        try:
            return socket.getprotobyname(name)
        except (OSError, UnicodeError):
            return None
