"""What a filter expression says, as a tree: the parser makes it, `meaning` turns it into checks of bytes for a link type."""

from __future__ import annotations

from dataclasses import dataclass

from hythe.view.filter.lexer import Token


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """What stands before a host, network, port or protocol; empty where nothing does.

    `direction` is one of src, dst, "src or dst", "src and dst"; `kind` one of host, net, port, portrange,
    proto, protochain.
    """

    protocol: str = ""
    direction: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class And:
    """Both."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Or:
    """Either."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    inner: Expression


@dataclass(frozen=True, slots=True)
class Primitive:
    """`src net 10.0.0.0/8`: a value with its qualifiers. `prefix`, `mask`: of a network, as written."""

    qualifiers: Qualifiers
    value: Token
    prefix: Token | None = None
    mask: Token | None = None


@dataclass(frozen=True, slots=True)
class Special:
    """`tcp`, `ip multicast`, `less 100`, `vlan 5`: a word, the protocol before it, the number behind it."""

    word: Token
    protocol: str = ""
    argument: Token | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """`tcp[13] & 2 != 0`. `sign` is one of == != > < >= <=."""

    sign: str
    left: Arithmetic
    right: Arithmetic


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, or a name that stands for one. `token` is None where nothing was written."""

    value: int
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """`len`: bytes the packet had."""


@dataclass(frozen=True, slots=True)
class Field:
    """`ip[2:2]`: `size` bytes at `index` of a protocol's header."""

    protocol: Token
    index: Arithmetic
    size: int


@dataclass(frozen=True, slots=True)
class Operation:
    """Unsigned arithmetic of 32 bits."""

    sign: Token
    left: Arithmetic
    right: Arithmetic


Arithmetic = Constant | Length | Field | Operation
Expression = And | Or | Not | Primitive | Special | Relation
