"""Words of a script that stand for something else: ``--define=NAME=VALUE`` in it, ``-D NAME=VALUE`` on the command line.

Those that google's and Linux's own scripts take for granted, since the programs that run them define them, are known from
the start: the Fast Open cookie of the script's client under the key of ``common/defaults.sh``, and what differs by version.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.pkt.cookies import LinuxCookies
from hythe.pkt.lexer import Token, tokens
from hythe.pkt.settings import Settings

_KEY: Final = "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"
_BY_VERSION: Final[Mapping[int, Mapping[str, str]]] = MappingProxyType(
    {
        4: {"CODE": "host_unreachable", "CMSG_LEVEL_IP": "SOL_IP", "CMSG_TYPE_RECVERR": "IP_RECVERR"},
        6: {"CODE": "address_unreachable", "CMSG_LEVEL_IP": "SOL_IPV6", "CMSG_TYPE_RECVERR": "IPV6_RECVERR"},
    }
)


def usual(chosen: Settings) -> dict[str, str]:
    """What is defined for every script with those settings."""
    addresses = chosen.remote + chosen.local + bytes(4)  # a socket pair whose ports do not matter
    cookies = {"TFO_COOKIE": _KEY, "TFO_COOKIE_ZERO": "0-0-0-0"}
    told = {name: LinuxCookies(key, 1).cookie(addresses).hex() for name, key in cookies.items()}
    return {**_BY_VERSION[chosen.version], **told}


def expand(found: list[Token], defined: Mapping[str, str]) -> list[Token]:
    """The tokens, with what each defined word stands for in its place."""
    expanded: list[Token] = []
    for token in found:
        if token.kind != "word" or token.text not in defined:
            expanded.append(token)
            continue
        for part in tokens("", defined[token.text])[:-1]:
            start = token.start + part.start
            expanded.append(Token(part.kind, part.text, token.line, start, start + len(part.text)))
    return expanded
