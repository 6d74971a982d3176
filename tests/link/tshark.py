"""What tshark makes of a capture: every packet dissected, every checksum verified, every connection followed."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import needs

_CHECKED: Final = ("ip", "tcp", "udp", "icmp", "icmpv6")
#: What is said in these tests. A port that somebody was given may be that of another protocol (UDP 47000 is HCrt's), as
#: which tshark takes any bytes apart; what it makes of them is no fault of theirs.
_SAID: Final = frozenset(
    {
        "raw",
        "eth",
        "ethertype",
        "arp",
        "ipv6",
        "ipv6.fraghdr",
        "ipv6.hopopts",
        "dhcp",
        "dhcpv6",
        "dns",
        "http",
        "media",
        "data",
    }
    | {"data-text-lines", "_ws.malformed", *_CHECKED}
)
_PREFERENCES: Final = ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum", "tcp.analyze_sequence_numbers")
_FIELDS: Final = (
    "frame.number",
    "frame.protocols",
    "ip.src",
    "ipv6.src",
    "_ws.expert.message",
    "_ws.expert.severity",
    *(f"{each}.checksum.status" for each in _CHECKED),
)
#: Severities of Wireshark's expert information (epan/proto.h) that tell of something: note, warning, error.
_NOTE: Final = 0x400000
#: Values of the checksum fields.
_BAD, _GOOD, _UNVERIFIED, _MISSING = "0", "1", "2", "3"
#: What is no fault: a receiver that is slower than its sender, a port where nobody listens, an end.
HARMLESS: Final = frozenset(
    {
        "TCP window specified by the receiver is now completely full",
        "TCP Zero Window segment",
        "Connection reset (RST)",
        "This frame initiates the connection closing",
        "This frame undergoes the connection closing",
    }
)


@dataclass
class Reading:
    """`packets`: how many; `protocols`: all that were dissected; `complaints`: what is wrong, a sentence a packet."""

    packets: int
    protocols: set[str]
    complaints: list[str]
    #: Packets whose checksum was verified and right, by protocol.
    verified: dict[str, int]


def read(path: Path, *, kernels: Collection[str] = ()) -> Reading:
    """Have tshark read a capture, checksums verified and sequence analysis on.

    `kernels`: addresses at the other end of a device with offload. In an ICMP error these quote what they were given:
    a packet whose checksum they had still to finish.
    """
    words = [needs.program("tshark"), "-n", "-r", str(path), "-T", "fields", "-E", "aggregator=|"]
    words += [word for name in _PREFERENCES for word in ("-o", f"{name}:TRUE")]
    words += [word for name in _FIELDS for word in ("-e", name)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    found = Reading(0, set(), [], dict.fromkeys(_CHECKED, 0))
    for line in ran.stdout.splitlines():
        found.packets += 1
        number, protocols, source4, source6, messages, severities, *statuses = line.split("\t")
        layers = protocols.split(":")
        found.protocols |= set(layers)
        mistaken = not set(layers) <= _SAID
        quotes = layers.count("ip") + layers.count("ipv6") > 1
        unfinished = quotes and (source4 or source6).split("|")[0] in kernels
        wrong = [
            message
            for message, severity in zip(_parts(messages), _parts(severities), strict=True)
            if int(severity) >= _NOTE
            and message not in HARMLESS
            and not mistaken
            and not (unfinished and message.startswith("Bad checksum"))
        ]
        # What a quote is cut off from nobody can verify.
        right = {_GOOD, _MISSING} | ({_UNVERIFIED} if quotes else set()) | ({_BAD} if unfinished else set())
        for name, states in zip(_CHECKED, map(_parts, statuses), strict=True):
            found.verified[name] += states.count(_GOOD)
            if not set(states) <= right:
                wrong.append(f"{name} checksum status {'|'.join(states)}")
        if "_ws.malformed" in layers and not mistaken:
            wrong.append("malformed")
        if wrong:
            found.complaints.append(f"packet {number} ({protocols}): {'; '.join(wrong)}")
    return found


def _parts(field: str) -> list[str]:
    return field.split("|") if field else []


def fields(file: Path, *names: str, only: str = "", options: tuple[str, ...] = ()) -> list[list[str]]:
    """Have tshark read a capture: these fields of the packets that `only` chooses."""
    words = [needs.program("tshark"), "-r", str(file), *options, "-T", "fields"]
    words += [word for name in names for word in ("-e", name)] + (["-Y", only] if only else [])
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in ran.stdout.splitlines()]
