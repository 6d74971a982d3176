r"""The words of a filter expression, each with its place in the text.

As in tcpdump the longest reading wins: `10-20`, `tcp-syn` and `ftp-data` are one word each, `len - 2` are three. A word
after a backslash is a name even where it would be a keyword: `ip proto \tcp`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from hythe.errors import UsageError


class Kind(Enum):
    """What a word looks like."""

    WORD = auto()
    NUMBER = auto()
    IPV4 = auto()  # two to four numbers with dots
    IPV6 = auto()
    MAC = auto()
    SIGN = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`text[start:end]` of the expression. `quoted`: it stood after a backslash, and is no keyword."""

    kind: Kind
    text: str
    start: int
    end: int
    quoted: bool = False


class FilterError(UsageError):
    """An expression that means nothing, with a line that points at the word."""

    def __init__(self, reason: str, text: str, start: int, end: int) -> None:
        marks = " " * start + "^" * max(1, end - start)
        super().__init__(f"{reason}\n  {text}\n  {marks}")
        self.reason = reason
        self.start = start


_SPACE: Final = re.compile(r"[ \t\r\n]+")
_SIGN: Final = re.compile(r"&&|\|\||<<|>>|!=|==|>=|<=|[()\[\]:!=<>&|+\-*/%^]")
_NUMBER: Final = re.compile(r"0[xX][0-9A-Fa-f]+|\d+")
_IPV4: Final = re.compile(r"\d+(?:\.\d+){1,3}")
_COLONS: Final = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?:\d+(?:\.\d+){3})?")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{1,2}(?:([:.-])[0-9A-Fa-f]{1,2})(?:\1[0-9A-Fa-f]{1,2}){4}")
_WORD: Final = re.compile(r"\\?[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?")


def tokens(text: str) -> list[Token]:
    """The words of an expression, and one of kind END behind them. Raises `FilterError` for what cannot begin a word."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space is not None:
            at = space.end()
            continue
        token = _token(text, at)
        if token is None:
            raise FilterError(f"{text[at]!r} has no meaning in a filter", text, at, at + 1)
        found.append(token)
        at = token.end
    found.append(Token(Kind.END, "", len(text), len(text)))
    return found


def _token(text: str, at: int) -> Token | None:
    """The longest of what may begin here; of two as long, the one that says more."""
    best: Token | None = None
    for kind, pattern in (
        (Kind.MAC, _MAC),
        (Kind.IPV6, _COLONS),
        (Kind.NUMBER, _NUMBER),
        (Kind.IPV4, _IPV4),
        (Kind.WORD, _WORD),
        (Kind.SIGN, _SIGN),
    ):
        match = pattern.match(text, at)
        if match is None or (kind is Kind.IPV6 and not _is_ipv6(match[0])):
            continue
        if best is None or match.end() > best.end:
            best = Token(kind, match[0].removeprefix("\\"), at, match.end(), quoted=match[0].startswith("\\"))
    return best


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
