"""DNS numbers and names in tcpdump's words, which are not always those of `hythe.wire.dnstext`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_FIRST_TYPES: Final = """
    A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP_PTR SIG KEY PX GPOS AAAA LOC
    NXT EID NIMLOC SRV ATMA NAPTR KX CERT A6 DNAME SINK OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY
"""
TYPES: Final[Mapping[int, str]] = MappingProxyType(
    dict(enumerate(_FIRST_TYPES.split(), 1))
    | dict(enumerate(("SPF", "UINFO", "UID", "GID", "UNSPEC", "UNSPECA"), 99))
    | dict(enumerate(("TKEY", "TSIG", "IXFR", "AXFR", "MAILB", "MAILA", "ANY", "URI"), 249))
)
CLASSES: Final[Mapping[int, str]] = MappingProxyType({1: "IN", 3: "CHAOS", 4: "HS", 255: "ANY"})
OPCODES: Final = (
    *("", " inv_q", " stat", " op3", " notify", " update", " op6", " op7", " op8"),
    *(" updateA", " updateD", " updateDA", " updateM", " updateMA", " zoneInit", " zoneRef"),
)
_RCODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "",
        1: " FormErr",
        2: " ServFail",
        3: " NXDomain",
        4: " NotImp",
        5: " Refused",
        6: " YXDomain",
        7: " YXRRSet",
        8: " NXRRSet",
        9: " NotAuth",
        10: " NotZone",
        15: " NoChange",
        16: " BadVers",
        17: "Resp17",  # without a space in tcpdump, as the other one
        21: "Resp21",
        23: " BadCookie",
    }
)
_PERIODS: Final = (("y", 31_536_000), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class NoNameError(Exception):
    """A name that cannot be read; its text is what is shown of it."""


def rcode(number: int) -> str:
    """A response code, its space before it."""
    return _RCODES.get(number, f" Resp{number}")


def class_name(number: int) -> str:
    """A class."""
    return CLASSES.get(number, f"(Class {number})")


def period(seconds: int) -> str:
    """`1w1d2h26m40s`."""
    text = ""
    for unit, size in _PERIODS:
        if seconds >= size:
            text += f"{seconds // size}{unit}"
            seconds %= size
    return text or "0s"


def escaped(data: bytes) -> str:
    """`^J` for what controls, `M-` before what has the highest bit."""
    if data.isascii() and (text := data.decode("ascii")).isprintable():
        return text
    return "".join(map(_escaped, data))


def _escaped(byte: int) -> str:
    text = "M-" if byte & 0x80 else ""
    byte &= 0x7F
    return text + (chr(byte) if 0x20 <= byte < 0x7F else f"^{chr(byte ^ 0x40)}")


def skip(data: bytes, at: int) -> int:
    """Where the name at `at` ends. Raises IndexError, and NoNameError for a label of unknown kind."""
    while size := data[at]:
        if size & 0xC0 == 0xC0:
            data[at + 1]
            return at + 2
        if size & 0xC0:
            raise NoNameError("")
        at += 1 + size
    return at + 1


def read(data: bytes, at: int, begin: int) -> tuple[str, int]:
    """The name at `at` of the message that begins at `begin`, and where it ends.

    Raises NoNameError, with what can be shown, where the message ends and where the name leads nowhere.
    """
    text, after, limit = "", -1, at - begin
    while at < len(data) and (size := data[at]):
        if size & 0xC0 == 0xC0:
            if at + 1 == len(data):
                raise NoNameError(text)
            target = (size & 0x3F) << 8 | data[at + 1]
            if after < 0:
                after = at + 2
            # Backwards only, or a message could lead in circles (RFC 1035, 4.1.4).
            if target >= limit:
                raise NoNameError(text + "<BAD PTR>")
            at, limit = begin + target, target
            continue
        if size & 0xC0:
            raise NoNameError(text + (f"<ELT {size & 0x3F}>" if size & 0x40 else "<BAD LABEL TYPE>"))
        label = data[at + 1 : at + 1 + size]
        if len(label) < size:
            raise NoNameError(text + escaped(label))
        text += escaped(label) + "."
        at += 1 + size
    if at >= len(data):
        raise NoNameError(text)
    return text or ".", at + 1 if after < 0 else after
