"""A script on a Linux kernel: a TUN device in a network namespace of its own, real sockets, real time.

The device has no offloads, so every packet that is read from it is one of a wire. Each script has a process and a
namespace to itself, hence many can run side by side: they sleep nearly all the time.

The script's clock is the monotonic one less the time that this process was ready to run and had no processor: on a busy
machine it stands still while we wait for our turn, and a packet does not seem late because we read it late.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from hythe.errors import MachineError
from hythe.gateway.namespace.netlink import RouteSocket
from hythe.gateway.namespace.syscalls import CLONE_NEWNET, CLONE_NEWUSER, unshare
from hythe.pkt import tcpinfo, wireform
from hythe.pkt.begun import Begun, Waiting, expiry, waits
from hythe.pkt.kernelsockets import KernelSockets
from hythe.pkt.runner import Pending, Run
from hythe.pkt.script import Script, ScriptError
from hythe.pkt.settings import Settings, settings
from hythe.pkt.shell import METRICS, Setting, check, initial
from hythe.pkt.wireform import Seen, read
from hythe.units import MILLISECOND

#: A busy machine wakes us late, and the kernel's timers count in milliseconds.
TOLERANCE: Final = 30 * MILLISECOND
_TUN: Final = "/dev/net/tun"
_DEVICE: Final = "tun0"
#: linux/if_tun.h.
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
#: Milliseconds between two questions whether IPv6 is ready, and how many.
_READY_PAUSE: Final = 10
_READY_TRIES: Final = 300
_CONGESTION: Final = "net.ipv4.tcp_congestion_control"
_PACKET_ROOM: Final = 65_575
#: How often a blocked call is tried again.
_AGAIN: Final = 1 * MILLISECOND


class Kernel:
    """The kernel of this network namespace, as a `Stack`."""

    def __init__(self, chosen: Settings, fd: int, congestion: str = "") -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._sent: deque[Seen] = deque()
        self._begun: list[Begun | Waiting] = []
        self._sockets = KernelSockets(chosen, congestion)
        self._schedstat = _open_schedstat()
        self._begin = 0
        self._begin = self._now()

    def _now(self) -> int:
        waited = int(os.pread(self._schedstat, 64, 0).split()[1]) if self._schedstat >= 0 else 0
        return time.monotonic_ns() - waited - self._begin

    def advance(self, until: int) -> None:
        """As `Stack.advance`."""
        while (left := until - self._now()) > 0:
            self._wait(left)
        self._read()

    def inject(self, data: bytes) -> None:
        """As `Stack.inject`."""
        os.write(self._fd, data)

    def next_packet(self, until: int) -> Seen | None:
        """As `Stack.next_packet`."""
        self._read()
        while not self._sent and (left := until - self._now()) > 0:
            self._wait(left)
        return self._sent.popleft() if self._sent else None

    def call(self, name: str, arguments: Sequence[object], *, blocks: bool) -> Pending:
        """As `Stack.call`. What has blocked until now goes first."""
        self._retry()
        if blocks and arguments and self._sockets.blocking(arguments[0]):
            begun: Begun | Waiting = Waiting(self._sockets.waiting(name), arguments, self._now)
            self._begun.append(begun)
            return begun
        expires = expiry(name, arguments, self._now())
        blocking = bool(arguments) and self._sockets.blocking(arguments[0])
        begun = Begun(
            self._sockets.find(name),
            arguments,
            self._now,
            blocking=waits(name, arguments, blocking=blocking),
            expires=expires,
        )
        if begun.outcome() is None:
            self._begun.append(begun)
        return begun

    def configure(self, setting: Setting) -> None:
        """As `Stack.configure`."""
        if setting.name == METRICS:
            _flush_metrics()
        elif setting.name == _CONGESTION:
            self._sockets.congestion = _congestion(setting.value).encode()
        else:
            _set(setting)

    def info(self) -> Mapping[str, int]:
        """As `Stack.info`."""
        raw = self._sockets.info()
        return tcpinfo.linux(raw) if raw else {}

    def _wait(self, left: int) -> None:
        """Until a packet has left, the time is over, or a blocked call is to be tried again."""
        if self._begun:
            left = min(left, _AGAIN)
        self._poll.poll(left / MILLISECOND)
        self._read()
        self._retry()

    def _retry(self) -> None:
        for begun in self._begun:
            begun.attempt()
        self._begun = [each for each in self._begun if each.outcome() is None]

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._fd, _PACKET_ROOM)
            except BlockingIOError:
                return
            seen = read(data, self._now())
            if seen is not None:
                self._sent.append(seen)


def _open_schedstat() -> int:
    """Where the kernel tells how long this process waited for a processor; -1 where it does not (sched-stats.rst)."""
    try:
        return os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _hurry() -> None:
    """Ask to be woken before others: what we do takes microseconds, and how late it is done shows. Not everybody may."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def enter_namespace() -> None:
    """Leave for a network namespace of one's own, as its root. Raises `MachineError`."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        if uid == 0:
            unshare(CLONE_NEWNET)
            return
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError as error:
        raise MachineError(
            f"no network namespace can be made ({error.strerror}): run as root, or allow user namespaces to everybody"
        ) from error


def set_up(chosen: Settings) -> int:
    """The TUN device of this namespace, with the script's addresses and routes: its descriptor. Raises `MachineError`."""
    try:
        fd = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
        with RouteSocket() as routes:
            index = socket.if_nametoindex(_DEVICE)
            routes.bring_up(socket.if_nametoindex("lo"))
            routes.set_mtu(index, chosen.mtu)
            if chosen.version == 4:
                _without_ipv6()
            else:
                routes.without_link_local(index)
            routes.bring_up(index)
            routes.add_address(index, chosen.local, chosen.prefix)
            routes.add_default_route(index, chosen.gateway)
        if chosen.version == 6:
            _wait_for_ipv6(fd, chosen)
    except OSError as error:
        raise MachineError(
            f"{_TUN} cannot be set up ({error.strerror}): load the tun module and let this user open the device"
        ) from error
    return fd


def _wait_for_ipv6(fd: int, chosen: Settings) -> None:
    """The kernel takes a moment until it answers on a new device: ask a closed port until it does, and read it all."""
    probe = wireform.udp_packet(chosen.remote, chosen.local, (9, 9), 1)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    for _ in range(_READY_TRIES):
        os.write(fd, probe)
        if poll.poll(_READY_PAUSE):
            break
    else:
        raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
    while poll.poll(_READY_PAUSE):
        os.read(fd, _PACKET_ROOM)


def _without_ipv6() -> None:
    """Keep the kernel from soliciting routers. Where it has no IPv6, or the MTU none to offer, it does not anyway."""
    try:
        _write(f"net.ipv6.conf.{_DEVICE}.disable_ipv6", "1")
    except FileNotFoundError:
        return


def _write(name: str, text: str) -> None:
    with open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="ascii") as file:
        file.write(text)


def _set(setting: Setting) -> None:
    """Set a sysctl. What a shell script sets in vain, or an alternative, does not matter, as there."""
    try:
        _write(setting.name, setting.value)
    except OSError as error:
        if not (setting.perhaps and error.errno == errno.ENOENT):
            what = f"expected a sysctl that can be set: {setting.name}: {error.strerror}"
            raise ScriptError(setting.path, setting.line, what) from error


def _flush_metrics() -> None:
    """Have the kernel forget what it has learned of peers in this namespace."""
    try:
        subprocess.run(["ip", "tcp_metrics", "flush"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MachineError(f"tcp_metrics cannot be flushed ({error}): install iproute2") from error


def _congestion(name: str) -> str:
    """Make `name` the namespace's congestion control; or, what one may not set there, return it for each socket."""
    try:
        _write(_CONGESTION, name)
    except OSError:
        return name
    return ""


def run(script: Script, tolerance: int | None = None) -> None:
    """Play a script against the kernel; this process is in a namespace of its own. Raises `Failure`, `ScriptError`."""
    chosen = settings(script)
    _hurry()
    fd = set_up(chosen)
    congestion = "cubic"  # the machine's own default may be another
    check(script)
    for setting in initial(script):
        if setting.name == _CONGESTION:
            congestion = setting.value
        elif setting.name != METRICS:  # a new namespace has none
            _set(setting)
    given = max(TOLERANCE, chosen.tolerance or 0) if tolerance is None else tolerance
    chosen = replace(chosen, tolerance=given)
    Run(script, chosen, Kernel(chosen, fd, _congestion(congestion)), given)()
