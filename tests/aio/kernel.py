"""A network of the Linux kernel's own, at whose other end a TUN device is ours: a namespace and a process in it.

The process makes sockets there on request and hands them over; a socket stays in the namespace it was made in, so a test
has the kernel's end and ours on one event loop.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import Any

from hythe.gateway.namespace.netlink import RouteSocket
from hythe.link.device import open_device
from tests import needs

MTU = 1500
#: The kernel's addresses on the device, and the host's.
KERNEL = {4: "10.77.0.1", 6: "fd77::1"}
HOST = {4: "10.77.0.2", 6: "fd77::2"}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_MESSAGE = 65_536


class Kernel:
    """`tun_fd`: our end of the device. `privileged`: programs run there keep root's rights, which takes root."""

    def __init__(self, *, privileged: bool = False) -> None:
        needs.network()
        if privileged:
            needs.root()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel = ours
        self._child = os.fork()
        if self._child == 0:
            ours.close()
            status = 1
            try:
                _serve(theirs, 0 if privileged else needs.CLONE_NEWUSER)
                status = 0
            finally:
                os._exit(status)
        theirs.close()
        _, (self.tun_fd,), _, _ = socket.recv_fds(ours, 1, 1)

    def make_socket(self, version: int, kind: int) -> socket.socket:
        """A non-blocking socket there; `kind`: SOCK_STREAM or SOCK_DGRAM."""
        self._channel.send(json.dumps({"socket": [_FAMILIES[version], kind]}).encode())
        _, (fd,), _, _ = socket.recv_fds(self._channel, 1, 1)
        self._channel.recv(1)  # nobody else has it any more, so that it is closed when we close it
        made = socket.socket(fileno=fd)
        made.setblocking(False)
        return made

    def run(self, *argv: str) -> tuple[int, bytes, str]:
        """Run a program there for a minute at most: (status, output, complaints). Blocks: call it in a thread."""
        self._channel.send(json.dumps({"run": argv}).encode())
        status, size, complaints = json.loads(self._channel.recv(_MESSAGE))
        output = b""
        while len(output) < size:
            output += self._channel.recv(_MESSAGE)
        return status, output, complaints

    def close(self) -> None:
        """End the process; the device goes with the last descriptor."""
        self._channel.close()
        os.close(self.tun_fd)
        os.waitpid(self._child, 0)


def own_namespace(user: int = needs.CLONE_NEWUSER) -> int:
    """Enter a new network with a TUN device whose kernel end has the addresses above; its descriptor.

    `user`: 0 for one of the user namespace that we are in.
    """
    failed = needs.libc_unshare(user | needs.CLONE_NEWNET)
    if failed:
        raise OSError(failed, os.strerror(failed))
    fd, name = open_device("tun0")
    configure(name)
    return fd


def configure(name: str) -> None:
    """Loopback and the device up, with its addresses."""
    with RouteSocket() as routes:
        index = socket.if_nametoindex(name)
        routes.bring_up(socket.if_nametoindex("lo"))
        routes.set_mtu(index, MTU)
        routes.without_link_local(index)
        routes.bring_up(index)
        routes.add_address(index, socket.inet_pton(socket.AF_INET, KERNEL[4]), 24)
        routes.add_address(index, socket.inet_pton(socket.AF_INET6, KERNEL[6]), 64)


def _serve(channel: socket.socket, user: int) -> None:
    fd = own_namespace(user)
    socket.send_fds(channel, [b"."], [fd])
    os.close(fd)
    while request := channel.recv(_MESSAGE):
        wanted: dict[str, Any] = json.loads(request)
        if "socket" in wanted:
            with socket.socket(*wanted["socket"]) as made:
                socket.send_fds(channel, [b"."], [made.fileno()])
            channel.send(b".")
        else:
            done = subprocess.run(wanted["run"], capture_output=True, timeout=60, check=False)
            complaints = done.stderr.decode(errors="replace")[-2000:]
            channel.send(json.dumps([done.returncode, len(done.stdout), complaints]).encode())
            for at in range(0, len(done.stdout), _MESSAGE):
                channel.send(done.stdout[at : at + _MESSAGE])
