"""Filter expressions for the tests: chosen ones, and random ones from a grammar with a seed.

The values are those of `tests.view.packets`, so that most expressions match something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

CHOSEN: Final = (
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "arp",
    "rarp",
    "ip",
    "ip6",
    "port 8081",
    "tcp port 8081",
    "udp port 40001",
    "src port 40001",
    "dst port 40002",
    "portrange 1-10",
    "tcp portrange 8000-9000",
    "udp dst portrange 40000-40002",
    "portrange http-40002",
    "tcp src port 40000",
    "host 192.0.2.1",
    "src host 192.0.2.1",
    "dst host 198.51.100.7",
    "dst 198.51.100.7",
    "host 2001:db8::1",
    "net 192.0.2.0/24",
    "net 192",
    "net 192.0.2.0 mask 255.255.255.0",
    "net 2001:db8::/32",
    "net 2001:db8::/33",
    "ip6 net ::/0",
    "ip net 0.0.0.0/0",
    "src net 198.51.100",
    "ip6 host fe80::a",
    "ip host 10.0.0.1 or arp",
    "ether host 02:00:00:00:00:0a",
    "ether src 02-00-00-00-00-0b",
    "ether dst ff:ff:ff:ff:ff:ff",
    "ether broadcast",
    "ether multicast",
    "multicast",
    "broadcast",
    "ip multicast",
    "ip6 multicast",
    "ip broadcast",
    "vlan",
    "vlan 5",
    "vlan and udp",
    "vlan 100 and vlan 5",
    "vlan and vlan and udp",
    "arp or vlan and arp",
    "tcp[13] & 2 != 0",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
    "tcp[tcpflags] & tcp-rst != 0",
    "ip[6:2] & 0x1fff != 0",
    "ip[0] & 0xf > 5",
    "icmp[icmptype] = icmp-unreach",
    "icmp[0] = 3 and icmp[1] = 4",
    "icmp6[0] = 135",
    "icmp6[icmp6type] == icmp6-routeradvert",
    "len > 100",
    "len = 60 or len = 54",
    "less 60",
    "greater 100",
    "ip[2:2] > len - 14",
    "udp[4:2] > 10",
    "ether[12:2] = 0x806",
    "link[6:4] = 0x02000000",
    "not tcp",
    "not ip and not ip6",
    "not (tcp or udp)",
    "!udp && !tcp",
    "tcp and not port 8081",
    "host 192.0.2.1 and (tcp or udp) and not port 8081",
    "arp host 192.0.2.9",
    "arp[6:2] = 2",
    "rarp host 192.0.2.1",
    "proto 99",
    "ip proto 1",
    "ip6 proto 44",
    "ip6 proto 58",
    "ether proto 0x1234",
    "proto \\tcp",
    "ip proto \\icmp",
    "ether proto \\arp",
    "(ip[0]&0xf)*4 + 20 < ip[2:2]",
    "tcp[(tcp[12]>>4)*4:1] = 100",
    "ip[8] = 63",
    "ip6[7] = 63",
    "ip6[40] = 6",
    "port 8081 or 40001",
    "host 192.0.2.1 and 198.51.100.7",
    "src or dst host 192.0.2.1",
    "src and dst net 192.0.2",
    "dst port 40002 or 2",
    "ip[6] & 0x20 != 0",
    "not icmp[0] = 3",
    "ip[100] = 0 or arp",
    "not ip[100] = 0",
    "ether[0] & 1 = 0 and ip[16] >= 224",
    "host (192.0.2.1 or 2001:db8::1)",
    "src host 192.0.2.1 or 2001:db8::1",
    "1 = 1",
    "ip[8] - ip[9] > 40",
    "ip[ip[8]] > 0",
    "ip[1] ^ 3 = 3",
    "ip[8] % 10 = 3",
    "ip[8] % 10 + ip[9] ^ 3 + 1 > 2",
    "ip[8] / 2 << 1 != ip[8]",
    "tcp[4:4] | 1 = 1001",
    "ether proto 0x86dd and ip6[6] = 0",
    "net 10 or not net 192.0.0.0/8",
    "((tcp)) and (not (port 1 or (port 2)))",
)

_HOSTS: Final = (
    "192.0.2.1",
    "198.51.100.7",
    "2001:db8::1",
    "2001:db8:0:1::7",
    "fe80::a",
    "192.0.2.9",
    "ff02::1",
    "224.0.0.1",
)
_NETS: Final = ("192.0.2.0/24", "198.51.100", "10", "2001:db8::/32", "192.0.0.0/8", "ff00::/8", "fe80::/10", "0.0.0.0/1")
_PORTS: Final = (1, 2, 7, 9, 8081, 40_000, 40_001, 40_002)
_WORDS: Final = ("tcp", "udp", "icmp", "icmp6", "arp", "ip", "ip6", "rarp", "ether multicast", "ip6 multicast", "vlan")
_DIRECTIONS: Final = ("", "", "src ", "dst ", "src or dst ", "src and dst ")
_RELATIONS: Final = ("=", "==", "!=", "<", ">", "<=", ">=")
_FIELDS: Final = (
    ("ether", 16),
    ("ip", 24),
    ("ip6", 44),
    ("tcp", 20),
    ("udp", 8),
    ("icmp", 8),
    ("icmp6", 8),
    ("arp", 28),
)


def expression(rng: Random, depth: int = 3) -> str:
    """A random one."""
    if depth and rng.random() < 0.6:
        left, right = expression(rng, depth - 1), expression(rng, depth - 1)
        joint = rng.choice(("and", "or", "or", "&&", "||"))
        found = f"{left} {joint} {right}"
        return f"({found})" if rng.random() < 0.5 else found
    if rng.random() < 0.2:
        return f"not {_primitive(rng)}"
    return _primitive(rng)


def _primitive(rng: Random) -> str:
    direction = rng.choice(_DIRECTIONS)
    match rng.randrange(8):
        case 0:
            return rng.choice(_WORDS[:-1])
        case 1:
            return f"{direction}host {rng.choice(_HOSTS)}"
        case 2:
            return f"{direction}net {rng.choice(_NETS)}"
        case 3:
            return f"{rng.choice(('', 'tcp ', 'udp '))}{direction}port {rng.choice(_PORTS)}"
        case 4:
            low, high = sorted(rng.sample(_PORTS, 2))
            return f"{direction}portrange {low}-{high}"
        case 5:
            return f"{rng.choice(('less', 'greater'))} {rng.randrange(40, 140)}"
        case 6:
            return f"{rng.choice(('', 'ip ', 'ip6 '))}proto {rng.choice((1, 6, 17, 44, 58, 99))}"
    return _relation(rng)


def _relation(rng: Random) -> str:
    left = _number(rng, 2)
    return f"{left} {rng.choice(_RELATIONS)} {rng.choice((0, 1, 2, 6, 17, 63, 64, 255, 1001, 0x4500))}"


def _number(rng: Random, depth: int) -> str:
    if depth and rng.random() < 0.4:
        sign = rng.choice("+-*&|^%")
        found = f"{_number(rng, depth - 1)} {sign} {_number(rng, depth - 1)}"
        return f"({found})" if rng.random() < 0.6 else found
    if rng.random() < 0.3:
        return rng.choice(("len", "1", "15", "0xff", "3 << 2"))
    protocol, size = rng.choice(_FIELDS)
    width = rng.choice((1, 1, 2, 4))
    place = str(rng.randrange(size - width + 1))
    if rng.random() < 0.15:
        place = f"(ip[0] & 1) + {place}"
    return f"{protocol}[{place}:{width}]" if width > 1 or rng.random() < 0.3 else f"{protocol}[{place}]"
