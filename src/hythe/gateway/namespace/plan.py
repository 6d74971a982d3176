"""What the command's network shall look like: decided by the parent, carried out by the children.

Plain classes on purpose: `dataclasses` takes 5 ms to import, and this is read before the first fork.
"""

from __future__ import annotations

from hythe.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

#: The largest MTU a TUN device takes (`max_mtu` of drivers/net/tun.c), and the least that IPv4 needs (RFC 791, 3.2).
MTU_MAX = 65_535
MTU_MIN = 68
#: RFC 8200, section 5; below it Linux refuses IPv6 addresses with EINVAL.
MTU_MIN6 = 1_280
#: 16 less than the largest, so that headers and payload of a full packet stay multiples of 16: what slirp4netns and
#: pasta call their best.
MTU_DEFAULT = 65_520

#: Of the command's kernel. Reno: the link to us is never congested, and CUBIC or BBR only cost time (the world beyond
#: is the egress sockets' matter).
CONGESTION_CONTROL = "reno"

#: Of the command's sockets and of our connections to them where the network has a round trip worth the name: 1 Gbit/s at
#: 200 ms, and half of the kernel's counts for its own bookkeeping.
BUFFER_MAX = 64 << 20

#: IFNAMSIZ less the terminating zero.
_DEVICE_NAME_MAX = 15


class _Frozen:
    __slots__ = ()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} does not change once it is made")


class Addressing(_Frozen):
    """One family's addresses, packed (4 or 16 bytes): the command's own, the prefix length in bits, and the gateway.

    `elsewhere`: the command's addresses are of another network, as those that a tunnel has given it; these are they, each
    with its prefix length, and `address` is the first. Raises `UsageError` when they do not belong to one family or, without
    `elsewhere`, one prefix.
    """

    __slots__ = ("address", "elsewhere", "gateway", "prefix")

    address: bytes
    prefix: int
    gateway: bytes
    elsewhere: tuple[tuple[bytes, int], ...]

    def __init__(self, address: bytes, prefix: int, gateway: bytes, elsewhere: Iterable[tuple[bytes, int]] = ()) -> None:
        bits = len(address) * 8
        elsewhere = tuple(elsewhere)
        if len(address) not in (4, 16) or len(gateway) != len(address):
            raise UsageError("address and gateway must both be IPv4 (4 bytes) or both be IPv6 (16 bytes)")
        if not 0 < prefix < bits:
            raise UsageError(f"a prefix length of {prefix} leaves no room for a gateway: write 1 to {bits - 1}")
        shift = bits - prefix
        apart = int.from_bytes(address, "big") >> shift != int.from_bytes(gateway, "big") >> shift
        if (apart and not elsewhere) or address == gateway:
            raise UsageError("the gateway must be another address of the same prefix")
        self._set(address=address, prefix=prefix, gateway=gateway, elsewhere=elsewhere)


class NetworkPlan(_Frozen):
    """The command's network, and what it shall not see of the machine.

    mtu           bytes, of the device; IPv6 needs 1280
    ipv4, ipv6    the addresses, or None for a network without that family
    resolv_conf   the text that replaces /etc/resolv.conf; None leaves the file alone
    hidden        existing directories that the command shall see empty (hythe's runtime directory)
    capture       hand over what tells whose sockets are whose, for one more process than hythe
    alone         cover as well what would have the machine look names up by way of its system bus
    key_log       with `capture`: where in one of `hidden` the command shall log the secrets of its TLS connections
    device        name of the interface
    congestion_control  of the command's kernel, or None for the machine's default
    ping          let the command's user open ICMP echo sockets
    privileged_ports    let the command's user bind ports below 1024
    buffer_max    bytes that the command's TCP sockets may grow their buffers to, or None for the machine's default, which
                  is enough while the round trip is that of a device
    sysctls       further (name, value) pairs to set inside. Measured without gain, and so left as they are:
                  tcp_timestamps=0, tcp_slow_start_after_idle=0

    Raises `UsageError`.
    """

    __slots__ = (
        "alone",
        "buffer_max",
        "capture",
        "congestion_control",
        "device",
        "hidden",
        "ipv4",
        "ipv6",
        "key_log",
        "mtu",
        "ping",
        "privileged_ports",
        "resolv_conf",
        "sysctls",
    )

    mtu: int
    ipv4: Addressing | None
    ipv6: Addressing | None
    resolv_conf: str | None
    hidden: tuple[str, ...]
    capture: bool
    alone: bool
    key_log: str | None
    device: str
    congestion_control: str | None
    buffer_max: int | None
    ping: bool
    privileged_ports: bool
    sysctls: tuple[tuple[str, str], ...]

    def __init__(
        self,
        *,
        mtu: int = MTU_DEFAULT,
        ipv4: Addressing | None = None,
        ipv6: Addressing | None = None,
        resolv_conf: str | None = None,
        hidden: Iterable[str] = (),
        capture: bool = False,
        alone: bool = False,
        key_log: str | None = None,
        device: str = "hythe0",
        congestion_control: str | None = CONGESTION_CONTROL,
        buffer_max: int | None = None,
        ping: bool = True,
        privileged_ports: bool = True,
        sysctls: Iterable[tuple[str, str]] = (),
    ) -> None:
        if not MTU_MIN <= mtu <= MTU_MAX:
            raise UsageError(f"an MTU of {mtu} is not possible: write {MTU_MIN} to {MTU_MAX}")
        if ipv6 is not None and mtu < MTU_MIN6:
            raise UsageError(f"IPv6 needs an MTU of {MTU_MIN6} or more, not {mtu}: raise it, or use IPv4 alone (-4)")
        if ipv4 is not None and len(ipv4.address) != 4:
            raise UsageError("the IPv4 address of a network plan must have 4 bytes")
        if ipv6 is not None and len(ipv6.address) != 16:
            raise UsageError("the IPv6 address of a network plan must have 16 bytes")
        if not 0 < len(device.encode()) <= _DEVICE_NAME_MAX or any(c in "/:%" or c.isspace() for c in device):
            raise UsageError(f"{device!r} cannot name a network device: write 1 to {_DEVICE_NAME_MAX} letters and digits")
        self._set(
            mtu=mtu,
            ipv4=ipv4,
            ipv6=ipv6,
            resolv_conf=resolv_conf,
            hidden=tuple(hidden),
            capture=capture,
            alone=alone,
            key_log=key_log,
            device=device,
            congestion_control=congestion_control,
            buffer_max=buffer_max,
            ping=ping,
            privileged_ports=privileged_ports,
            sysctls=tuple(sysctls),
        )
