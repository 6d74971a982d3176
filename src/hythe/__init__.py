"""hythe: a TCP/IP host in user space.

    import asyncio, hythe

    async def main():
        async with hythe.Host("10.0.0.2/24", link=hythe.Tun("tun0")) as host:
            server = await host.start_server(echo, port=8007)
            reader, writer = await host.open_connection("10.0.0.1", 8080)

    asyncio.run(main())

The names below are loaded when they are first used, so that `import hythe` costs nothing to who needs only a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hythe.aio.host import Host as Host
    from hythe.aio.resolver import Resolver as Resolver
    from hythe.aio.server import Server as Server
    from hythe.config import EthernetConfig as EthernetConfig
    from hythe.config import HostConfig as HostConfig
    from hythe.config import ResolverConfig as ResolverConfig
    from hythe.config import TcpConfig as TcpConfig
    from hythe.errors import HytheError as HytheError
    from hythe.errors import MachineError as MachineError
    from hythe.errors import ParseError as ParseError
    from hythe.errors import UsageError as UsageError
    from hythe.link.hub import Hub as Hub
    from hythe.link.pair import pair as pair
    from hythe.link.tap import Tap as Tap
    from hythe.link.tun import Tun as Tun

    __version__: str

_HOMES: Final[Mapping[str, str]] = {
    "EthernetConfig": "hythe.config",
    "Host": "hythe.aio.host",
    "HostConfig": "hythe.config",
    "Hub": "hythe.link.hub",
    "HytheError": "hythe.errors",
    "MachineError": "hythe.errors",
    "ParseError": "hythe.errors",
    "Resolver": "hythe.aio.resolver",
    "ResolverConfig": "hythe.config",
    "Server": "hythe.aio.server",
    "Tap": "hythe.link.tap",
    "TcpConfig": "hythe.config",
    "Tun": "hythe.link.tun",
    "UsageError": "hythe.errors",
    "pair": "hythe.link.pair",
}


def __getattr__(name: str) -> object:
    """Load a public name (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("hythe")
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'hythe' has no attribute {name!r}")
    globals()[name] = value  # the next time without us
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
