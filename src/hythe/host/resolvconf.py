"""resolv.conf(5) as a `ResolverConfig`: name servers, search list and options."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Final

from hythe.config import ResolverConfig
from hythe.units import SECOND
from hythe.wire.dnstext import parse_name_text
from hythe.wire.resolvconf import name_servers, statements

#: glibc's limits: RES_MAXNDOTS, RES_MAXRETRANS (seconds), RES_MAXRETRY; its search list had 6 for decades.
SEARCH_MAX: Final = 16
NDOTS_MAX: Final = 15
TIMEOUT_MAX: Final = 30
ATTEMPTS_MAX: Final = 5


def parse_resolv_conf(text: str) -> ResolverConfig:
    """What the file says; lines and options that are not understood mean nothing, as to every resolver.

    EDNS is always spoken, so that ``edns0`` has nothing to add.
    """
    search: tuple[str, ...] = ()
    config = ResolverConfig()
    for keyword, words, _ in statements(text):
        if keyword == "domain" and words:
            search = tuple(filter(_is_domain, words[:1]))
        elif keyword == "search" and words:  # the last of `domain` and `search` holds
            search = tuple(filter(_is_domain, words[:SEARCH_MAX]))
        elif keyword == "options":
            for word in words:
                config = _option(config, word)
    return replace(config, servers=tuple(name_servers(text, is_address)), search=search)


def _option(config: ResolverConfig, word: str) -> ResolverConfig:
    name, _, value = word.partition(":")
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    if number is not None:
        if name == "ndots":
            return replace(config, ndots=min(number, NDOTS_MAX))
        if name == "timeout":
            return replace(config, timeout=max(1, min(number, TIMEOUT_MAX)) * SECOND)
        if name == "attempts":
            return replace(config, attempts=max(1, min(number, ATTEMPTS_MAX)))
    elif word == "rotate":
        return replace(config, rotate=True)
    elif word == "use-vc":
        return replace(config, use_tcp=True)
    elif word == "trust-ad":
        return replace(config, trust_ad=True)
    return config


def _is_domain(text: str) -> bool:
    try:
        return len(parse_name_text(text)) > 0  # to look below the root is to look for the name as it is
    except ValueError:
        return False


def is_address(text: str) -> bool:
    """Is it an IP address, written as one?"""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
