"""What a host answers to odd packets is what the Linux kernel answers, but where `DIFFERENT` says why not."""

from __future__ import annotations

import fcntl
import json
import os
import select
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import IPv6

from tests import needs
from tests.host.hosts import LEFT4, LEFT6, Lone
from tests.host.odd import probes

#: Where hythe answers otherwise, and why.
DIFFERENT: Final[Mapping[str, str]] = {
    "SYN from 192.0.2.255": "a RST would go to the whole network (RFC 1122, 3.2.1.3)",
    "echo to ff02::1:ff00:1": "the group of an address of ours (RFC 4291, 2.8), which Linux is in where it has neighbors",
}
_TUNSETIFF: Final = 0x400454CA
_TUN_PLAIN: Final = 0x1001  # IFF_TUN, IFF_NO_PI
#: Seconds without another answer.
_QUIET: Final = 0.05
#: No limits on errors, addresses at once, and no router asked for.
_SETTINGS: Final = f"""
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 net.ipv6.icmp.ratelimit=0
sysctl -qw net.ipv6.conf.odd0.accept_dad=0 net.ipv6.conf.odd0.router_solicitations=0
ip link set lo up; ip link set odd0 up
ip address add {LEFT4}/24 dev odd0; ip address add {LEFT6}/64 dev odd0 nodad
"""


@pytest.mark.slow
def test_odd_packets_are_answered_as_linux_answers_them(tmp_path: Path) -> None:
    needs.root()
    needs.tun()
    told = tmp_path / "linux.json"
    assert needs.in_child(lambda: _ask_linux(told)) == 0
    linux = json.loads(told.read_text())
    found = {}
    for name, packets in probes():
        lone = Lone()
        answers = [described(answer) for packet in packets for answer in map(bytes, lone.send(packet))]
        if answers != linux[name]:
            found[name] = (answers, linux[name])
    assert found.keys() == DIFFERENT.keys(), "\n".join(
        f"{name}: {ours}, Linux {theirs}" for name, (ours, theirs) in found.items() if name not in DIFFERENT
    )


def _ask_linux(told: Path) -> int:
    """In a network of its own, which has one device and ends with this process."""
    assert not needs.libc_unshare(needs.CLONE_NEWNET)
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", b"odd0", _TUN_PLAIN))
    subprocess.run(["sh", "-ec", _SETTINGS], check=True)
    _answers(device, 1.0)  # what the kernel has to say by itself
    found: dict[str, list[str]] = {}
    for name, packets in probes():
        found[name] = []
        for packet in packets:
            os.write(device, packet)
            found[name] += _answers(device, _QUIET)
    told.write_text(json.dumps(found))
    return 0


def _answers(device: int, quiet: float) -> list[str]:
    read = []
    while select.select([device], [], [], quiet)[0]:
        data = os.read(device, 65_575)
        if not _is_gossip(data):
            read.append(described(data))
    return read


def _is_gossip(data: bytes) -> bool:
    """Does the kernel tell of itself: its groups (behind hop-by-hop options), a router or neighbor wanted?"""
    return data[0] >> 4 == 6 and (data[6] == 0 or (data[6] == 58 and data[40] in (133, 135, 143)))


def described(data: bytes) -> str:
    """Whatever the answer says, without what each host chooses: identification, DF, flow label, sums of headers."""
    packet = (IP if data[0] >> 4 == 4 else IPv6)(data)
    if isinstance(packet, IP):
        packet.id, packet.flags, packet.chksum = 0, 0, 0
    else:
        packet.fl = 0
    if TCP in packet:
        packet[TCP].chksum = 0
    if ICMP in packet:
        packet[ICMP].chksum = 0
    return f"{packet.summary()} {bytes(packet).hex()}"
