"""The one-line cases: a configuration of the command's options."""

from __future__ import annotations

from collections.abc import Sequence

from hythe.errors import UsageError
from hythe.proxy import kinds
from hythe.proxy.config import EntryConfig, LogConfig, MapConfig, ProxyConfig
from hythe.proxy.sense import Mistake, check
from hythe.via.spec import parse_all


def configuration(
    maps: Sequence[str],
    socks: Sequence[str],
    http: Sequence[str],
    via: Sequence[str],
    *,
    expose: str | None = None,
    log: str | None = None,
    name: str | None = None,
) -> ProxyConfig:
    """What the options say. UsageError."""
    exposed = bool(expose is not None and kinds.EXPOSE.read(expose))
    routes = parse_all(via) if via else ()
    config = ProxyConfig(
        map=tuple(MapConfig(*_cut(each), via=routes, expose=exposed) for each in maps),
        socks=tuple(EntryConfig(kinds.listen(each), via=routes, expose=exposed) for each in socks),
        http=tuple(EntryConfig(kinds.listen(each), via=routes, expose=exposed) for each in http),
        log=LogConfig(file=log or ""),
        name=name or "proxy",
    )
    try:
        check(config)
    except Mistake as mistake:
        raise UsageError(f"--{mistake.path[0]}: {mistake}" if mistake.path else str(mistake)) from None
    return config


def _cut(text: str) -> tuple[kinds.Listen, tuple[str, ...]]:
    listen, equals, to = text.partition("=")
    if not equals:
        raise UsageError(f"--map {text} lacks its destination: write LISTEN=HOST:PORT, for example 25=mail.example.com:smtp")
    return kinds.listen(listen), tuple(to.split(","))
