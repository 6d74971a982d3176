"""What there is to say of a port besides whose it is: protocols that nobody should use any more, and notorious ones.

Programs that harm chose ports that stood free, or hid behind somebody's: a port proves nothing, neither good nor bad. It is
a reason to look which process holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Remark(NamedTuple):
    """`kind`: ``deprecated`` (what is meant to be there) or ``notorious`` (what else has been)."""

    kind: str
    text: str


_AMPLIFIES: Final = "answers more than it is asked, to whom the sender names: used for floods; RFC 8085 warns of it"
_CLEAR: Final = "passwords in clear"

#: By port; of one protocol, or of both where that is empty.
REMARKS: Final[Mapping[int, tuple[tuple[str, Remark], ...]]] = MappingProxyType(
    {
        7: (("udp", Remark("notorious", "two echoing services keep each other busy for ever; leave it off")),),
        17: (("udp", Remark("notorious", _AMPLIFIES)),),
        18: (("", Remark("deprecated", "historic (RFC 1312)")),),
        19: (("udp", Remark("notorious", _AMPLIFIES)),),
        20: (("tcp", Remark("deprecated", f"{_CLEAR}; use sftp or ftps")),),
        21: (("tcp", Remark("deprecated", f"{_CLEAR}; use sftp or ftps")),),
        23: (("tcp", Remark("deprecated", f"{_CLEAR}; use ssh. Worms try it all day (Mirai)")),),
        53: (("udp", Remark("notorious", "a resolver that is open to all is used for floods (RFC 5358)")),),
        69: (("udp", Remark("deprecated", "files without any password")),),
        79: (("tcp", Remark("deprecated", "tells strangers of users")),),
        109: (("", Remark("deprecated", "POP2, historic (RFC 937); use pop3s or imaps")),),
        110: (("tcp", Remark("deprecated", "in clear unless STLS is used; use pop3s (RFC 8314)")),),
        111: (("", Remark("notorious", "open to all it is used for floods, and leads to NFS and NIS")),),
        113: (("tcp", Remark("deprecated", "tells strangers of users, and proves nothing (RFC 1413)")),),
        119: (("tcp", Remark("deprecated", "in clear unless STARTTLS is used; use nntps")),),
        123: (("udp", Remark("notorious", "old servers answer monlist by floods; keep them up to date")),),
        135: (("tcp", Remark("notorious", "Blaster came this way; not for the Internet")),),
        137: (("udp", Remark("deprecated", "NetBIOS over TCP/IP; not for the Internet")),),
        138: (("udp", Remark("deprecated", "NetBIOS over TCP/IP; not for the Internet")),),
        139: (("tcp", Remark("deprecated", "NetBIOS over TCP/IP; not for the Internet")),),
        143: (("tcp", Remark("deprecated", "in clear unless STARTTLS is used; use imaps (RFC 8314)")),),
        161: (("udp", Remark("notorious", "versions 1 and 2 have the password in clear, and are used for floods")),),
        389: (("udp", Remark("notorious", _AMPLIFIES)),),
        445: (("tcp", Remark("notorious", "Conficker and WannaCry came this way; not for the Internet")),),
        512: (("tcp", Remark("deprecated", f"{_CLEAR}; use ssh")),),
        513: (("tcp", Remark("deprecated", "trusts addresses; use ssh")),),
        514: (("tcp", Remark("deprecated", "trusts addresses; use ssh")),),
        520: (("udp", Remark("deprecated", "RIP version 1 is historic (RFC 1923)")),),
        1080: (("tcp", Remark("notorious", "a proxy that is open to all is used by all; MyDoom opened one here")),),
        1234: (("tcp", Remark("notorious", "SubSeven and others")),),
        1433: (("tcp", Remark("notorious", "guessed at all day; not for the Internet")),),
        1434: (("udp", Remark("notorious", "SQL Slammer came this way")),),
        1900: (("udp", Remark("notorious", _AMPLIFIES)),),
        2375: (
            ("tcp", Remark("notorious", "whoever reaches it is root on the machine; use TLS on 2376, or the Unix socket")),
        ),
        3128: (("tcp", Remark("notorious", "a proxy that is open to all is used by all; MyDoom opened one here")),),
        3389: (("tcp", Remark("notorious", "guessed at all day, and BlueKeep; not for the Internet")),),
        4444: (("tcp", Remark("notorious", "Blaster's shell, and Metasploit's by default")),),
        5554: (("tcp", Remark("notorious", "Sasser")),),
        5555: (("tcp", Remark("notorious", "adb of Android without a password; miners look for it")),),
        5900: (("tcp", Remark("notorious", "weak passwords, guessed at all day; through ssh only")),),
        6000: (("tcp", Remark("notorious", "whoever reaches it sees the screen and the keys; use ssh -X")),),
        6379: (("tcp", Remark("notorious", "without a password whoever reaches it runs programs; not for the Internet")),),
        6667: (("tcp", Remark("notorious", "in clear; where many worms get their orders")),),
        9200: (("tcp", Remark("notorious", "without a password unless one is set; not for the Internet")),),
        9996: (("tcp", Remark("notorious", "Sasser's shell")),),
        11211: (("", Remark("notorious", "without a password; the greatest floods came from it over UDP")),),
        12345: (("tcp", Remark("notorious", "NetBus")),),
        20034: (("tcp", Remark("notorious", "NetBus 2")),),
        27017: (("tcp", Remark("notorious", "without a password unless one is set; not for the Internet")),),
        27374: (("tcp", Remark("notorious", "SubSeven")),),
        31337: (("", Remark("notorious", "Back Orifice")),),
        54320: (("", Remark("notorious", "Back Orifice 2000")),),
    }
)


def remarks(port: int, protocol: str) -> list[Remark]:
    """What there is to say of a port, of ours and not of IANA's."""
    return [remark for only, remark in REMARKS.get(port, ()) if only in ("", protocol)]
