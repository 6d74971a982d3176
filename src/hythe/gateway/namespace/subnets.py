"""Find private networks that the machine does not use, so that the command can reach everything the machine can.

A network here is a pair of packed address (4 or 16 bytes) and prefix length, as `machine_networks` reads them from
the kernel: routes of every table, the machine's own addresses among them. The caller may add more to stay clear of,
such as the addresses of resolvers with a prefix of 32.
"""

from __future__ import annotations

from hythe.errors import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Network = tuple[bytes, int]

#: Routes this short stand for "everywhere": a default route, or the pair of halves that VPNs put in front of it.
_DEFAULT_BITS = 1

_PREFIX4 = 24
_PREFIX6 = 64

#: RFC 4193 asks for random bits so that merged sites do not collide; this prefix never leaves the namespace, and a
#: fixed one keeps runs alike: "hythe" in ASCII behind fd.
_UNIQUE_LOCAL = bytes.fromhex("fd68797468650000")


def machine_networks() -> list[Network]:
    """Every network that this machine has a route to, both families, default routes included (prefix 0)."""
    from hythe.gateway.namespace.netlink import RouteSocket

    with RouteSocket() as routes:
        return routes.networks()


def pick_subnet4(networks: Iterable[Network]) -> Network:
    """An IPv4 /24 of private space that overlaps none of `networks`, as (network address, 24).

    The same machine gets the same answer. Raises `MachineError` when all candidates are taken.
    """
    used = _used(networks, 4)
    for candidate in _candidates4():
        if not _overlaps(int.from_bytes(candidate, "big"), _PREFIX4, used, 32):
            return candidate, _PREFIX4
    raise MachineError("this machine has routes to all private IPv4 networks: remove one, or use IPv6 alone (-6)")


def pick_prefix6(networks: Iterable[Network]) -> Network:
    """An IPv6 /64 of unique local addresses (RFC 4193) that overlaps none of `networks`, as (network address, 64).

    Raises `MachineError` when all candidates are taken.
    """
    used = _used(networks, 16)
    first = int.from_bytes(_UNIQUE_LOCAL, "big")
    for subnet in range(256):
        network = (first + subnet) << 64
        if not _overlaps(network, _PREFIX6, used, 128):
            return network.to_bytes(16, "big"), _PREFIX6
    raise MachineError("this machine has routes to fd68:7974:6865::/56: use IPv4 alone (-4)")


def _candidates4() -> Iterator[bytes]:
    """RFC 1918 from its quieter corners inwards, then the benchmarking network of RFC 2544."""
    for second in (83, 147, 211, 19, 179, 243, 51, 115):
        for third in (64, 160, 32, 224):
            yield bytes((10, second, third, 0))
    for second in range(31, 15, -1):
        yield bytes((172, second, 83, 0))
    for third in range(250, 1, -3):
        yield bytes((192, 168, third, 0))
    for third in range(256):
        yield bytes((198, 18, third, 0))


def _used(networks: Iterable[Network], size: int) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(address, "big"), bits) for address, bits in networks if len(address) == size and bits > _DEFAULT_BITS
    ]


def _overlaps(network: int, prefix: int, used: list[tuple[int, int]], width: int) -> bool:
    for other, bits in used:
        shift = width - min(prefix, bits)
        if network >> shift == other >> shift:
            return True
    return False
