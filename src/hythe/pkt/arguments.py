"""What the arguments of a script's calls mean, whichever sockets they are for."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Mapping, Sequence

from hythe.pkt.constants import CONSTANTS
from hythe.pkt.wireform import filler


def sockaddr(given: object, default: tuple[bytes, int]) -> tuple[bytes, int]:
    """(packed address, port) of a ``sockaddr``; what it leaves out, and all of ``...``, is the default's.

    INADDR_ANY is all zeros. Raises ValueError for text that is no address.
    """
    if not isinstance(given, Mapping):
        return default
    text = given.get("sin_addr", given.get("sin6_addr", given.get("inet_pton", 0)))
    port = given.get("sin_port", given.get("sin6_port", default[1]))
    packed = ipaddress.ip_address(text.decode()).packed if isinstance(text, bytes) else bytes(len(default[0]))
    return packed, port if isinstance(port, int) else default[1]


def nobody(a: Sequence[object]) -> bool:
    """Is sendto(2) to open a connection to ``AF_UNSPEC``?"""
    return len(a) > 4 and a[4] == CONSTANTS["AF_UNSPEC"] and isinstance(a[3], int) and bool(a[3] & CONSTANTS["MSG_FASTOPEN"])


def octets(given: object, size: int) -> bytes:
    """The bytes of a buffer that a call writes: the script's text, or any where it has ``...``. OSError for NULL."""
    if given == 0 and size:
        raise OSError(errno.EFAULT, "no buffer")
    return given[:size].ljust(size, b"\0") if isinstance(given, bytes) else filler(size)


def into(given: object, size: int) -> None:
    """Can a call read `size` bytes into that? OSError for NULL."""
    if given == 0 and size:
        raise OSError(errno.EFAULT, "no buffer")


def total(vector: object) -> int:
    """Bytes of an iovec: ``[{..., 1000}, {..., 200}]``."""
    if not isinstance(vector, list):
        return 0
    sizes = [list(each.values())[-1] if isinstance(each, Mapping) else 0 for each in vector]
    return sum(size for size in sizes if isinstance(size, int))
