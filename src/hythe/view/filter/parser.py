"""Words to a tree: recursive descent over tcpdump's grammar, as pcap-filter(7) describes it.

`and` and `or` bind alike and from the left, `not` binds closer. A value without qualifiers has those of the value before it:
`port 80 or 443`. A parenthesis opens an expression, a list of values (`host (a or b)`), or arithmetic; which of them, what
stands behind its other end tells.
"""

from __future__ import annotations

import itertools
from types import MappingProxyType
from typing import Final, NoReturn

from hythe.view.filter.lexer import FilterError, Kind, Token, tokens
from hythe.view.filter.names import CONSTANTS, ETHERTYPES, ISIS, LINKS, OSI, TRANSPORTS
from hythe.view.filter.syntax import (
    And,
    Arithmetic,
    Constant,
    Expression,
    Field,
    Length,
    Not,
    Operation,
    Or,
    Primitive,
    Qualifiers,
    Relation,
    Special,
)

_PROTOCOLS: Final = frozenset((*TRANSPORTS, *ETHERTYPES, *LINKS, *OSI))
_KINDS: Final = frozenset({"host", "net", "port", "portrange", "proto", "protochain"})
_RELATIONS: Final = frozenset({"=", "==", "!=", ">", "<", ">=", "<="})
#: Signs of arithmetic, the loosest first; those of a level bind from the left.
_LEVELS: Final = (("|",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/"))
#: tcpdump's grammar gives these two no rank: their right side is all that follows, `7 % 4 + 1` is `7 % (4 + 1)`.
_UNRANKED: Final = frozenset({"^", "%"})
_OPERATORS: Final = frozenset(sign for level in _LEVELS for sign in level) | _UNRANKED
_ANDS: Final = frozenset({"and", "&&"})
_ORS: Final = frozenset({"or", "||"})
_NUMBERED: Final = frozenset({"less", "greater", "vlan", "mpls", "pppoes", "ifindex"})
#: Those of them that say nothing without their number.
_NEEDED: Final = MappingProxyType({"less": "a length", "greater": "a length", "ifindex": "the number of an interface"})
_ALONE: Final = frozenset({"inbound", "outbound", "pppoed", *ISIS})
_CASTS: Final = frozenset({"broadcast", "multicast"})
_KEYWORDS: Final = (
    _PROTOCOLS | _KINDS | _NUMBERED | _ALONE | _CASTS | {"src", "dst", "and", "or", "not", "len", "length", "mask"}
)
#: tcpdump's words that are not known here, and what to write instead.
_UNKNOWN: Final = MappingProxyType(
    {
        "gateway": "write 'ether host MAC and not host ADDRESS'",
        "geneve": "write 'udp port 6081'; what it carries has no fixed place",
        "llc": "write 'ether[12:2] <= 1500', and bytes from ether[14] on",
        "byte": "write ether[N]",
        **dict.fromkeys(("type", "subtype", "dir", "direction"), "there is no Wi-Fi in packets that are read here"),
        **dict.fromkeys(("addr1", "addr2", "addr3", "addr4", "ra", "ta"), "there is no Wi-Fi in packets that are read here"),
        **dict.fromkeys(("lane", "vpi", "vci", "oam"), "there is no ATM in packets that are read here"),
    }
)
#: Levels of parentheses, and signs behind one another. More is no filter, and Python's own parser has a limit.
_DEPTH_MAX: Final = 40
_TOKENS_MAX: Final = 4_000


def parse(text: str) -> Expression | None:
    """The tree of an expression, None for an empty one, which takes every packet. Raises `FilterError`."""
    words = tokens(text)
    if len(words) > _TOKENS_MAX:
        raise FilterError(f"a filter has at most {_TOKENS_MAX} words", text[:60], 0, 1)
    if words[0].kind is Kind.END:
        return None
    parser = _Parser(text, words)
    found = parser.expression()
    if parser.next.kind is not Kind.END:
        parser.fail("a filter cannot go on like this: write and, or, or nothing more")
    return found


class _Parser:
    __slots__ = ("_at", "_depth", "_last", "_text", "_tokens", "next")

    def __init__(self, text: str, words: list[Token]) -> None:
        self._text = text
        self._tokens = words
        self._at = 0
        self._depth = 0
        self._last: Qualifiers | None = None
        self.next = words[0]

    def fail(self, reason: str, token: Token | None = None) -> NoReturn:
        """Raise `FilterError` at a token, or at the next one."""
        token = token or self.next
        raise FilterError(reason, self._text, token.start, token.end)

    # -- booleans --------------------------------------------------------------------------------

    def expression(self) -> Expression:
        self._enter()
        left = self._term()
        while self._word() in _ANDS | _ORS:
            both = self._take().text in _ANDS
            right = self._term()
            left = And(left, right) if both else Or(left, right)
        self._depth -= 1
        return left

    def _term(self) -> Expression:
        if self._word() in {"not", "!"}:
            self._enter()
            self._take()
            inner = self._term()
            self._depth -= 1
            return Not(inner)
        if self._is_arithmetic():
            return self._relation()
        if self.next.text == "(":
            opened = self._take()
            inner = self.expression()
            self._close(opened)
            return inner
        return self._primitive()

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            self.fail("this is nested too deeply to be a filter")

    def _close(self, opened: Token) -> None:
        if self.next.text != ")":
            self.fail("this parenthesis has no end", opened)
        self._take()

    # -- primitives ------------------------------------------------------------------------------

    def _primitive(self) -> Expression:
        word = self._word()
        if word in _UNKNOWN:
            self.fail(f"{word!r} is not known here: {_UNKNOWN[word]}")
        if word in _NUMBERED:
            token = self._take()
            number = self._take() if self.next.kind is Kind.NUMBER else None
            if number is None and word in _NEEDED:
                self.fail(f"{_NEEDED[word]} belongs behind {word!r}")
            return Special(token, argument=number)
        if word in _ALONE:
            return Special(self._take())
        if word in _PROTOCOLS | _KINDS | _CASTS | {"src", "dst"}:
            return self._qualified()
        if self.next.kind in (Kind.END, Kind.SIGN):
            self.fail("something is missing here: a host, a port, a protocol, a comparison")
        if self._last is None:
            self.fail(f"what is {self.next.text!r}? Write host, net, port, portrange or proto before it")
        return self._value(self._last)

    def _qualified(self) -> Expression:
        start = self.next
        protocol = self._take().text if self._word() in _PROTOCOLS else ""
        word = self._word()
        if word in _CASTS:
            return Special(self._take(), protocol)
        direction = self._direction()
        kind = self._take().text if self._word() in _KINDS else ""
        if protocol and not direction and not kind:
            if self.next.kind not in (Kind.END, Kind.SIGN) and self._word() not in _KEYWORDS:
                self.fail(f"what is {self.next.text!r} to {protocol!r}? Write host, net, port, portrange or proto before it")
            self._last = None
            return Special(start)
        if word in _UNKNOWN:
            self.fail(f"{word!r} is not known here: {_UNKNOWN[word]}")
        self._last = Qualifiers(protocol, direction, kind)
        if self.next.text == "(":
            opened = self._take()
            inner = self._values(self._last)
            self._close(opened)
            return inner
        return self._value(self._last)

    def _direction(self) -> str:
        """`src`, `dst`, `src or dst`, `src and dst`, or nothing."""
        first = self._word()
        if first not in {"src", "dst"}:
            return ""
        self._take()
        joint, second = self.next.text, self._tokens[min(self._at + 1, len(self._tokens) - 1)].text
        if joint in _ANDS | _ORS and second in {"src", "dst"} and second != first:
            self._take()
            self._take()
            return "src and dst" if joint in _ANDS else "src or dst"
        return first

    def _values(self, qualifiers: Qualifiers) -> Expression:
        """What is between the parentheses of `host (a or b)`: values, and whole expressions among them."""
        self._enter()
        left = self._value_or_term(qualifiers)
        while self._word() in _ANDS | _ORS:
            both = self._take().text in _ANDS
            right = self._value_or_term(qualifiers)
            left = And(left, right) if both else Or(left, right)
        self._depth -= 1
        return left

    def _value_or_term(self, qualifiers: Qualifiers) -> Expression:
        if self.next.kind is Kind.SIGN or self._word() in _KEYWORDS:
            return self._term()
        return self._value(qualifiers)

    def _value(self, qualifiers: Qualifiers) -> Expression:
        value = self.next
        what = qualifiers.kind or "host"
        named = (
            what in {"proto", "protochain"} and value.text in _PROTOCOLS
        )  # no need of the backslash where nothing else can stand
        if value.kind in (Kind.END, Kind.SIGN) or (value.text in _KEYWORDS and not value.quoted and not named):
            self.fail(f"the {what} is missing here")
        self._take()
        prefix = mask = None
        if what in {"host", "net"} and self.next.text == "/" and value.kind is not Kind.WORD:
            self._take()
            prefix = self._number("the length of a network's prefix")
        elif what == "net" and self._word() == "mask":
            self._take()
            mask = self._take()
            if mask.kind is not Kind.IPV4:
                self.fail("a mask is written as an IPv4 address", mask)
        return Primitive(qualifiers, value, prefix, mask)

    # -- arithmetic ------------------------------------------------------------------------------

    def _is_arithmetic(self) -> bool:
        """Does a comparison begin here?"""
        first, second = self.next, self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        if first.text == "(":
            after = self._after_closing()
            return after.text in _OPERATORS or after.text in _RELATIONS
        if first.text == "-" or (first.text in {"len", "length"} and not first.quoted):
            return True
        if first.kind is Kind.NUMBER or first.text in CONSTANTS:
            return second.text in _OPERATORS - {"/"} or second.text in _RELATIONS
        return second.text == "[" and first.kind is Kind.WORD

    def _after_closing(self) -> Token:
        depth = 0
        for token, following in itertools.pairwise(self._tokens[self._at :]):
            depth += (token.text == "(") - (token.text == ")")
            if not depth:
                return following
        return self._tokens[-1]

    def _relation(self) -> Relation:
        left = self._arithmetic()
        if self.next.text not in _RELATIONS:
            self.fail("a comparison is missing here: =, !=, >, <, >= or <=")
        sign = self._take().text
        return Relation("==" if sign == "=" else sign, left, self._arithmetic())

    def _arithmetic(self, level: int = 0) -> Arithmetic:
        if level == len(_LEVELS):
            return self._ranked()
        left = self._arithmetic(level + 1)
        while self.next.text in _LEVELS[level] and self.next.kind is Kind.SIGN:
            sign = self._take()
            left = Operation(sign, left, self._arithmetic(level + 1))
        return left

    def _ranked(self) -> Arithmetic:
        left = self._operand()
        if self.next.text not in _UNRANKED:
            return left
        self._enter()
        sign = self._take()
        right = self._arithmetic()
        self._depth -= 1
        return Operation(sign, left, right)

    def _operand(self) -> Arithmetic:
        token = self.next
        if token.text in {"(", "-"}:
            self._enter()
            self._take()
            if token.text == "-":
                found: Arithmetic = Operation(token, Constant(0), self._ranked())
            else:
                found = self._arithmetic()
                self._close(token)
            self._depth -= 1
            return found
        if token.kind is Kind.NUMBER:
            return self._constant(self._take())
        if token.text in {"len", "length"}:
            self._take()
            return Length()
        if token.text in CONSTANTS:
            return Constant(CONSTANTS[self._take().text], token)
        if token.text not in _PROTOCOLS:
            self.fail("a number, len, or bytes such as ip[2:2] belong here")
        return self._field()

    def _field(self) -> Field:
        protocol = self._take()
        if self.next.text != "[":
            self.fail(f"which byte of {protocol.text!r}? Write {protocol.text}[offset] or {protocol.text}[offset:size]")
        self._enter()
        opened = self._take()
        index = self._arithmetic()
        size = 1
        if self.next.text == ":":
            self._take()
            token = self._number("a size of 1, 2 or 4 bytes")
            size = number(token)
            if size not in (1, 2, 4):
                self.fail("a field has 1, 2 or 4 bytes", token)
        if self.next.text != "]":
            self.fail("this bracket has no end", opened)
        self._take()
        self._depth -= 1
        return Field(protocol, index, size)

    def _constant(self, token: Token) -> Constant:
        value = number(token)
        if value > 0xFFFF_FFFF:
            self.fail("this number has more than 32 bits", token)
        return Constant(value, token)

    # -- words -----------------------------------------------------------------------------------

    def _word(self) -> str:
        """The text of the next token if it can be a keyword."""
        return "" if self.next.quoted else self.next.text

    def _number(self, what: str) -> Token:
        if self.next.kind is not Kind.NUMBER:
            self.fail(f"{what} belongs here")
        return self._take()

    def _take(self) -> Token:
        token = self.next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        self.next = self._tokens[self._at]
        return token


def number(token: Token) -> int:
    """The value of a token of kind NUMBER: decimal, 0x, or octal behind a zero."""
    text = token.text.lower()
    if text.startswith("0x"):
        return int(text, 16)
    octal = len(text) > 1 and text[0] == "0" and not set(text) & {"8", "9"}
    return int(text, 8) if octal else int(text)
