"""Packets of this machine's interfaces as a source: AF_PACKET, with the kernel's filter, timestamps and counts.

One interface gives packets with their link-layer header, where it has one that is known here (Ethernet, loopback, TUN);
any other, and all of them together, give them without, and a cooked header (LINKTYPE_LINUX_SLL2) is put before. The kernel
takes a VLAN tag off and tells of it beside the packet; it is put back. Loopback shows each packet twice, sent and received,
of which one is enough.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.view.filter import Filter, FilterError
from hythe.view.filter.bpf import Instruction
from hythe.view.filter.layers import SOCKET
from hythe.wire import pcapng
from hythe.wire.pcapng import CapturedPacket, Interface

ANY: Final = "any"
_ETH_P_ALL: Final = 3
_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_SOL_PACKET: Final = 263
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_STATISTICS: Final = 6
_PACKET_AUXDATA: Final = 8
_PACKET_MR_PROMISC: Final = 1
_PACKET_OUTGOING: Final = 4
_TP_STATUS_VLAN_VALID: Final = 1 << 4
_TP_STATUS_VLAN_TPID_VALID: Final = 1 << 6
_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFHWADDR: Final = 0x8927
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8
_IFF_RUNNING: Final = 0x40
_ARPHRD_ETHER: Final = 1
_ARPHRD_LOOPBACK: Final = 772
_ARPHRD_NONE: Final = 0xFFFE
_BUFFER: Final = 16 << 20
_SNAPLEN: Final = 262_144
_ANCILLARY_SIZE: Final = 128
_TIMESPEC: Final = struct.Struct("@qq")
_AUXDATA: Final = struct.Struct("@IIIHHHH")
_COOKED: Final = struct.Struct(">HHIHBB8s")
_STATISTICS: Final = struct.Struct("@II")
#: A filter that lets nothing through.
_NOTHING: Final = (Instruction(6, 0, 0, 0),)
_LINKTYPES: Final = {
    _ARPHRD_ETHER: pcapng.LINKTYPE_ETHERNET,
    _ARPHRD_LOOPBACK: pcapng.LINKTYPE_ETHERNET,
    _ARPHRD_NONE: pcapng.LINKTYPE_RAW,
}


class Sniffer:
    """An open capture; iterate over it, as long as you like, and close it.

    `name`: an interface, or "any". `wanted`: what the kernel is to let through; where it cannot run the filter, `filtered`
    is False, and whoever reads has to choose. `promiscuous`: packets for others too. `buffer`: bytes that may wait.

    Raises `MachineError` without the right to capture, `UsageError` for an interface that is not there.
    """

    __slots__ = ("_socket", "_stopped", "_wake", "filtered", "interface", "name", "waker")

    def __init__(self, name: str, wanted: Filter, *, promiscuous: bool = True, buffer: int = 0) -> None:
        self.name = name
        index = _index(name)
        linktype = _LINKTYPES.get(_hardware(name), pcapng.LINKTYPE_LINUX_SLL2) if index else pcapng.LINKTYPE_LINUX_SLL2
        self.interface = Interface(name, linktype, _SNAPLEN, 1_000_000_000)
        kind = socket.SOCK_DGRAM if linktype == pcapng.LINKTYPE_LINUX_SLL2 else socket.SOCK_RAW
        try:
            # Of one interface nothing comes before it is bound; of all, at once.
            self._socket = socket.socket(socket.AF_PACKET, kind, 0 if index else socket.htons(_ETH_P_ALL))
        except PermissionError as error:
            raise MachineError(
                f"capturing on {name} takes root or CAP_NET_RAW: run it as root, or capture a command with "
                "`hythe run --capture FILE -- COMMAND`, which takes neither"
            ) from error
        self._stopped = False
        #: A descriptor for `signal.set_wakeup_fd`: a signal that comes just before we wait is not lost.
        self._wake, self.waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.filtered = self._attach(wanted, SOCKET if kind == socket.SOCK_DGRAM else linktype)
            self._prepare(name, index, promiscuous, buffer or _BUFFER)
            self.statistics()  # begin to count now
        except BaseException:
            self.close()
            raise

    def _attach(self, wanted: Filter, linktype: int) -> bool:
        """Before the socket is bound, so that nothing else gets in; what is in already is thrown away."""
        if not wanted or wanted.mentions("vlan"):
            return not wanted  # the kernel keeps tags apart from packets, where no offset finds them
        try:
            program = wanted.program(linktype)
        except FilterError:
            wanted.predicate(self.interface.linktype)  # what makes no sense at all is said now
            return False
        except UsageError:
            return False
        self._run(_NOTHING)
        try:
            while True:
                self._socket.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._run(program)
        return True

    def _run(self, program: Sequence[Instruction]) -> None:
        """Hand a program to the kernel, in place of the one before."""
        code = b"".join(struct.pack("@HBBI", *each) for each in program)
        room = ctypes.create_string_buffer(code, len(code))
        pointer = struct.pack("@HP", len(program), ctypes.addressof(room))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)

    def _prepare(self, name: str, index: int, promiscuous: bool, buffer: int) -> None:
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        if promiscuous and index:
            request = struct.pack("@iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        if index:
            self._socket.bind((name, _ETH_P_ALL))

    def __iter__(self) -> Iterator[CapturedPacket]:
        """Packets as they come, until `stop`. Raises `MachineError` where the interface goes away."""
        cooked = self.interface.linktype == pcapng.LINKTYPE_LINUX_SLL2
        receive, interface = self._socket.recvmsg, self.interface
        indexes: dict[str, int] = {}
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        waiting.register(self._wake, select.POLLIN)
        while not self._stopped:
            try:
                data, beside, _, where = receive(_SNAPLEN, _ANCILLARY_SIZE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if any(descriptor == self._wake for descriptor, _ in waiting.poll()):
                    return
                continue
            except OSError as error:
                if error.errno == errno.ENETDOWN:
                    raise MachineError(f"{self.name} went down") from error
                raise
            _, protocol, kind, hardware, address = where
            if kind == _PACKET_OUTGOING and hardware == _ARPHRD_LOOPBACK:
                continue  # it comes back as one received
            now, length, tag = _beside(beside, len(data))
            if cooked:
                index = indexes.get(where[0], -1)
                if index < 0:
                    index = indexes[where[0]] = _index_of(where[0])
                head = _COOKED.pack(protocol, 0, index, hardware, kind, min(len(address), 8), address[:8])
                data, length = head + data, length + len(head)
            elif tag:
                data, length = data[:12] + tag + data[12:], length + len(tag)
            direction = pcapng.OUTBOUND if kind == _PACKET_OUTGOING else pcapng.INBOUND
            yield CapturedPacket(interface, now, data, length, direction)

    def statistics(self) -> tuple[int, int]:
        """Packets that passed the kernel's filter, and those of them dropped for want of room; since the last call."""
        received, dropped = _STATISTICS.unpack(self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))
        return received, dropped

    def stop(self) -> None:
        """End the iteration before its next packet; a byte into `waker` ends it where it waits for one."""
        self._stopped = True

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        os.close(self._wake)
        os.close(self.waker)

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _beside(beside: list[tuple[int, int, bytes]], kept: int) -> tuple[int, int, bytes]:
    """Time, length on the wire and VLAN tag, of what the kernel says beside a packet."""
    now, length, tag = 0, kept, b""
    for level, kind, data in beside:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            now = seconds * 1_000_000_000 + nanoseconds
        elif level == _SOL_PACKET and kind == _PACKET_AUXDATA:
            status, length, _, _, _, control, protocol = _AUXDATA.unpack(data)
            if status & _TP_STATUS_VLAN_VALID:
                ethertype = protocol if status & _TP_STATUS_VLAN_TPID_VALID else 0x8100
                tag = struct.pack(">HH", ethertype, control)
    return now, length, tag


def _index(name: str) -> int:
    """The kernel's number of an interface; 0 for all of them."""
    if name == ANY:
        return 0
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        known = ", ".join([*(each for _, each in socket.if_nameindex()), ANY])
        raise UsageError(f"there is no interface {name!r}: this machine has {known}") from error


def _index_of(name: str) -> int:
    """The number of an interface that a packet came from; 0 if it has gone since."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def interfaces() -> list[tuple[str, str]]:
    """What there is to capture on, and what to say of it: those that run first, then all together, loopback, others."""
    found = [(1, ANY, "Up, Running")]
    for _, name in socket.if_nameindex():
        flags = _ask(name, _SIOCGIFFLAGS)
        rank = 3 if not flags & _IFF_UP else 2 if flags & _IFF_LOOPBACK else 0
        words = [
            word for bit, word in ((_IFF_UP, "Up"), (_IFF_RUNNING, "Running"), (_IFF_LOOPBACK, "Loopback")) if flags & bit
        ]
        if flags & _IFF_RUNNING and not flags & _IFF_LOOPBACK:
            words.append("Connected")
        found.append((rank, name, ", ".join(words) or "none"))
    found.sort(key=lambda each: each[0])
    return [(name, said) for _, name, said in found]


def _hardware(name: str) -> int:
    """ARPHRD_*, asked of the kernel: sysfs may be another network's."""
    return _ask(name, _SIOCGIFHWADDR)


def _ask(name: str, what: int) -> int:
    """The short that an ioctl of an interface answers first (netdevice(7)); 0 if the interface has gone since."""
    request = struct.pack("@16s24x", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, what, request)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return 0
            raise
    (found,) = struct.unpack_from("@H", answer, 16)
    return int(found)
