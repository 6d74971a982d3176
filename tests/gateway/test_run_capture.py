"""What `hythe run --capture` writes, as tshark sees it: every packet in order, every checksum right, and what was added."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import struct
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.units import MIB
from hythe.wire import pcapng
from tests import needs
from tests.gateway.nameserver import NameServer
from tests.gateway.servers import Content, closed_port, file_server
from tests.gateway.sessions import until
from tests.link import tshark

if TYPE_CHECKING:
    from tests.gateway.conftest import Person

#: port size closed-port file program: bytes down and up, a port where nobody is, pings whole and in fragments, names.
SCRIPT = """
set -e
for family in 4 6; do
    curl -sS --fail -$family -o "$4" http://host.hythe.internal:$1/$2
    curl -sS --fail -$family -T "$4" http://host.hythe.internal:$1/ >/dev/null
    if curl -s -$family http://host.hythe.internal:$3/; then exit 1; fi
    ping -$family -c 2 -i 0.1 gateway.hythe.internal
    ping -$family -c 1 -s 3000 gateway.hythe.internal
done
dig +tries=1 plain.test
dig +tries=1 big.test
rm "$4"
closed=$3
shift 4
exec "$@" "$closed"
"""
REFUSED = """
import socket, sys
for family in (socket.AF_INET, socket.AF_INET6):
    place = socket.getaddrinfo("host.hythe.internal", int(sys.argv[1]), family, socket.SOCK_DGRAM)[0][4]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(place)
        sock.send(b"anybody?")
        try:
            sock.recv(1)
        except ConnectionRefusedError:
            continue
        sys.exit("not refused")
"""


def captured(nobody: Person, file: Path, options: str) -> tshark.Reading:
    """Have all that said once, and read what was written."""
    for each in ("curl", "ping", "dig", "tshark"):
        needs.program(each)
    with file_server(Content(random.Random(20_261_120))) as port, NameServer() as names:
        words = ("sh", "-c", SCRIPT, "sh", str(port), str(MIB), str(closed_port()), f"{file.parent}/file")
        options = f"--host-loopback {names.option} --capture {file} {options}"
        result = nobody.run(options, *words, *nobody.script(REFUSED))
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    return tshark.read(file)


@pytest.mark.parametrize("options", ["", "--mtu 1500", "--delay 1ms"])
def test_a_capture_is_right(nobody: Person, folder: Path, options: str) -> None:
    """A machine too busy to let hythe or the command run for some milliseconds looks like a loss: then once more."""
    tries = 1
    found = captured(nobody, folder / "capture.pcapng", options)
    while tries < 3 and any("retransmission" in each for each in found.complaints):
        found = captured(nobody, folder / "capture.pcapng", options)
        tries += 1
    assert found.complaints == []
    assert found.protocols >= {"ip", "ipv6", "tcp", "http", "dns", "icmp", "icmpv6"}
    assert found.verified["tcp"] > 2 * 2 * MIB // (1_500 if options else 65_520)


# --- What is added


def test_what_is_sent_again_is_told_with_the_reason(nobody: Person, folder: Path) -> None:
    needs.program("curl")
    file = folder / "capture.pcapng"
    content = Content(random.Random(20_261_121))
    with file_server(content) as down, file_server(content) as up:
        script = f"curl -sSfo {folder}/file -4 $0:{down}/{2 * MIB} && curl -sSf -4 -T {folder}/file $0:{up}/"
        losses = f"--down-loss nth:30,60,61@tcp:{down} --up-loss nth:30,60,61@tcp:{up} --delay 1ms"
        options = f"--host-loopback {losses} --capture {file}"
        result = nobody.run(options, "sh", "-c", script, "http://host.hythe.internal")
    assert result.returncode == 0, result.stderr
    said = [each for (each,) in tshark.fields(file, "frame.comment", only="frame.comment")]
    told = [each for each in said if each.startswith("retransmission: ")]
    assert len(told) >= 3
    assert all("RFC " in each for each in told)
    again = tshark.fields(file, "frame.number", only='frame.comment contains "sent again by the command"')
    guesses = " || ".join(f"tcp.analysis.{each}" for each in ("retransmission", "fast_retransmission", "out_of_order"))
    seen = tshark.fields(file, "frame.number", only=f"tcp.dstport == {up} && ({guesses})")
    assert len(again) >= 3
    assert again == seen


# --- A file that is written slowly


def test_a_capture_that_nobody_reads_does_not_slow_anything_and_tells_what_it_lacks(nobody: Person, folder: Path) -> None:
    needs.program("curl")
    pipe = folder / "pipe"
    os.mkfifo(pipe, 0o666)
    pipe.chmod(0o666)
    done = threading.Event()
    kept: list[bytes] = []

    def read() -> None:
        with open(pipe, "rb") as file:
            kept.append(file.read(1))
            done.wait(20)
            kept.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    with file_server(Content(random.Random(20_261_122))) as port:
        script = 'curl -sSf -4 "$0" | wc -c; touch done'
        timer = threading.Timer(0, lambda: _once(folder / "done", done))
        timer.start()
        url = f"http://host.hythe.internal:{port}/{128 * MIB}"
        result = nobody.run(f"--host-loopback --capture {pipe}", "sh", "-c", f"cd {folder}; {script}", url)
    timer.join()
    reader.join()
    assert (result.returncode, result.stdout.strip()) == (0, str(128 * MIB))
    found = re.fullmatch(r"hythe: the capture lacks (\d+) of (\d+) packets, .*\n", result.stderr)
    assert found, result.stderr
    packets = list(pcapng.read(b"".join(kept)))
    assert int(found[1]) > 0
    assert len(packets) + int(found[1]) == int(found[2])


PINGS = "ping -q -c 3 -w 20 -i 0.01 gateway.hythe.internal >/dev/null; echo ready; exec sleep 20"


def test_a_capture_outlives_hythe(nobody: Person, folder: Path) -> None:
    """However that ends: what was captured by then is there, whole, with its statistics."""
    file = folder / "capture.pcapng"
    with nobody.running(f"-4 --capture {file}", "sh", "-c", PINGS) as running:
        assert running.line() == "ready\n"
        running.process.kill()
        running.process.wait(10)
        found = until(lambda: _whole(file))
    # Three and their answers; ping sends one more where the answers are late.
    assert len([each for each in found if each.data[9] == 1]) >= 6


def test_a_writer_that_was_ended_is_told(nobody: Person, folder: Path) -> None:
    with nobody.running(f"-4 --capture {folder}/capture.pcapng", "sh", "-c", PINGS) as running:
        assert running.line() == "ready\n"
        (writer,) = _writers_of(running.process.pid)
        os.kill(writer, signal.SIGKILL)
        running.process.send_signal(signal.SIGTERM)
        _, said = running.process.communicate(timeout=10)
    assert said == b"hythe: the capture is not complete: the process that writes it was ended\n"


def _once(path: Path, done: threading.Event) -> None:
    """Tell when the file is there."""
    for _ in range(2_000):
        if path.exists():
            break
        threading.Event().wait(0.01)
    done.set()


def _whole(file: Path) -> list[pcapng.CapturedPacket]:
    """Return its packets, once the statistics that end it are there."""
    data = file.read_bytes()
    ends = struct.pack("<II", pcapng.INTERFACE_STATISTICS, 52)
    return list(pcapng.read(data)) if data[-52:-44] == ends else []


def _writers_of(hythe: int) -> list[int]:
    """Return the processes that write its captures."""
    folder = f"/proc/{hythe}/task/{hythe}"
    with open(f"{folder}/children", encoding="utf-8") as file:
        children = file.read().split()
    return [int(each) for each in children if Path(f"/proc/{each}/comm").read_text(encoding="utf-8") == "hythe-capture\n"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["", "-R"])
def test_nothing_of_a_gigabit_a_second_is_missing(nobody: Person, folder: Path, way: str) -> None:
    """For five seconds: the file has every byte that was sent, and hythe has nothing to say."""
    iperf3 = needs.program("iperf3")
    file = folder / "capture.pcapng"
    port = closed_port()
    with subprocess.Popen(
        [iperf3, "-s", "-1", "--forceflush", "-p", str(port)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()  # it listens
        words = f"-c host.hythe.internal -4 -p {port} -t 5 -b 1g -J {way}".split()
        result = nobody.run(f"--host-loopback --capture {file}", iperf3, *words, timeout=60)
        server.communicate(timeout=20)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    sent = json.loads(result.stdout)["end"]["sum_sent"]["bytes"]
    got = 0
    reader, reached = pcapng.Reader(), dict[bytes, int]()
    with open(file, "rb") as data:
        while chunk := data.read(MIB):
            for each in reader.feed(chunk):
                packet = each.data
                assert len(packet) == each.length
                if packet[0] >> 4 == 4 and packet[9] == 6:
                    head = (packet[0] & 15) * 4
                    size = len(packet) - head - (packet[head + 12] >> 4) * 4
                    flow, seq = packet[12:20] + packet[head : head + 4], int.from_bytes(packet[head + 4 : head + 8], "big")
                    new = seq + size - reached.setdefault(flow, seq) & 0xFFFFFFFF
                    if 0 < new < 1 << 31:  # and not sent again, all of it
                        got += min(new, size)
                        reached[flow] = seq + size
    reader.end()
    assert sent > 500 * 10**6
    assert 0 <= got - sent < 20_000  # what iperf3 says to arrange the test
