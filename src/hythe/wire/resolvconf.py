"""resolv.conf(5), as glibc reads it: its lines, and the name servers among them.

Imports next to nothing, because the gateway reads the file before its first fork.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

PATH: Final = "/etc/resolv.conf"
PORT: Final = 53
#: glibc's MAXNS: servers that it asks; further ones are not used by anybody.
SERVERS_MAX: Final = 3
#: glibc's choice where no server is named.
DEFAULT: Final = ("127.0.0.1", PORT)

#: An address as text, perhaps with a zone ("fe80::1%eth0"), and a port.
Server = tuple[str, int]


def statements(text: str) -> Iterator[tuple[str, list[str], str]]:
    """(keyword, the words behind it, the whole line) of each line that says something: from its first column on."""
    for line in text.splitlines():
        words = line.split()
        if words and line.startswith(words[0]) and line[0] not in "#;":
            yield words[0], words[1:], line


def name_servers(text: str, is_address: Callable[[str], bool]) -> list[Server]:
    """Whom to ask, in order; `is_address` tells what can be one."""
    named = (words[0] for keyword, words, _ in statements(text) if keyword == "nameserver" and words)
    plain = (word.partition("#")[0].partition(";")[0] for word in named)  # a comment may follow at once
    servers = [(address, PORT) for address in plain if is_address(address)]
    return servers[:SERVERS_MAX] or [DEFAULT]
