"""A proxy in a network namespace of its own, under a flood of SYNs whose senders never answer; prints what became of it.

The senders' addresses are behind a cable that nobody listens at.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from hythe.wire.checksum import checksum
from tests.gateway.servers import echo, tcp_server
from tests.proxy.commands import running

HERE = "10.163.0.1"
_SYN_RECV = "03"


def syn(source: str, sport: int, dport: int) -> bytes:
    """An IPv4 packet; the kernel fills in the sum of its header (raw(7))."""
    ends = socket.inet_aton(source) + socket.inet_aton(HERE)
    segment = struct.pack("!HHIIBBHHH", sport, dport, sport * 65_537, 0, 5 << 4, 2, 64_240, 0, 0)
    pseudo = ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(segment))
    total = checksum(pseudo + segment)
    segment = segment[:16] + struct.pack("!H", total) + segment[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, socket.IPPROTO_TCP, 0) + ends + segment


def half_open() -> int:
    """How many there are."""
    return sum(line.split()[3] == _SYN_RECV for line in Path("/proc/net/tcp").read_text().splitlines()[1:])


def main(count: int) -> None:
    for words in (
        "link set lo up",
        "link add near type veth peer name far",
        f"addr add {HERE}/24 dev near",
        "link set near arp off",
        "link set near up",
        "link set far up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    over = threading.Event()
    with tcp_server(echo) as port, running("--map", f"{HERE}:0=127.0.0.1:{port}", "--log", "/dev/null") as proxy:
        place = (HERE, int(proxy.said(r"map 10\.163\.0\.1:(\d+)")[1]))
        before = sum(1 for _ in Path(f"/proc/{proxy.process.pid}/fd").iterdir())

        def flood() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
                for number in range(count):
                    raw.sendto(syn(f"10.163.0.{number % 200 + 20}", number // 200 + 1_024, place[1]), (HERE, 0))
            over.set()

        flooding = threading.Thread(target=flood)
        flooding.start()
        served = waiting = 0
        while served < 20 or not over.is_set():
            with socket.create_connection(place, timeout=20) as stream:
                stream.sendall(b"hello")
                assert stream.recv(5, socket.MSG_WAITALL) == b"hello"
                served += 1
                waiting = max(waiting, half_open())
        flooding.join()
        while sum(1 for _ in Path(f"/proc/{proxy.process.pid}/fd").iterdir()) > before:
            continue
    print(f"{served} served, {waiting} half open")


if __name__ == "__main__":
    main(int(sys.argv[1]))
