"""Many tunnels, by name, in a TOML file.

    [tunnel.mail]
    via = "ssh://me@mail.example"
    local = ["12345:localhost:110"]
    compress = true

`remote` and `dynamic` are lists like `local`; `identity` is a file or several, `keepalive` seconds.
"""

from __future__ import annotations

import math
import re
import tomllib
from typing import Any, Final

from hythe.errors import MachineError, UsageError
from hythe.forward.specs import Forward, parse
from hythe.forward.tunnel import TunnelSpec
from hythe.via.spec import parse as parse_way

_OPTIONS: Final = {"local": "-L", "remote": "-R", "dynamic": "-D"}
_KNOWN: Final = ("via", "local", "remote", "dynamic", "identity", "compress", "keepalive")


def read(path: str) -> tuple[TunnelSpec, ...]:
    """The tunnels of a file. Raises `UsageError`, which names the tunnel, `MachineError`."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors put a BOM in front
            text = file.read()
        content = tomllib.loads(text)
    except OSError as error:
        raise MachineError(
            f"the file of tunnels {path} cannot be read ({error.strerror}): name another with --file"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not TOML, for it is no text: name a file of tunnels") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {str(error)[:1].lower()}{str(error)[1:]}") from error
    tunnels = content.pop("tunnel", None)
    if content or not isinstance(tunnels, dict) or not tunnels:
        what = f"has {next(iter(content))!r}, which is none" if content else "names no tunnel"
        raise UsageError(f"{path} {what}: each begins with a line [tunnel.NAME]")
    return tuple(_tunnel(f"{path}{_line(text, name)} [tunnel.{name}]", name, table) for name, table in tunnels.items())


def _line(text: str, name: str) -> str:
    """``:LINE:`` of a tunnel, which TOML's reader does not tell; nothing more where it is written in another way."""
    words = re.compile(rf"""\s*\[\s*tunnel\s*\.\s*["']?{re.escape(name)}["']?\s*\]""")
    found = next((number for number, line in enumerate(text.splitlines(), 1) if words.match(line)), None)
    return f":{found}:" if found is not None else ","


def _tunnel(where: str, name: str, table: Any) -> TunnelSpec:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table: write via = … below it")
    for key in table:
        if key not in _KNOWN:
            raise UsageError(f"{where} has {key!r}, which is not known: it may have {', '.join(_KNOWN)}")
    via = table.get("via")
    if not isinstance(via, str):
        raise UsageError(f'{where} has no via: write for example via = "ssh://me@mail.example"')
    forwards: list[Forward] = []
    try:
        parse_way(via)
        for key, option in _OPTIONS.items():
            forwards += [parse(option, each) for each in _texts(table, key)]
        identities = tuple(_texts(table, "identity"))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    if not forwards:
        raise UsageError(f'{where} forwards nothing: write for example local = ["12345:localhost:110"]')
    keepalive = table.get("keepalive")
    compress = table.get("compress", False)
    timed = keepalive is None or (isinstance(keepalive, int | float) and 0 <= keepalive < math.inf)
    if not isinstance(compress, bool) or not timed or isinstance(keepalive, bool):
        raise UsageError(f"{where}: compress is true or false, and keepalive a number of seconds, 0 for none")
    return TunnelSpec(name, via, tuple(forwards), identities, compress, keepalive)


def _texts(table: dict[str, Any], key: str) -> list[str]:
    value = table.get(key, [])
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise UsageError(f"{key} is not a text or a list of texts")
    return found
