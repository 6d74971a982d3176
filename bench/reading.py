"""`python -m bench.reading [PACKETS]`: how fast captures are read, filtered and printed, beside scapy and tcpdump.

A capture of TCP segments, half of them with 1,400 bytes and half with none, is made and read by each in turn, three times;
what counts is the best time of each. scapy reads a part of it only, and its packets are dissected, as those of a program
that looks at them are.
"""

from __future__ import annotations

import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import scapy.layers.inet  # noqa: F401 - without it nothing is dissected
from scapy.utils import PcapReader, RawPcapReader

from hythe.view.captures import read_capture
from hythe.view.dump.printer import Printer
from hythe.view.dump.selection import select
from hythe.view.dump.show import Style
from hythe.view.filter import Filter

PACKETS = 200_000
ROUNDS = 3
#: Of so many packets scapy reads.
SCAPY_PACKETS = 4_000
EXPRESSION = "tcp port 8081 and host 10.0.0.7"
SECONDS_MAX = 300


def make(path: Path, count: int) -> None:
    """Write the capture."""
    frames = [_frame(number, b"x" * (1_400 if number % 2 else 0)) for number in range(2_000)]
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for start in range(0, count, len(frames)):
            for number, frame in enumerate(frames[: count - start]):
                seconds, rest = divmod((start + number) * 10, 1_000_000)
                file.write(struct.pack("<IIII", 1_700_000_000 + seconds, rest, len(frame), len(frame)) + frame)


def _frame(number: int, payload: bytes) -> bytes:
    source = bytes((10, 0, 0, number % 200 + 1))
    options = bytes.fromhex("0101080a") + struct.pack(">II", number, number)
    segment = struct.pack(">HHIIBBHHH", 40_000 + number % 500, 8081, number * 1_400, 1, 8 << 4, 0x18, 501, 0, 0)
    total = 20 + len(segment) + len(options) + len(payload)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, number, 0x4000, 64, 6, 0, source, bytes((10, 0, 1, 1)))
    return bytes.fromhex("02000000000b02000000000a0800") + header + segment + options + payload


def best(action: Callable[[], int]) -> float:
    """Microseconds a packet, of the fastest of a few runs."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        count = action()
        times.append((time.perf_counter() - begin) / count * 1e6)
    return min(times)


def program(count: int, *words: str) -> Callable[[], int]:
    """A whole command, its start included, into nothing."""

    def run() -> int:
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS_MAX)
        return count

    return run


def by_scapy(reader: Callable[[str], object], path: str, *, summary: bool = False) -> Callable[[], int]:
    """Scapy's own loop over the first packets."""

    def run() -> int:
        for number, packet in enumerate(reader(path)):  # type: ignore[arg-type, var-annotated]
            if summary:
                packet.summary()
            if number == SCAPY_PACKETS:
                break
        return SCAPY_PACKETS

    return run


def measured(path: str, count: int) -> list[tuple[str, float]]:
    """What is compared: what it does, and microseconds a packet."""
    ours = (sys.executable, "-m", "hythe", "dump", "-n", "-r", path)
    printer, wanted = Printer(Style()), Filter(EXPRESSION)

    def filtered() -> int:
        return count + 0 * sum(1 for _ in select(read_capture(path), wanted))

    found = [
        ("hythe, read", best(lambda: sum(1 for _ in read_capture(path)))),
        ("hythe, read and filter", best(filtered)),
        ("hythe, read and make lines", best(lambda: sum(1 for packet in read_capture(path) if printer.text(packet)))),
        ("scapy, read (PcapReader)", best(by_scapy(PcapReader, path))),
        ("scapy, read and make summaries", best(by_scapy(PcapReader, path, summary=True))),
        ("scapy, read, not looking (RawPcapReader)", best(by_scapy(RawPcapReader, path))),
        ("`hythe dump -n -r`", best(program(count, *ours))),
        (
            "`hythe dump -n -r`, filtered",
            best(program(count, sys.executable, "-m", "hythe", "dump", "-n", "-r", path, EXPRESSION)),
        ),
    ]
    tcpdump = shutil.which("tcpdump", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if tcpdump:
        found.append(("`tcpdump -n -r`", best(program(count, tcpdump, "-n", "-r", path))))
        found.append(("`tcpdump -n -r`, filtered", best(program(count, tcpdump, "-n", "-r", path, EXPRESSION))))
    return found


def main() -> None:
    """Print a table, and how much memory it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PACKETS
    with tempfile.TemporaryDirectory(prefix="hythe-bench-") as folder:
        path = Path(folder) / "capture.pcap"
        make(path, count)
        print(f"{count:,} packets, {path.stat().st_size / 2**20:,.0f} MiB; microseconds a packet, best of {ROUNDS}\n")
        for what, spent in measured(str(path), count):
            print(f"| {what} | {spent:.2f} |")
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"\nmost memory that a command had: {children / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
