"""Packets for the tests of `hythe dump` that are seen less often: IGMP, GRE, MPTCP, what ICMPv6 does for nodes and routers.

Written as bytes, since most of it nobody else builds; checksums are put in.
"""

from __future__ import annotations

from scapy.compat import raw
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.packet import Packet, Raw
from scapy.utils import checksum

from tests.view.packets import A4, A6, B4, B6, ETHER, FOUR, SIX

GROUP = "e0000005"
ADDRESS6 = "20010db8000000000000000000000005"
KEY = "0102030405060708"
DATAGRAM = UDP(sport=40_001, dport=40_002) / b"hello"


def _summed(text: str) -> bytes:
    """Bytes with their Internet checksum at 2."""
    data = bytearray.fromhex(text)
    data[2:4] = checksum(bytes(data[:2]) + b"\0\0" + bytes(data[4:])).to_bytes(2, "big")
    return bytes(data)


def _four(protocol: int, data: bytes) -> bytes:
    return raw(ETHER / IP(src=A4, dst=B4, id=1, proto=protocol) / Raw(data))


def _icmp6(text: str) -> bytes:
    return raw(ETHER / IPv6(src=A6, dst=B6, hlim=255, nh=58) / Raw(bytes.fromhex(text)))


def igmp() -> list[bytes]:
    """Every version's queries and reports, traces of routes, wrong lengths and checksums."""
    texts = [
        *("1100000000000000", "1164000000000000", "110a0000" + GROUP, "11000000" + GROUP + "7878"),
        *("12000000" + GROUP, "12000000" + GROUP + "78787878", "16000000" + GROUP, "17000000" + GROUP),
        *("9901" + "00" * 10, "1164000000000000027d0000", "110a0000" + GROUP + "027d0000"),
        "11990000" + GROUP + "0a7d0002c0000201c0000202",
        "11ff0000" + GROUP + "0a7d0002c0000201",
        "11f10000" + GROUP + "0a7d0002c000020100",
        "220000000000000104000000" + GROUP,
        "220000000000000304000000" + GROUP + "01000001e0000006c000020109000002e0000007c0000201c0000202",
        "220000000000000304000000" + GROUP,
        "220000000000000104000009" + GROUP,
        "220000000000",
        "1f080000" + GROUP + "c0000201c0000202c000020320000077",
        "1e080000" + GROUP + "c0000201c0000202e000020320000077",
        "1f080000" + GROUP,
    ]
    found = [_four(2, _summed(text)) for text in texts] + [_four(2, bytes.fromhex(text)) for text in texts[:3]]
    return [
        *found,
        found[0][:36],
        found[11][:50],
        found[15][:60],
        raw(ETHER / IPv6(src=A6, dst=B6, nh=2) / Raw(b"12345678")),
    ]


def gre() -> list[bytes]:
    """With IPv4, IPv6, Ethernet and what nobody knows inside; with every field there is, source routes too; PPTP's."""
    four, six, frame = raw(FOUR / DATAGRAM), raw(SIX / DATAGRAM), raw(ETHER / FOUR / DATAGRAM)
    route = "c0000201c0000202"
    packets = [
        bytes.fromhex("00000800") + four,
        bytes.fromhex("000086dd") + six,
        bytes.fromhex("00006558") + frame,
        bytes.fromhex("8000080012340000") + four,
        bytes.fromhex("b0000800123400000000000700000009") + four,
        bytes.fromhex("200008000000abcd") + four,
        bytes.fromhex("100008000000abcd") + four,
        bytes.fromhex("08000800") + four,
        bytes.fromhex("00001234") + b"zzz",
        bytes.fromhex("00050800") + four,
        bytes.fromhex("0000"),
        bytes.fromhex("3081880c00040007" + "0000000100000002") + b"abcd",
        bytes.fromhex("2081880b0000000700000002"),
        *(
            bytes.fromhex("4000080000000000" + entry + "00000000") + four
            for entry in (
                *("08000408" + route, "fffe020401020304", "08000308" + route, "08010008" + route),
                *("08000808" + route, "08000007" + route[:14], "fffe010401020304"),
            )
        ),
    ]
    found = [_four(47, packet) for packet in packets]
    return [*found, raw(ETHER / IPv6(src=A6, dst=B6, nh=47) / Raw(packets[0])), found[0][:37], found[4][:44], found[13][:50]]


def nodes() -> list[bytes]:
    """Node information, router renumbering, and what mobile hosts ask for."""
    host, dotted = "04686f7374", "04686f73740474657374"
    queries = [
        *("00000000", "0000000078", "00010001", "00010002", "00020000", "00020000" + ADDRESS6, "0003007e" + ADDRESS6),
        *("00030000" + ADDRESS6 + "78", "00090000" + ADDRESS6),
    ]
    named = ["00020000" + text for text in (host, dotted + "00", dotted + "0000", host + "0078", "44686f73740078")]
    replies = [
        *(
            "00000000",
            "0000000078",
            "0001000100000001",
            "0002000000000009" + dotted + "00",
            "0002000100000009" + host + "0000",
        ),
        *(
            "0002000100000009" + host,
            "0003007f00000e10" + ADDRESS6 + "00000e11" + ADDRESS6,
            "0003000000000e10" + ADDRESS6[:10],
        ),
        "00090000",
    ]

    def node(kind: str, text: str) -> str:
        return kind + "0000" + text[:8] + KEY + text[8:]

    command = "8a00000000000005" + "01f8000a00000000"
    match, use = "300040000000" + ADDRESS6, "3010ffff00015180ffffffffc0000000" + ADDRESS6
    texts = [
        *(node("8b00", text) for text in queries),
        *(node("8b01", text) for text in named),
        *(node("8b02", "00020000" + text) for text in ("c0000201", "c000020100")),
        *(node("8c00", text) for text in replies),
        *(node(f"8c0{code}", "00020000" + "78" * (code - 1)) for code in (1, 2, 3)),
        node("8b09", "00020000" + ADDRESS6),
        "8b000000" + "3132333435363738",
        *(command, command + "010701" + match[:2] + "1040" + "0000" + ADDRESS6 + use),
        *(command[:24] + "00000009" + f"0{code}0301301040" + "0000" + ADDRESS6 for code in (2, 3, 4)),
        command + "0105013010400000" + ADDRESS6,
        *(f"8a{code:02x}" + command[4:] + "78" * 24 for code in (1, 7, 255)),
        *("9000000000070000", "9100000000070000" + ADDRESS6, "9200000000070000", "930000000007c000"),
        "930000000007c000" + "03044040000151800000384000000000" + ADDRESS6,
        *(
            *(
                f"9b0{code}0000" + "1e01010089070000" + ADDRESS6 + more
                for code in range(5)
                for more in ("", "0001020000", "0403")
            ),
            *(
                f"9b0{code}0000" + f"1e{flags}0305" + ADDRESS6 + "0512" + "00" * 18
                for code in (2, 3)
                for flags in ("00", "80", "40")
            ),
            *("9b800000", "9b010000" + "1e0101", "9b020000" + "1e400305", "9b030000" + "1e800305"),
            "8d00000000000000",
            "8e00000000000000",
            "8200000000000000",
            "8200000000000000" + ADDRESS6 + "7878",
            "7f00000061626364",
        ),
    ]
    found = [_icmp6(text) for text in texts]
    addresses = found[6], found[22], found[-10]
    return [*found, *(each[:size] for each in addresses for size in (58, 64, 70, 80, 93))]


def mptcp() -> list[bytes]:
    """Every subtype in every length, in segments where it belongs and where not."""
    six, counters = "20010db8000000000000000000000001", "00000001000000020000000300040005"
    options = {
        "S": ("1e040081", "1e040181", "1e0c0281" + KEY, "1e0c10070000001100000022", "1e08200100000009"),
        "SA": ("1e0c0181" + KEY, "1e101107" + KEY + "00000022"),
        "A": (
            *("1e140101" + KEY * 2, "1e160181" + KEY * 2 + "0005", "1e180181" + KEY * 2 + "00050102", "1e0c0181" + KEY),
            *("1e181000" + "0a" * 20, "1e181000" + "00" * 20, "1e0c10070000001100000022"),
            *("1e08200100000009", "1e0c2003" + KEY, "1e142005" + counters, "1e122005" + counters[:28], "1e0320"),
            *("1e1c200f" + KEY * 2 + counters[16:], "1e1a201f" + KEY * 2 + counters[16:28], "1e0920010000000901"),
            *("1e083005c0000201", "1e0a3105c00002011f90", "1e103005c0000201" + KEY, "1e123405c00002011f90" + KEY),
            *("1e143605" + six, "1e163005" + six + "1f90", "1e1c3005" + six + KEY, "1e1e3005" + six + "1f90" + KEY),
            *("1e093005c000020101", "1e083205c0000201", "1e044005", "1e0640050607", "1e0340", "1e0350", "1e045105"),
            *("1e05510506", "1e0c6000" + KEY, "1e0b6000" + KEY[2:], "1e0c7000" + KEY, "1e048000", "1e03f0", "1e02"),
        ),
    }
    found = []
    for flags, texts in options.items():
        for text in texts:
            option = bytes.fromhex(text)
            option += b"\1" * (-len(option) % 4)
            header = raw(TCP(sport=1, dport=2, seq=1, ack=1, flags=flags, dataofs=5 + len(option) // 4))
            found.append(_four(6, header + option + b"data"))
    return [*found, *(found[13][:size] for size in (56, 60, 66, 70, 76))]


def routes() -> list[bytes]:
    """Source routes, which checksums end at, and options of IPv6 that are right and that are not."""
    found: list[Packet] = [
        IP(src=A4, dst=B4, ihl=7, proto=17) / Raw(bytes.fromhex("830704c000020900") + raw(DATAGRAM)),
        IP(src=A4, dst=B4, ihl=8, proto=17) / Raw(bytes.fromhex("01890b0cc0000209c000020a") + raw(DATAGRAM)),
        IPv6(src=A6, dst=B6) / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=0) / DATAGRAM,
        IPv6(src=A6, dst=B6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrHopByHop() / DATAGRAM,
        IPv6(src=A6, dst=B6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / DATAGRAM,
    ]
    home = "c910" + ADDRESS6
    options = [
        *(
            "0501000000000000",
            "050200000100",
            "0502",
            "c20400010000",
            "c20400000001",
            "c20300010000",
            "01040000",
            "010400000000",
        ),
        *(
            "6302abcd0100",
            "c2040001000001020000c20400010000",
            "0101",
            "c9020000000000000000",
            home + "0100",
            "c916" + home[4:] + "00010102abcd",
        ),
    ]
    frames = [raw(ETHER / each) for each in found]
    for text in options:
        data = bytes.fromhex(text)
        data += bytes(-(len(data) + 2) % 8)
        for kind in (0, 60):
            header = bytes((17, len(data) // 8)) + data
            frames.append(raw(ETHER / IPv6(src=A6, dst=B6, nh=kind) / Raw(header + raw(DATAGRAM))))
            frames.append(raw(ETHER / IPv6(src=A6, dst=B6, nh=kind, plen=0) / Raw(header + raw(DATAGRAM))))
    segments = bytes.fromhex("1104040101000007" + ADDRESS6 * 2)
    frames += [raw(ETHER / IPv6(src=A6, dst=B6, nh=43) / Raw(data + raw(DATAGRAM))) for data in (segments, segments[:20])]
    return frames


def extended_errors() -> list[bytes]:
    """ICMP errors with labels behind the packet that they quote, as routers send them; some that lie."""
    quoted = raw(IP(src=A4, dst=B4, id=1, ttl=1) / UDP(sport=40_001, dport=40_009) / bytes(200))[:128]
    labels, other = "00080101000643ff", "00080201" + "c0000201"
    found = []
    for text in (
        labels,
        other,
        labels + other,
        "000c0101" + "000642ff000643ff",
        "00040000",
        "0003010100064301",
        "0008010200064301",
    ):
        for version in ("20000000", "10000000"):
            extension = _summed(version + text)
            for length, data in ((32, extension), (0, extension), (32, extension[:-1] + b"\1"), (0, extension[:-1] + b"\1")):
                message = bytes((11, 0, 0, 0, 0, length, 0, 0)) + quoted + data
                found.append(_four(1, _summed(message.hex())))
    return [*found, found[0][:174], found[0][:180], found[16][:186]]


def foreign(header: bytes = raw(ETHER)[:12], *, cooked: bool = False) -> list[bytes]:
    """Frames of other networks: OSI, IPX in its four ways, AppleTalk, DECnet, NetBEUI, spanning trees; for filters."""
    llc = [
        *(
            "4242030000000000",
            "fefe0381010101010101",
            "fefe0382010101010101",
            "f0f00300000000",
            "e0e003ffff0022",
            "0606034500",
        ),
        *(f"fefe03831b0100{kind:02x}01" for kind in (15, 16, 17, 18, 20, 24, 25, 26, 27, 9)),
        *(
            "aaaa030800078 09b0102".replace(" ", ""),
            "aaaa0300000080f30102",
            "aaaa0300000081370102",
            "aaaa030000000800" + "45",
        ),
        *("fe42030102", "05050301", "ffff00220011"),
    ]
    typed = ["8137ffff0022", "809b0102030405", "80f30102030405", "6004010203", "90000001", "00012345", "0005ffff0022"]
    node, other = "0f28", "1028"
    for source, target in ((node, other), (other, node), (node, node)):
        typed += [
            *("6003" + "100002" + target + source + "0000", "6003" + "10008102" + target + source + "0000"),
            *(
                "6003" + "100006" + "00" * 6 + target + "00" * 6 + source,
                "6003" + "10008106" + "00" * 6 + target + "00" * 6 + source,
            ),
        ]
    frames = [bytes.fromhex(text) for text in typed]
    for text in llc:
        data = bytes.fromhex(text)
        frames += [(b"\0\4" if cooked else len(data).to_bytes(2, "big")) + data]
    return [header + frame.ljust(60, b"\0") for frame in frames]


def chains() -> list[bytes]:
    """IP packets with authentication headers and others before what they carry."""

    def authentication(following: int, words: int = 4) -> bytes:
        return bytes((following, words, 0, 0)) + bytes(4 * (words + 2) - 4)

    data = raw(DATAGRAM)
    found = [
        IP(src=A4, dst=B4, proto=51) / Raw(authentication(17) + data),
        IP(src=A4, dst=B4, proto=51) / Raw(authentication(51) + authentication(6) + data),
        IP(src=A4, dst=B4, proto=59) / Raw(data),
        IPv6(src=A6, dst=B6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / DATAGRAM,
        IPv6(src=A6, dst=B6, nh=51) / Raw(authentication(17) + data),
        IPv6(src=A6, dst=B6, nh=0) / Raw(bytes((51, 0, 0, 0, 0, 0, 0, 0)) + authentication(17, 10) + data),
        IPv6(src=A6, dst=B6) / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=0) / TCP(sport=1, dport=2),
        IPv6(src=A6, dst=B6, nh=59),
        IPv6(src=A6, dst=B6, nh=0) / Raw(b"\x3c"),
    ]
    return [raw(ETHER / each) for each in found]
