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
#: The highest bits of a label's first byte say what kind it is (RFC 1035, 4.1.4).
_KIND: Final = 0xC0
_POINTER: Final = 0xC0
#: A label of bits, which nobody uses any more (RFC 2673; RFC 6891, 5).
_BITS: Final = 0x41
#: Characters of a name that are shown (RFC 1035, 2.3.4), and what is said of more.
_NAME_MAX: Final = 255
_TOO_LONG: Final = "<DOMAIN NAME TOO LONG>"
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
        if size & _KIND == _POINTER:
            return at + 2
        if size & _KIND and size != _BITS:
            raise NoNameError("")
        at += 1 + (_bits_size(data[at + 1]) if size == _BITS else size)
    return at + 1


def read(data: bytes, at: int, begin: int) -> tuple[str, int]:
    """The name at `at` of the message that begins at `begin`, and where it ends.

    Raises NoNameError, with what can be shown, where the message ends and where the name leads nowhere. Of a label that
    has a length and nothing more, nothing is said: whatever stands behind it will not be there either.
    """
    limit, length, text, followed = at - begin, 0, "", False
    size = _size(data, at, text)
    at += 1
    if not size:
        return ".", at
    after = at + size
    while size and at < len(data):
        if size & _KIND == _POINTER:
            target = (size & ~_KIND) << 8 | data[at]
            if not followed:
                after, followed = at + 1, True
            # Backwards only, or a message could lead in circles (RFC 1035, 4.1.4).
            if target >= limit:
                raise NoNameError(text + "<BAD PTR>")
            at, limit = begin + target, target
        elif size == _BITS:
            shown = data[at + 1 : at + _bits_size(data[at])]
            text += f"\\[x{_bits(shown, data[at] or 256)}/{data[at] or 256}]"
            if len(shown) + 1 < _bits_size(data[at]):
                raise NoNameError(text.rpartition("/")[0])
            at += _bits_size(data[at])
            text += "." if length <= _NAME_MAX else ""
            length += 1
        else:
            label = data[at : at + size]
            shown = label[: max(0, _NAME_MAX - length)]
            text += escaped(shown)
            if len(label) < size and len(shown) == len(label):
                raise NoNameError(text)
            length += size
            text += "." if length <= _NAME_MAX else ""
            length += 1
            at += size
        size = _size(data, at, text)
        at += 1
        if not followed:
            after += 1 + size
    if size & _KIND and not text and not followed:
        raise NoNameError(text)
    return text + (_TOO_LONG if length > _NAME_MAX else ""), after


def _bits_size(count: int) -> int:
    """Bytes of a label of bits behind its first: the number of bits, 0 for 256, and the bits."""
    return ((count or 256) + 7) // 8 + 1


def _bits(data: bytes, count: int) -> str:
    """So many bits in hexadecimal, the last digit or two of what is left over."""
    whole = data[: count // 8].hex()
    rest, last = count % 8, data[count // 8 : count // 8 + 1]
    if not rest or not last:
        return whole
    kept = last[0] & 0xFF << 8 - rest & 0xFF
    return whole + (f"{kept:02x}" if rest > 4 else f"{kept >> 4:x}")


def _size(data: bytes, at: int, text: str) -> int:
    """The first byte of a label; `text` is what is shown up to there. Raises NoNameError."""
    if at >= len(data):
        raise NoNameError(text)
    size = data[at]
    if size & _KIND not in (0, _POINTER) and (size != _BITS or at + 1 >= len(data)):
        if size == _BITS:
            raise NoNameError(text)
        raise NoNameError(text + (f"<ELT {size & ~_KIND}>" if size & 0x40 else "<BAD LABEL TYPE>"))
    return size
