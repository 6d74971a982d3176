"""DNS messages for the tests of `hythe dump`: queries and answers of all usual kinds, over UDP and TCP, and broken ones."""

from __future__ import annotations

import struct
from typing import Final

from scapy.compat import raw
from scapy.layers.inet import TCP, UDP

from tests.view.packets import BACK, ETHER, FOUR, FOUR_BACK, SIX

RESPONSE: Final = 0x8180
EXAMPLE: Final = b"\7example\3com\0"
#: Where the name of the question stands, as a pointer.
QUESTION: Final = b"\xc0\x0c"


def question(kind: int, name: bytes = EXAMPLE, qclass: int = 1) -> bytes:
    return name + struct.pack(">HH", kind, qclass)


def record(kind: int, data: bytes, name: bytes = QUESTION, ttl: int = 300, rclass: int = 1) -> bytes:
    return name + struct.pack(">HHIH", kind, rclass, ttl, len(data)) + data


def message(flags: int, *sections: list[bytes], identifier: int = 4660) -> bytes:
    counts = [len(each) for each in sections] + [0] * (4 - len(sections))
    return struct.pack(">HHHHHH", identifier, flags, *counts) + b"".join(b"".join(each) for each in sections)


def edns(options: bytes = b"", size: int = 1232, flags: int = 0) -> bytes:
    return b"\0" + struct.pack(">HHIH", 41, size, flags, len(options)) + options


def queries() -> list[bytes]:
    """Messages that ask."""
    kinds = (*range(66), 99, 108, *range(249, 259), 731, 32768, 32769, 65280)
    found = [message(0x0100, [question(kind)]) for kind in kinds]
    found += [message(0x0100, [question(1, qclass=qclass)]) for qclass in (2, 3, 4, 254, 255, 0x8001, 0x80FF, 77)]
    flags = "0000 0110 0120 0130 0080 0200 0400 0140 0800 1000 2000 2100 2800 3000 7800 0103"
    found += [message(int(each, 16), [question(28)]) for each in flags.split()]
    found += [
        message(0x0100, [question(1, b"\0")]),
        message(0x0100, [question(1, b"\1a\2b.\3c\\d\4\0\1\2\3\0")]),
        message(0x0100, [question(1, b"\x3f" + b"x" * 63 + b"\0")]),
        message(0x0100, [question(1), question(28)]),
        message(0x0100, []),
        message(0x0100, [question(1)], [], [], [edns()]),
        message(0x0100, [question(1)], [], [], [edns(b"\0\x0a\0\x08abcdefgh", flags=0x8000)]),
        message(
            0x0100, [question(1)], [], [], [edns(b"\0\x08\0\7\0\1\x18\0\xc0\0\2" + b"\0\3\0\0" + b"\0\x0c\0\4\0\0\0\0")]
        ),
        message(0x0100, [question(1)], [], [], [edns(b"\0\x0b\0\2\0\x64" + b"\0\x0f\0\4\0\x12ab" + b"\xfe\0\0\1z", 4096)]),
        message(0x0100, [question(1)], [record(1, b"\1\2\3\4")], [record(2, EXAMPLE)], [record(1, b"\1\2\3\5")]),
        message(0x2800, [question(6)], [record(1, b"", rclass=255)], [record(1, b"\1\2\3\4")]),
    ]
    return found


RECORDS: Final = (
    record(1, b"\xc0\0\2\1"),
    record(28, bytes.fromhex("20010db8000000000000000000000005")),
    record(2, b"\3ns1" + QUESTION),
    record(5, b"\3www" + QUESTION),
    record(6, b"\2ns" + QUESTION + b"\4host" + QUESTION + struct.pack(">IIIII", 2024, 7200, 3600, 1209600, 300)),
    record(12, b"\4back\4test\0"),
    record(15, b"\0\x0a\4mail" + QUESTION),
    record(16, b"\5v=one\0\3two"),
    record(16, b'\4a"\\\n'),
    record(33, b"\0\1\0\2\x1f\x91\3srv" + QUESTION),
    record(29, bytes(16)),
    record(35, b"\0\1\0\2\1u\3sip\0\4_sip" + QUESTION),
    record(13, b"\3cpu\2os"),
    record(39, b"\4some\4test\0"),
    record(43, b"\x30\x39\x08\x02" + b"\xaa" * 32),
    record(46, b"\0\1\x08\2\0\0\1\x2c" + bytes(8) + b"\x30\x39" + EXAMPLE + b"s" * 64),
    record(47, b"\1a" + QUESTION + b"\0\6\x40\1\0\0\0\3"),
    record(48, b"\1\1\3\x08" + b"k" * 32),
    record(50, b"\1\0\0\x0a\4abcd\4efgh\0\6@\0\0\0\0\2"),
    record(52, b"\3\1\1" + b"\xbb" * 32),
    record(64, b"\0\1\4some\4test\0"),
    record(65, b"\0\1\0\0\1\0\6\2h2\2h3"),
    record(99, b"\4spf1"),
    record(257, b"\0\5issueca.test"),
    record(17, b"\1m" + QUESTION + b"\1t" + QUESTION),
    record(18, b"\0\1\3afs" + QUESTION),
    record(38, b"\0" + bytes(16)),
    record(38, b"\x40" + bytes(8) + b"\1p" + QUESTION),
    record(250, b"\x08hmac-md5\0" + bytes(6) + b"\1\x2c\0\4abcd\x30\x39\0\0\0\0", rclass=255),
    record(10, b"anything"),
    record(731, b"anything"),
    record(1, b"\1\2\3\4", rclass=3),
    record(1, b"\1\2\3\4", rclass=0x8001),
    record(1, b"\1\2\3\4", ttl=0),
    record(1, b"\1\2\3\4", ttl=4_000_000),
    record(28, b"\1\2"),
    record(2, b""),
)


def answers() -> list[bytes]:
    """Messages that answer."""
    found = [message(RESPONSE, [question(255)], [each]) for each in RECORDS]
    found += [
        message(0x8000 | flags, [question(1)])
        for flags in (0, 0x0400, 0x0200, 0x0080, 0x0100, 0x0020, 0x0010, 0x07B0, 0x2800)
    ]
    found += [message(RESPONSE | rcode, [question(1)]) for rcode in range(1, 16)]
    found += [
        message(RESPONSE, [question(1)], [record(5, b"\3www" + QUESTION), RECORDS[0], RECORDS[0]]),
        message(RESPONSE, [question(1)], [RECORDS[0]], [RECORDS[2]], [RECORDS[1], edns()]),
        message(RESPONSE, [question(1)], [], [RECORDS[4]]),
        message(RESPONSE | 3, [question(1)], [], [RECORDS[4]], [edns(flags=0x8000)]),
        message(RESPONSE, [question(1)], [], [], [edns(flags=0x0100_8000)]),
        message(RESPONSE, [question(1)] * 2, [RECORDS[0]]),
        message(RESPONSE, [], [record(1, b"\1\2\3\4", EXAMPLE)]),
        message(RESPONSE, [question(16)], [record(16, (b"\xc8" + b"t" * 200) * 2)]),
    ]
    return found


def broken() -> list[bytes]:
    """Messages that end too early, lie about counts, or lead in circles."""
    whole = message(RESPONSE, [question(1)], [RECORDS[0], RECORDS[6]])
    return [
        *(whole[:size] for size in (0, 3, 11, 12, 13, 20, 25, 27, 29, 31, 35, 41, 44, 45, 50, 58, 62)),
        message(RESPONSE, [question(1)], [record(1, b"\1\2\3\4", b"\xc0\x1d")]),
        message(RESPONSE, [question(1)], [record(1, b"\1\2\3\4", b"\xc0\xff")]),
        message(RESPONSE, [question(1)], [record(1, b"\1\2\3\4", b"\x80")]),
        message(RESPONSE, [question(1)], [record(1, b"\1\2\3\4", b"\x40")]),
        struct.pack(">HHHHHH", 1, 0x8180, 1, 9, 0, 0) + question(1) + RECORDS[0],
        struct.pack(">HHHHHH", 1, 0x0100, 9, 0, 0, 0) + question(1),
        whole + b"behind",
    ]


def over_udp() -> list[bytes]:
    """All of them from and to port 53, and some of them to multicast DNS's."""
    there = [raw(ETHER / FOUR / UDP(sport=40_001, dport=53) / each) for each in queries()]
    back = [raw(BACK / FOUR_BACK / UDP(sport=53, dport=40_001) / each) for each in answers() + broken()]
    both = [*queries()[:3], queries()[-8], *answers()[:12], answers()[-4]]
    multicast = [raw(ETHER / SIX / UDP(sport=5353, dport=5353) / each) for each in both]
    return there + back + multicast


def over_tcp() -> list[bytes]:
    """Each behind its length; two in one segment; one that goes on in the next."""
    found = []
    for number, each in enumerate([*queries()[:4], *answers()[:4], queries()[0] + b"behind", answers()[3][:30]]):
        header = TCP(sport=40_003, dport=53, flags="PA", seq=1 + 100 * number, ack=1)
        found.append(raw(ETHER / FOUR / header / (struct.pack(">H", len(each)) + each)))
    first, second = queries()[0], queries()[1]
    two = struct.pack(">H", len(first)) + first + struct.pack(">H", len(second)) + second
    for data in (two, two[:40], b"\0", b"\0\5", b"\0\x1dab"):
        found.append(raw(ETHER / FOUR / TCP(sport=53, dport=40_004, flags="PA", seq=1, ack=1) / data))
    return found
