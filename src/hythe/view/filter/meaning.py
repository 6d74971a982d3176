"""A tree to checks of bytes, for one link type.

Everything that tcpdump decides about what an expression means is here: which versions of IP `port` looks into, that a
fragment has no ports, that `tcp[…]` is about IPv4, that `host` finds ARP as well.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NoReturn

from hythe.view.filter.checks import (
    TRUE,
    WORD,
    Arithmetic,
    Chain,
    Check,
    Compare,
    HeaderLength,
    Load,
    Negation,
    Number,
    PacketLength,
    Value,
    either,
    equal,
    every,
    masked,
)
from hythe.view.filter.foreign import decnet, isis_kind, osi, osi_protocol
from hythe.view.filter.layers import IPV4, IPV6, PPPOE_DISCOVERY, Layer
from hythe.view.filter.lexer import FilterError, Kind, Token
from hythe.view.filter.names import ETHERTYPES, ISIS, LINKS, OSI, TRANSPORTS, Names
from hythe.view.filter.parser import number
from hythe.view.filter.ports import port_range
from hythe.view.filter.syntax import (
    And,
    Constant,
    Expression,
    Field,
    Length,
    Not,
    Operation,
    Or,
    Primitive,
    Relation,
    Special,
)
from hythe.view.filter.syntax import Arithmetic as Written

_FRAGMENT_HEADER: Final = 44
#: Bits of an IPv4 header's fragment field that say where a fragment belongs: a first one, or a whole packet, has none.
_FRAGMENT_OFFSET: Final = 0x1FFF
_WITH_PORTS: Final = ("sctp", "tcp", "udp")
#: Length of an address -> protocols that have such, with the places of source and destination in their headers.
_ADDRESSES: Final = {4: (("ip", 12, 16), ("arp", 14, 24), ("rarp", 14, 24)), 16: (("ip6", 8, 24),)}
#: Protocols whose bytes have no place that an offset could count from.
_NO_OFFSETS: Final = frozenset({"stp", "iso", "netbeui", "ipx", "loopback"})
_AREA_MAX: Final = 63
_NODE_MAX: Final = 1023
_OFFSET_MAX: Final = 0x7FFF_FFFF
#: Most that the number behind a word can be.
_LIMITS: Final = {"vlan": 0xFFF, "mpls": 0xFFFFF, "pppoes": 0xFFFF}


def checks(tree: Expression | None, text: str, layer: Layer, names: Names) -> Check:
    """What the expression `text`, read as `tree`, means for packets of this layer. Raises `FilterError`."""
    return TRUE if tree is None else _Meaning(text, layer, names).of(tree)


class _Meaning:
    __slots__ = ("_layer", "_names", "_text")

    def __init__(self, text: str, layer: Layer, names: Names) -> None:
        self._text = text
        self._layer = layer
        self._names = names

    def fail(self, reason: str, token: Token) -> NoReturn:
        raise FilterError(reason, self._text, token.start, token.end)

    def of(self, tree: Expression) -> Check:
        """Left before right: a `vlan` changes what follows."""
        match tree:
            case And():
                left = self.of(tree.left)
                return every(left, self.of(tree.right))
            case Or():
                left = self.of(tree.left)
                return either(left, self.of(tree.right))
            case Not():
                return Negation(self.of(tree.inner))
            case Relation():
                return self._relation(tree)
            case Special():
                return self._special(tree)
            case Primitive():
                return self._primitive(tree)

    # -- words that stand alone ------------------------------------------------------------------

    def _special(self, tree: Special) -> Check:
        word = tree.word.text
        if word in TRANSPORTS:
            return self._transport(*TRANSPORTS[word])
        if word in ETHERTYPES:
            return self._layer.carries(ETHERTYPES[word])
        if word in OSI or word in ISIS:
            return osi(self._layer, word)
        if word in LINKS:
            self.fail(f"what about {word!r}? Write host, proto, broadcast or multicast behind it", tree.word)
        argument = number(tree.argument) if tree.argument is not None else None
        if argument is not None and argument > _LIMITS.get(word, WORD):
            self.fail(f"{word} goes up to {_LIMITS.get(word, WORD)}", tree.argument or tree.word)
        match word:
            case "less" | "greater" if not self._layer.has_header:
                self.fail("the kernel counts other bytes", tree.word)
            case "less":
                return Compare("<=", PacketLength(), Number(argument or 0))
            case "greater":
                return Compare(">=", PacketLength(), Number(argument or 0))
            case "broadcast" | "multicast":
                return self._cast(tree)
            case "inbound" | "outbound":
                out = self._layer.outgoing()
                if out is None:
                    self.fail("packets of this capture do not tell which way they went", tree.word)
                return out if word == "outbound" else Negation(out)
            case "ifindex":
                found = self._layer.arrived(argument or 0)
                if found is None:
                    self.fail("packets of this capture do not tell which interface they came through", tree.word)
                return found
            case "pppoed":
                return self._layer.carries(PPPOE_DISCOVERY)
            case "pppoes":
                return self._layer.session(argument)
        if not self._layer.is_ethernet:
            self.fail(f"there is no {word} in packets of this link type", tree.word)
        return self._layer.tag(argument) if word == "vlan" else self._layer.label(argument)

    def _cast(self, tree: Special) -> Check:
        """Packets to a group or to all."""
        at = self._layer.network
        many = tree.word.text == "multicast"
        if tree.protocol == "ip":
            if many:
                return every(self._layer.carries(IPV4), Compare(">=", Load(1, at + 16), Number(224)))
            # Nobody knows the mask of the network that a file is about: all ones or all zeros it is.
            target = Load(4, at + 16)
            return every(self._layer.carries(IPV4), either(equal(target, 0), equal(target, WORD)))
        if tree.protocol == "ip6" and many:
            return every(self._layer.carries(IPV6), equal(Load(1, at + 24), 0xFF))
        if tree.protocol and tree.protocol not in LINKS:
            self.fail(f"{tree.protocol} knows no {tree.word.text}", tree.word)
        if not self._layer.is_ethernet:
            self.fail("there are no MAC addresses in packets of this link type", tree.word)
        if many:
            return Compare("!=", Arithmetic("&", Load(1, 0), Number(1)), Number(0))
        return self._mac_at(0, b"\xff" * 6)

    # -- protocols -------------------------------------------------------------------------------

    def _transport(self, protocol: int, four: bool, six: bool) -> Check:
        """A protocol above IP. Behind an IPv6 fragment header it is found, too."""
        found: list[Check] = []
        at = self._layer.network
        if four:
            found.append(every(self._layer.carries(IPV4), equal(Load(1, at + 9), protocol)))
        if six:
            following = Load(1, at + 6)
            fragment = every(equal(following, _FRAGMENT_HEADER), equal(Load(1, at + 40), protocol))
            found.append(every(self._layer.carries(IPV6), either(equal(following, protocol), fragment)))
        return either(*found)

    def _proto(self, tree: Primitive) -> Check:
        where, value = tree.qualifiers.protocol, tree.value
        if tree.qualifiers.direction:
            self.fail("a protocol has no source and no destination", value)
        if where == "iso" and tree.qualifiers.kind == "proto":
            known = number(value) if value.kind is Kind.NUMBER else OSI.get(value.text)
            if known is None or known > WORD:
                self.fail(f"{value.text!r} is no protocol of OSI: write clnp, esis, isis or a number", value)
            return osi_protocol(self._layer, known)
        if where in ("isis", "is-is") and tree.qualifiers.kind == "proto" and value.kind is Kind.NUMBER:
            return isis_kind(self._layer, number(value) & WORD)
        if where in LINKS and tree.qualifiers.kind == "proto":
            known = number(value) if value.kind is Kind.NUMBER else ETHERTYPES.get(value.text)
            if known is None or known > 0xFFFF:
                self.fail(f"{value.text!r} is no protocol of the link layer: write its EtherType", value)
            return self._layer.carries(known)
        if where not in ("", "ip", "ip6"):
            self.fail(f"{where} does not tell what it carries", value)
        found = number(value) if value.kind is Kind.NUMBER else self._names.protocol(value.text)
        if found is None or found > 0xFF:
            self.fail(f"{value.text!r} is no protocol above IP", value)
        if tree.qualifiers.kind == "protochain":
            return self._chained(found, where)
        return self._transport(found, where != "ip6", where != "ip")

    def _chained(self, protocol: int, where: str) -> Check:
        """A protocol behind any number of headers."""
        network = self._layer.network
        four = every(self._layer.carries(IPV4), Chain(network, protocol, True))
        six = every(self._layer.carries(IPV6), Chain(network, protocol, False))
        return {"ip": four, "ip6": six}.get(where) or either(four, six)

    # -- values ----------------------------------------------------------------------------------

    def _primitive(self, tree: Primitive) -> Check:
        match tree.qualifiers.kind:
            case "port" | "portrange":
                return self._ports(tree)
            case "proto" | "protochain":
                return self._proto(tree)
            case "net":
                return self._network(tree)
        return self._host(tree)

    def _directed(self, tree: Primitive, source: Check, destination: Check) -> Check:
        match tree.qualifiers.direction:
            case "src":
                return source
            case "dst":
                return destination
            case "src and dst":
                return every(source, destination)
        return either(source, destination)

    def _host(self, tree: Primitive) -> Check:
        value, protocol = tree.value, tree.qualifiers.protocol
        if value.kind is Kind.MAC or protocol in LINKS:
            return self._mac(tree)
        if protocol == "decnet":
            return self._station(tree)
        if value.kind is Kind.NUMBER and tree.prefix is None:
            if number(value) > WORD:
                self.fail("an address of IPv4 has 32 bits", value)
            return self._addressed(tree, number(value).to_bytes(4, "big"), WORD)
        if value.kind is not Kind.WORD:
            return self._network(tree)
        wanted = {"ip": (4,), "arp": (4,), "rarp": (4,), "ip6": (16,)}.get(protocol, (4, 16))
        found = [each for each in self._names.addresses(value.text) if len(each) in wanted]
        if not found:
            self.fail(f"no address of a host {value.text!r} is known", value)
        return either(*(self._addressed(tree, each, (1 << 8 * len(each)) - 1) for each in found))

    def _network(self, tree: Primitive) -> Check:
        value = tree.value
        if value.kind is Kind.IPV6:
            address, bits = ipaddress.IPv6Address(value.text).packed, 128
        elif value.kind in (Kind.IPV4, Kind.NUMBER):
            parts = [int(part) for part in value.text.split(".")] if value.kind is Kind.IPV4 else [number(value)]
            if max(parts) > 255:
                self.fail(f"{value.text!r} is no IPv4 address: its parts go up to 255", value)
            address, bits = bytes(parts).ljust(4, b"\0"), 8 * len(parts)
        else:
            self.fail(f"{value.text!r} is no network: write it as 10.0.0.0/8, 10.0 or 2001:db8::/32", value)
        if tree.prefix is not None:
            bits = number(tree.prefix)
            if bits > 8 * len(address):
                self.fail(f"a prefix of this address goes up to {8 * len(address)}", tree.prefix)
        mask = (1 << 8 * len(address)) - (1 << 8 * len(address) - bits)
        if tree.mask is not None:
            if len(address) != 4 or tree.mask.text.count(".") != 3:
                self.fail("a mask is written as a whole IPv4 address, behind one", tree.mask)
            mask = int(ipaddress.IPv4Address(tree.mask.text))
        if int.from_bytes(address, "big") & ~mask:
            self.fail(f"{value.text!r} has bits set that this network leaves open", value)
        return self._addressed(tree, address, mask)

    def _addressed(self, tree: Primitive, address: bytes, mask: int) -> Check:
        """Source and destination under a mask: of IPv6, or of IPv4 and ARP, unless one protocol was named."""
        at, protocol = self._layer.network, tree.qualifiers.protocol
        known = _ADDRESSES[len(address)]
        if protocol and protocol not in (name for name, _, _ in known):
            self.fail(f"{protocol} has no {'IPv4' if len(address) == 4 else 'IPv6'} addresses", tree.value)
        found: list[Check] = []
        for name, source, destination in known:
            if protocol in ("", name):
                left, right = (self._address_at(at + each, address, mask) for each in (source, destination))
                found.append(every(self._layer.carries(ETHERTYPES[name]), self._directed(tree, left, right)))
        return either(*found)

    def _address_at(self, at: int, address: bytes, mask: int) -> Check:
        """Word by word; those that the mask leaves open are not looked at."""
        parts: list[Check] = []
        bits = mask.to_bytes(len(address), "big")
        for place in range(0, len(address), 4):
            word = int.from_bytes(bits[place : place + 4], "big")
            if word or len(address) == 4:
                parts.append(equal(masked(Load(4, at + place), word), int.from_bytes(address[place : place + 4], "big")))
        return every(*parts)

    def _station(self, tree: Primitive) -> Check:
        """A node of DECnet, in short and long headers, with a byte of padding and without."""
        parts = tree.value.text.split(".")
        if tree.value.kind is not Kind.IPV4 or len(parts) != 2 or int(parts[0]) > _AREA_MAX or int(parts[1]) > _NODE_MAX:
            self.fail(f"a node of DECnet is written as its area, up to {_AREA_MAX}, a point, and its number", tree.value)
        address = int.from_bytes((int(parts[0]) << 10 | int(parts[1])).to_bytes(2, "little"), "big")
        return self._directed(tree, *decnet(self._layer, address))

    def _mac(self, tree: Primitive) -> Check:
        value = tree.value
        if value.kind is not Kind.MAC:
            self.fail(f"{value.text!r} is no MAC address: write six numbers such as 02:00:00:00:00:01", value)
        if tree.qualifiers.protocol not in LINKS:
            self.fail("this is a MAC address: write 'ether' before 'host', 'src' or 'dst'", value)
        if not self._layer.is_ethernet:
            self.fail("there are no MAC addresses in packets of this link type", value)
        text = value.text.replace("-", ":").replace(".", ":")
        address = bytes(int(part, 16) for part in text.split(":"))
        return self._directed(tree, self._mac_at(6, address), self._mac_at(0, address))

    def _mac_at(self, at: int, address: bytes) -> Check:
        high, low = int.from_bytes(address[:2], "big"), int.from_bytes(address[2:], "big")
        return every(equal(Load(4, at + 2), low), equal(Load(2, at), high))

    # -- ports -----------------------------------------------------------------------------------

    def _ports(self, tree: Primitive) -> Check:
        protocol, value = tree.qualifiers.protocol, tree.value
        if protocol not in ("", *_WITH_PORTS):
            self.fail(f"{protocol} has no ports", value)
        found = port_range(value.text, tree.qualifiers.kind, (protocol,) if protocol else _WITH_PORTS, self._names)
        if isinstance(found, str):
            self.fail(found, value)
        low, high, protocols = found
        at = self._layer.network
        numbers = [TRANSPORTS[each][0] for each in protocols]
        six = every(
            self._layer.carries(IPV6),
            either(*(equal(Load(1, at + 6), each) for each in numbers)),
            self._directed(tree, *(_between(Load(2, at + 40 + each), low, high) for each in (0, 2))),
        )
        four = every(
            self._layer.carries(IPV4),
            either(*(equal(Load(1, at + 9), each) for each in numbers)),
            self._unfragmented(),
            self._directed(tree, *(_between(Load(2, at + each, HeaderLength(at)), low, high) for each in (0, 2))),
        )
        return either(six, four)

    def _unfragmented(self) -> Check:
        return equal(Arithmetic("&", Load(2, self._layer.network + 6), Number(_FRAGMENT_OFFSET)), 0)

    # -- arithmetic ------------------------------------------------------------------------------

    def _relation(self, tree: Relation) -> Check:
        """What has to be there for its fields to mean something, and then the comparison."""
        needed: list[Check] = []
        left, right = self._number(tree.left, needed), self._number(tree.right, needed)
        return every(*dict.fromkeys(needed), Compare(tree.sign, left, right))

    def _number(self, tree: Written, needed: list[Check]) -> Value:
        match tree:
            case Constant():
                return Number(tree.value)
            case Length():
                if not self._layer.has_header:
                    raise FilterError("the kernel counts other bytes", self._text, 0, len(self._text))
                return PacketLength()
            case Field():
                return self._field(tree, needed)
            case Operation():
                return self._operation(tree, needed)

    def _operation(self, tree: Operation, needed: list[Check]) -> Value:
        """As in tcpdump it is the left side that has to be there: `1 + ip[0]` is taken of any packet's bytes."""
        left, right = self._number(tree.left, needed), self._number(tree.right, [])
        sign = tree.sign.text
        if isinstance(right, Number):
            if sign in "/%" and not right.value:
                self.fail("this divides by zero", tree.sign)
            if sign in ("<<", ">>") and right.value > 31:
                # As in tcpdump only a number that was written so is refused: of a calculated one nothing is left.
                if isinstance(tree.right, Constant):
                    self.fail("a number has 32 bits: shift it by 31 at most", tree.sign)
                sign, right = "&", Number(0)
            if isinstance(left, Number):
                return Number(calculate(sign, left.value, right.value))
        return Arithmetic(sign, left, right)

    def _field(self, tree: Field, needed: list[Check]) -> Load:
        name, at = tree.protocol.text, self._layer.network
        index = self._number(tree.index, needed)
        if name in LINKS:
            if not self._layer.has_header:
                self.fail("the kernel shows no link-layer header", tree.protocol)
            return self._load(tree, 0, index)
        if name in _NO_OFFSETS or name in OSI:
            self.fail(f"bytes of {name} are counted from the frame's begin: write ether[offset]", tree.protocol)
        if name in ETHERTYPES:
            needed.append(self._layer.carries(ETHERTYPES[name]))
            return self._load(tree, at, index)
        protocol, four, _ = TRANSPORTS[name]
        if not four:
            needed.append(every(self._layer.carries(IPV6), equal(Load(1, at + 6), protocol)))
            return self._load(tree, at + 40, index)
        needed += (self._layer.carries(IPV4), equal(Load(1, at + 9), protocol), self._unfragmented())
        if isinstance(index, Number):
            return self._load(tree, at, index, HeaderLength(at))
        return self._load(tree, at, Arithmetic("+", index, HeaderLength(at)))

    def _load(self, tree: Field, base: int, index: Value, header: Value | None = None) -> Load:
        if not isinstance(index, Number):
            return Load(tree.size, base, index)
        if base + index.value > _OFFSET_MAX:
            self.fail("no packet has so many bytes", tree.protocol)
        return Load(tree.size, base + index.value, header)


def _between(value: Value, low: int, high: int) -> Check:
    return equal(value, low) if low == high else every(Compare(">=", value, Number(low)), Compare("<=", value, Number(high)))


def calculate(sign: str, left: int, right: int) -> int:
    """Arithmetic of 32 bits. Raises ZeroDivisionError."""
    match sign:
        case "+":
            return left + right & WORD
        case "-":
            return left - right & WORD
        case "*":
            return left * right & WORD
        case "/":
            return left // right
        case "%":
            return left % right
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "<<":
            return left << right & WORD if right < 32 else 0
    return left >> right if right < 32 else 0
