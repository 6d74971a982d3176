"""What the records of a DNS message carry, type by type.

A form is a tuple of parts, in the order of the wire: fields of some bits, names, texts, what is left over. Where a part does
not fit into what the record says it has, the rest of its data is one field of bytes: a record is told as far as it makes
sense.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from hythe.errors import ParseError
from hythe.view.layers.model import Header
from hythe.view.layers.reader import Reader, Spec, ipv4_text, ipv6_text, set_or_not
from hythe.wire.dns import parse_name
from hythe.wire.dnstext import name_text, type_name


class Part(NamedTuple):
    """Of no fixed size. A text has its length before it; a string is one text, strings are all that follow."""

    name: str
    form: Literal["name", "string", "strings", "rest", "options", "types"]


class Form(NamedTuple):
    """The parts of one type's data, and where they are laid down."""

    reference: str
    parts: tuple[Spec | Part, ...]


_ALGORITHMS: Final = {
    5: "RSA, SHA-1",
    8: "RSA, SHA-256",
    10: "RSA, SHA-512",
    13: "ECDSA P-256",
    14: "ECDSA P-384",
    15: "Ed25519",
}
_DIGESTS: Final = {1: "SHA-1", 2: "SHA-256", 4: "SHA-384"}
_KEY: Final = (Spec("Key Tag", 16), Spec("Algorithm", 8, str, _ALGORITHMS))
_OPTIONS: Final = {
    3: "name server identifier",
    8: "client subnet",
    10: "cookie",
    11: "TCP keepalive",
    12: "padding",
    15: "extended error",
}
_PARAMETERS: Final = {0: "mandatory", 1: "alpn", 2: "no-default-alpn", 3: "port", 4: "ipv4hint", 5: "ech", 6: "ipv6hint"}
_SERVICE: Final = Form(
    "RFC 9460, 2.2", (Spec("SvcPriority", 16, str, {0: "an alias"}), Part("TargetName", "name"), Part("SvcParam", "options"))
)

#: By record type.
FORMS: Final[Mapping[int, Form]] = MappingProxyType(
    {
        1: Form("RFC 1035, 3.4.1", (Spec("ADDRESS", 32, ipv4_text),)),
        2: Form("RFC 1035, 3.3.11", (Part("NSDNAME", "name"),)),
        5: Form("RFC 1035, 3.3.1", (Part("CNAME", "name"),)),
        6: Form(
            "RFC 1035, 3.3.13",
            (
                Part("MNAME", "name"),
                Part("RNAME", "name"),
                Spec("SERIAL", 32),
                *(Spec(name, 32, str, "seconds") for name in ("REFRESH", "RETRY", "EXPIRE", "MINIMUM")),
            ),
        ),
        12: Form("RFC 1035, 3.3.12", (Part("PTRDNAME", "name"),)),
        13: Form("RFC 1035, 3.3.2", (Part("CPU", "string"), Part("OS", "string"))),
        15: Form("RFC 1035, 3.3.9", (Spec("PREFERENCE", 16, str, "the lowest first"), Part("EXCHANGE", "name"))),
        16: Form("RFC 1035, 3.3.14", (Part("TXT-DATA", "strings"),)),
        28: Form("RFC 3596, 2.2", (Spec("ADDRESS", 128, ipv6_text),)),
        33: Form(
            "RFC 2782",
            (Spec("Priority", 16, str, "the lowest first"), Spec("Weight", 16), Spec("Port", 16), Part("Target", "name")),
        ),
        35: Form(
            "RFC 3403, 4.1",
            (
                *(Spec("ORDER", 16), Spec("PREFERENCE", 16), Part("FLAGS", "string"), Part("SERVICES", "string")),
                *(Part("REGEXP", "string"), Part("REPLACEMENT", "name")),
            ),
        ),
        39: Form("RFC 6672, 2.1", (Part("TARGET", "name"),)),
        41: Form("RFC 6891, 6.1.2", (Part("OPTION", "options"),)),
        43: Form("RFC 4034, 5.1", (*_KEY, Spec("Digest Type", 8, str, _DIGESTS), Part("Digest", "rest"))),
        44: Form("RFC 4255, 3.1", (Spec("Algorithm", 8), Spec("Fingerprint Type", 8), Part("Fingerprint", "rest"))),
        46: Form(
            "RFC 4034, 3.1",
            (
                *(Spec("Type Covered", 16, str, type_name), Spec("Algorithm", 8, str, _ALGORITHMS), Spec("Labels", 8)),
                Spec("Original TTL", 32, str, "seconds"),
                *(Spec(f"Signature {name}", 32, str, "seconds since 1970") for name in ("Expiration", "Inception")),
                *(Spec("Key Tag", 16), Part("Signer's Name", "name"), Part("Signature", "rest")),
            ),
        ),
        47: Form("RFC 4034, 4.1", (Part("Next Domain Name", "name"), Part("Type Bit Maps", "types"))),
        48: Form(
            "RFC 4034, 2.1",
            (
                *(Spec("Reserved", 7), Spec("Zone Key", 1, str, set_or_not("signs a zone"))),
                *(Spec("Reserved", 7), Spec("Secure Entry Point", 1, str, set_or_not("signs keys"))),
                *(Spec("Protocol", 8), Spec("Algorithm", 8, str, _ALGORITHMS), Part("Public Key", "rest")),
            ),
        ),
        52: Form(
            "RFC 6698, 2.1",
            (Spec("Usage", 8), Spec("Selector", 8), Spec("Matching Type", 8), Part("Certificate Association Data", "rest")),
        ),
        64: _SERVICE,
        65: _SERVICE,
        256: Form("RFC 7553, 4", (Spec("Priority", 16), Spec("Weight", 16), Part("Target", "rest"))),
        257: Form(
            "RFC 8659, 4.1",
            (
                Spec("Issuer Critical", 1, str, set_or_not("must be understood")),
                Spec("Reserved", 7),
                Part("Tag", "string"),
                Part("Value", "rest"),
            ),
        ),
    }
)


def data(reader: Reader, header: Header, kind: int, end: int, prefix: str) -> None:
    """The data of a record of this type, which goes on to byte `end`. Raises `ParseError` where it is cut off."""
    form = FORMS.get(kind, Form("RFC 1035, 4.1.3", ()))
    begin = reader.at
    for fixed, parts in itertools.groupby(form.parts, lambda part: isinstance(part, Spec)):
        told = prefix, form.reference, kind
        if fixed:
            fitted = _specs(reader, header, [part for part in parts if isinstance(part, Spec)], end, told)
        else:
            fitted = all(_part(reader, header, part, end, told) for part in parts if isinstance(part, Part))
        if not fitted:
            break
    reader.octets(header, f"{prefix}{'RDATA' if reader.at == begin else 'rest of RDATA'}", end - reader.at, form.reference)


def _specs(reader: Reader, header: Header, specs: list[Spec], end: int, told: tuple[str, str, int]) -> bool:
    """Fields of some bits, whole bytes together; tells whether they fitted in."""
    prefix, reference, _ = told
    if reader.at + sum(spec.width for spec in specs) // 8 > end:
        return False
    reader.read(header, [spec._replace(reference=reference) for spec in specs], prefix)
    return True


def _part(reader: Reader, header: Header, part: Part, end: int, told: tuple[str, str, int]) -> bool:
    """Tells whether it fitted in."""
    prefix, reference, kind = told
    match part.form:
        case "name":
            return _name(reader, header, prefix + part.name, end, reference)
        case "string":
            return _string(reader, header, prefix + part.name, end, reference)
        case "strings":
            while reader.at < end:
                if not _string(reader, header, prefix + part.name, end, reference):
                    return False
        case "options":
            while reader.at + 4 <= end:
                if not _option(reader, header, prefix + part.name, end, (reference, kind)):
                    return False
        case "types":
            _types(reader, header, prefix + part.name, end, reference)
        case "rest":
            raw = reader.data[reader.at : min(end, reader.end)]
            text = raw.decode("ascii", "replace")
            readable = kind in (256, 257) and text.isprintable() and raw.isascii()
            reader.octets(header, prefix + part.name, end - reader.at, reference, text if readable else "")
    return True


def _name(reader: Reader, header: Header, name: str, end: int, reference: str) -> bool:
    try:
        found, after = parse_name(reader.data[header.at : min(end, reader.end)], reader.at - header.at)
    except ParseError:
        return False
    reader.octets(header, name, header.at + after - reader.at, reference, name_text(found))
    return True


def _string(reader: Reader, header: Header, name: str, end: int, reference: str) -> bool:
    """RFC 1035, 3.3: a length and so many characters."""
    if reader.at >= min(end, reader.end) or reader.at + 1 + reader.data[reader.at] > end:
        return False
    reader.read(header, (Spec("Length", 8, str, "", reference),), f"{name}: ")
    size = header.fields[-1].value
    text = reader.data[reader.at : reader.at + size].decode("ascii", "backslashreplace")
    reader.octets(header, name, size, reference, text if text.isprintable() else "")
    return True


def _option(reader: Reader, header: Header, name: str, end: int, told: tuple[str, int]) -> bool:
    """A number, a length, and a value: of EDNS, and of service bindings."""
    reference, kind = told
    size = int.from_bytes(reader.data[reader.at + 2 : reader.at + 4], "big")
    if reader.at + 4 + size > end:
        return False
    meaning = _OPTIONS if kind == 41 else _PARAMETERS
    reader.read(header, (Spec("Code", 16, str, meaning, reference), Spec("Length", 16, str, "", reference)), f"{name}: ")
    reader.octets(header, f"{name}: Value", size, reference)
    return True


def _types(reader: Reader, header: Header, name: str, end: int, reference: str) -> None:
    """Windows of bits, one a type (RFC 4034, 4.1.2)."""
    raw = reader.data[reader.at : min(end, reader.end)]
    found, at = [], 0
    while at + 2 <= len(raw):
        window, size = raw[at], raw[at + 1]
        octets = raw[at + 2 : at + 2 + size]
        found += [window << 8 | place for place in range(8 * len(octets)) if octets[place >> 3] << (place & 7) & 0x80]
        at += 2 + size
    reader.octets(header, name, end - reader.at, reference, " ".join(map(type_name, found)))
