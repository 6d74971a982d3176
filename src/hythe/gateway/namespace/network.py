"""The inside of the network namespace: the device, its addresses and routes, and what the parent needs from there."""

from __future__ import annotations

import fcntl
import os
import socket
import struct

from hythe.gateway.namespace import remedies
from hythe.gateway.namespace.netlink import NETLINK_SOCK_DIAG, RouteSocket
from hythe.link import device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hythe.gateway.namespace.plan import Addressing, NetworkPlan


#: Packets that wait for us at the device; it drops what comes behind them. A TUN device has 500 (TUN_READQ_SIZE), with which
#: 6,000 connections that speak at once are served after 54 s, when the last of them has sent again for the eighth time;
#: with 1,000 after 8 s, with these after 1 s. Many more would be no good: a flood of the longest datagrams fills them all.
QUEUE = 2_000

_IFREQ = struct.Struct("16sH22x")  # the name, then a union that starts with the flags


class Devices:
    """Descriptors opened in the namespace, to be handed to the parent: TUN, NETLINK_ROUTE and two NETLINK_SOCK_DIAG."""

    __slots__ = ("offloads", "routes", "sockets", "tun_fd")

    def __init__(self, tun_fd: int, offloads: int, routes: RouteSocket, sockets: list[socket.socket]) -> None:
        self.tun_fd = tun_fd
        self.offloads = offloads
        self.routes = routes
        self.sockets = sockets

    def descriptors(self) -> list[int]:
        """In the order in which the parent unpacks them."""
        return [self.tun_fd, self.routes.socket.fileno(), *(each.fileno() for each in self.sockets)]

    def close(self) -> None:
        """Close this process's copies."""
        os.close(self.tun_fd)
        self.routes.socket.close()
        for each in self.sockets:
            each.close()


def build(plan: NetworkPlan) -> Devices:
    """Make the network of `plan` in the caller's (new, empty) network namespace. Raises `MachineError`."""
    tun_fd, offloads = _open_tun(plan.device)
    sockets = [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) for _ in range(2)]
    devices = Devices(tun_fd, offloads, RouteSocket(), sockets)
    try:
        _configure(devices.routes, plan)
    except OSError as error:
        raise remedies.failed(f"the network device {plan.device} cannot be set up", error) from error
    return devices


def _open_tun(name: str) -> tuple[int, int]:
    """Make the TUN device `name`: (non-blocking descriptor, offloads it took). It goes with the last descriptor.

    Opened here and not by the parent, because the device appears in the namespace of whoever opens it.
    """
    try:
        fd = os.open(device.DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(
            fd, device.TUNSETIFF, _IFREQ.pack(name.encode(), device.IFF_TUN | device.IFF_NO_PI | device.IFF_VNET_HDR)
        )
        return fd, device.enable_offloads(fd)
    except OSError as error:
        raise remedies.no_tun(error) from error


def _configure(routes: RouteSocket, plan: NetworkPlan) -> None:
    routes.bring_up(socket.if_nametoindex("lo"))
    index = socket.if_nametoindex(plan.device)
    routes.set_mtu(index, plan.mtu)
    routes.set_queue(index, QUEUE)
    if plan.ipv6 is None:
        _without_ipv6(plan.device)
    else:
        routes.without_link_local(index)
    routes.bring_up(index)
    for addressing in (plan.ipv4, plan.ipv6):
        if addressing is not None:
            _address(routes, index, addressing)


def _address(routes: RouteSocket, index: int, addressing: Addressing) -> None:
    if not addressing.elsewhere:
        routes.add_address(index, addressing.address, addressing.prefix)
        routes.add_default_route(index, addressing.gateway)
        return
    for address, prefix in addressing.elsewhere:
        routes.add_address(index, address, prefix)
    routes.add_network(index, addressing.gateway, addressing.prefix, addressing.address)
    routes.add_default_route(index, addressing.gateway, addressing.address)


def _without_ipv6(name: str) -> None:
    """Keep the kernel from giving the device a link-local address, from which it would solicit routers."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    except FileNotFoundError:
        return  # a kernel without IPv6
