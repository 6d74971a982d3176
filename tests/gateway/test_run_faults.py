"""Faults are what they say: measured by the programs of every day, and by numbered datagrams of which none is unaccounted.

An echo server on loopback answers the datagrams of a client in `hythe run`. The client sends no faster than answers come,
so that nothing is lost but what the faults take, and what they take can be told beforehand.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
import shutil
import socket
import statistics
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.link.faults import BurstLoss, Plan, RandomLoss
from hythe.units import MIB
from hythe.wire import pcapng, udp
from tests import needs
from tests.gateway.servers import Content, closed_port, file_server
from tests.link.faults.wires import NEAR, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.conftest import Person

#: count window port: prints the server's address, the numbers that came back in their order, and the time each took.
CLIENT = """
import json, socket, sys, time
count, window, port = map(int, sys.argv[1:])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sock.connect((socket.gethostbyname("host.hythe.internal"), port))
sent, seen, times = [], [], []
def take(wait):
    sock.settimeout(wait)
    try:
        number = int.from_bytes(sock.recv(2048)[:8], "big")
    except TimeoutError:
        return -1
    times.append(time.monotonic() - sent[number])
    seen.append(number)
    return number
for start in range(0, count, window):
    for number in range(start, min(start + window, count)):
        sent.append(time.monotonic())
        sock.send(number.to_bytes(8, "big") + bytes(56))
    enough = start + window // 2
    while enough > take(0.3) >= 0:
        pass
while take(0.3) >= 0:
    pass
print(json.dumps([sock.getpeername()[0], seen, times]))
"""


@dataclass
class Echoes:
    """What came back: `numbers` in their order and `times` in seconds; `far` is the server as the command sees it."""

    far: bytes
    port: int
    numbers: list[int]
    times: list[float]

    def missing(self, count: int) -> list[int]:
        return sorted(set(range(count)) - set(self.numbers))

    def foretold(self, plan: Plan, count: int, seed: int, *, up: bool) -> list[int]:
        """Which of `count` a wire loses that does as `plan` says."""
        near, far = (NEAR, 40_000), (self.far, self.port)
        (source, source_port), (destination, port) = (near, far) if up else (far, near)
        envelope = udp.Envelope4(source, destination, source_port, port)
        packets = [envelope.packet(each.to_bytes(8, "big") + bytes(56)) for each in range(count)]
        return sorted(set(range(count)) - set(numbers(plan, packets, seed, up=up)))


#: port size...: sends a datagram of each size, and prints those that came back, with the ECN bits there and here.
PROBE = """
import json, socket, sys
sizes = list(map(int, sys.argv[2:]))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
sock.connect((socket.gethostbyname("host.hythe.internal"), int(sys.argv[1])))
seen = []
def take(wait):
    sock.settimeout(wait)
    try:
        data, told, _, _ = sock.recvmsg(2048, 100)
    except TimeoutError:
        return False
    seen.append((len(data), data[0], told[0][2][0]))
    return True
for start in range(0, len(sizes), 50):
    for size in sizes[start : start + 50]:
        sock.send(bytes(size))
    while len(seen) < start + 25 and take(0.3):
        pass
while take(0.3):
    pass
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """Echo datagrams, the first byte telling of their ECN bits, from a sender that knows ECN; return the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 2)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        port = int(sock.getsockname()[1])
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                data, told, _, address = sock.recvmsg(2_048, 100)
                sock.sendto(told[0][2][:1] + data[1:], address)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port
        ended.set()
        sock.sendto(b"", ("127.0.0.1", port))
        thread.join(5)


def echoes(person: Person, options: str, count: int, port: int, window: int = 64) -> Echoes:
    words = person.script(CLIENT, str(count), str(window), str(port))
    result = person.run(f"-4 --host-loopback {options}", *words, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    far, seen, times = json.loads(result.stdout)
    return Echoes(ipaddress.ip_address(far).packed, port, seen, times)


def probe(person: Person, options: str, port: int, sizes: list[int]) -> list[tuple[int, int, int]]:
    """What came back of datagrams of these sizes: (size, ECN bits as the server saw them, as the command did)."""
    result = person.run(f"-4 --host-loopback {options}", *person.script(PROBE, str(port), *map(str, sizes)), timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    return [tuple(each) for each in json.loads(result.stdout)]


WAYS = pytest.mark.parametrize("way", ["up", "down"])


# --- Loss


@pytest.mark.parametrize("way", ["up", pytest.param("down", marks=pytest.mark.slow)])
def test_5_percent_of_20_000_datagrams_are_lost(nobody: Person, server: int, way: str) -> None:
    """Within half a percent; and just those that were to be lost."""
    found = echoes(nobody, f"--{way}-loss 5% --seed 1", 20_000, server)
    missing = found.missing(20_000)
    assert abs(len(missing) / 20_000 - 0.05) < 0.005
    assert missing == found.foretold(Plan(loss=RandomLoss(0.05)), 20_000, 1, up=way == "up")


def test_the_same_seed_loses_the_same(person: Person, server: int) -> None:
    runs = [echoes(person, f"--loss 10% --seed {seed}", 1_000, server).missing(1_000) for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]
    assert 100 < len(runs[0]) < 280  # 19 % of both ways


def test_bursts_on_the_way_back(nobody: Person, server: int) -> None:
    found = echoes(nobody, "--down-loss burst:10%,5 --seed 3", 4_000, server)
    missing = found.missing(4_000)
    assert missing == found.foretold(Plan(loss=BurstLoss.of(0.1, 5)), 4_000, 3, up=False)
    assert 3.5 < len(missing) / sum(each - 1 not in set(missing) for each in missing) < 6.5


def test_the_nth_of_a_flow(nobody: Person, server: int) -> None:
    found = echoes(nobody, f"--up-loss nth:3,7@udp:{server} --down-loss nth:20@tcp", 30, server)
    assert found.missing(30) == [2, 6]


# --- What else a wire does


@WAYS
def test_duplicates(nobody: Person, server: int, way: str) -> None:
    found = echoes(nobody, f"--{way}-duplicate 10% --seed 1", 2_000, server)
    assert found.missing(2_000) == []
    assert 140 < len(found.numbers) - 2_000 < 260  # 4.5 standard deviations: fates hang on the port, which is any


@WAYS
def test_corrupt_datagrams_reach_nobody(nobody: Person, server: int, way: str) -> None:
    """Every flipped bit is found by a checksum, ours on the way up, the kernel's on the way down."""
    found = echoes(nobody, f"--{way}-corrupt 10% --seed 1", 2_000, server)
    assert 140 < len(found.missing(2_000)) < 260
    assert len(found.numbers) == len(set(found.numbers))


@WAYS
def test_reordering(nobody: Person, server: int, way: str) -> None:
    found = echoes(nobody, f"--{way}-reorder 5%,5ms --seed 1", 2_000, server)
    late, highest = 0, -1
    for each in found.numbers:
        late += each < highest
        highest = max(highest, each)
    assert found.missing(2_000) == []
    assert 0.028 < late / 2_000 < 0.072


@WAYS
def test_jitter(nobody: Person, server: int, way: str) -> None:
    """Uniform over 20 ms, one at a time."""
    found = echoes(nobody, f"--{way}-jitter 20ms --seed 1", 100, server, window=1)
    for _ in range(4):
        if sorted(found.times)[50] >= 0.016:  # a machine with much to do adds to it: once more
            found = echoes(nobody, f"--{way}-jitter 20ms --seed 1", 100, server, window=1)
    assert found.numbers == list(range(100))
    assert min(found.times) < 0.004
    assert sorted(found.times)[-5] > 0.016
    assert 0.007 < sorted(found.times)[50] < 0.016


@WAYS
def test_marks_are_for_those_who_know_ecn(nobody: Person, server: int, way: str) -> None:
    """A quarter arrives with Congestion Experienced (3) instead of ECT(0), and nothing is lost of it."""
    found = probe(nobody, f"--{way}-mark 25% --seed 1", server, [100] * 2_000)
    there, here = ([each[index] for each in found] for index in (1, 2))
    marked, other = (there, here) if way == "up" else (here, there)
    assert (len(found), set(other)) == (2_000, {2})
    assert set(marked) == {2, 3}
    assert 0.21 < marked.count(3) / 2_000 < 0.29


@WAYS
def test_what_is_longer_than_the_path_takes_vanishes(nobody: Person, server: int, way: str) -> None:
    found = probe(nobody, f"--{way}-path-mtu 1300", server, [1_272, 1_273, 1_472, 1])
    assert [size for size, _, _ in found] == [1_272, 1]


@WAYS
def test_a_queue_holds_so_many(nobody: Person, server: int, way: str) -> None:
    """A burst of 50 packets of 128 bytes, each taking 10 ms: one leaves, ten wait, few more while the burst goes on."""
    found = probe(nobody, f"--{way}-rate 100kbit --{way}-queue 10packets", server, [100] * 50)
    assert 11 <= len(found) <= 16


def test_delay_is_that_of_one_way(nobody: Person) -> None:
    for options, least in (("--delay 50ms", 100), ("--up-delay 50ms", 50), ("--delay 5ms --down-delay 25ms", 30)):
        result = nobody.run(options, needs.program("ping"), "-c", "10", "-i", "0.05", "gateway.hythe.internal")
        times = [float(each) for each in re.findall(r"time=([\d.]+)", result.stdout)]
        assert len(times) == 10, result.stdout + result.stderr
        assert least - 0.5 < statistics.median(times)  # one that had to wait for us may have been stamped early
        assert min(times) < least + 10


# --- Rate


def iperf(person: Person, options: str, *words: str) -> float:
    """Mbit/s that arrive, what the first second does left out."""
    program, port = needs.program("iperf3"), str(closed_port())
    with subprocess.Popen([program, "-s", "-p", port, "-1", "--forceflush"], stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        while "listening" not in serving.stdout.readline():
            assert serving.poll() is None
        try:
            client = (program, "-J", "-c", "host.hythe.internal", "-p", port, "-O", "1", *words)
            result = person.run(f"-4 --host-loopback {options}", *client, timeout=60)
            found = json.loads(result.stdout)
            assert "error" not in found, found["error"]
        finally:
            serving.kill()
    end = found["end"]
    if "-u" not in words:
        return float(end["sum_received"]["bits_per_second"]) / 1e6
    summary = end.get("sum_received", end["sum"])
    if "bits_per_second" in summary and not summary.get("sender", False):
        return float(summary["bits_per_second"]) / 1e6
    return float(end["sum"]["bits_per_second"]) / 1e6 * (1 - end["sum"]["lost_percent"] / 100)


UDP = ("-u", "-b", "15M")


@pytest.mark.alone
@pytest.mark.parametrize("words", [("-R",), UDP], ids=["tcp down", "udp up"])
def test_10_mbit(nobody: Person, words: tuple[str, ...]) -> None:
    assert 9.5 < iperf(nobody, "--rate 10mbit", "-t", "2", *words) < 10.5


@pytest.mark.slow
@pytest.mark.parametrize("way", [(), ("-R",)], ids=["up", "down"])
@pytest.mark.parametrize("protocol", [(), UDP], ids=["tcp", "udp"])
@pytest.mark.parametrize("options", ["", "--delay 20ms", "--queue 64KiB", "--queue 50packets", "-q --jitter 2ms"])
def test_10_mbit_for_longer(nobody: Person, options: str, protocol: tuple[str, ...], way: tuple[str, ...]) -> None:
    """With headers: a queue that TCP keeps overflowing costs it a few percent of its own."""
    assert 9.5 < iperf(nobody, f"--rate 10mbit {options}", "-t", "8", *protocol, *way) * 1_500 / 1_448 < 10.5


def test_each_direction_has_its_rate(nobody: Person, server: int) -> None:
    """92 bytes at 100 kbit/s take 7.4 ms, one at a time."""
    for options in ("--up-rate 100kbit", "--down-rate 100kbit"):
        found = echoes(nobody, options, 20, server, window=1)
        for _ in range(4):
            if min(found.times) >= 0.0110:  # as above
                found = echoes(nobody, options, 20, server, window=1)
        assert 0.0073 < min(found.times) < 0.0110


# --- Programs, and what else changes with faults


def test_files_arrive_through_loss_whole(nobody: Person) -> None:
    needs.program("curl")
    content = Content(random.Random(20_260_102))
    size = 4 * MIB
    with file_server(content) as port:
        url = f"http://host.hythe.internal:{port}/{size}"
        script = f"curl -sS --fail -o file {url} && sha256sum file && curl -sS --fail -T file {url}; rm file"
        faults = "--loss 1% --duplicate 1% --reorder 1% --corrupt 1% --seed 1"
        result = nobody.run(f"--host-loopback {faults}", "sh", "-c", f"cd $(mktemp -d) && {script}", timeout=60)
    digest = content.sha256(size)
    assert (result.stdout, result.stderr) == (f"{digest}  file\n{size} {digest}\n", "")


def test_the_commands_network_is_an_ordinary_one(nobody: Person) -> None:
    """MTU 1500 unless asked for, and the machine's own congestion control: this link can be congested."""
    needs.program("ip")
    setting = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    for options, mtu, control in (
        ("", "65520", "reno"),
        ("--delay 1ms", "1500", setting.read_text().strip()),
        ("--delay 1ms --mtu 9000", "9000", setting.read_text().strip()),
    ):
        result = nobody.run(options, "sh", "-c", f"ip -o link show dev hythe0; cat {setting}")
        assert f" mtu {mtu} " in result.stdout, result.stderr
        assert result.stdout.splitlines()[-1] == control


def test_what_is_on_its_way_at_the_end_still_arrives(nobody: Person) -> None:
    program = "import socket; socket.socket(2, 2).sendto(b'last', (socket.gethostbyname('host.hythe.internal'), %d))"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        port = sock.getsockname()[1]
        nobody.run("-4 --host-loopback --up-delay 300ms", *nobody.script(program % port))
        assert sock.recv(100) == b"last"


def test_a_capture_sees_what_the_command_does(nobody: Person, server: int) -> None:
    """What it sends before the faults, what it receives behind them."""
    folder = needs.public_folder()
    folder.chmod(0o777)
    file = folder / "capture.pcapng"
    faults = f"--up-loss nth:1,2@udp:{server} --down-loss nth:1@udp:{server}"
    found = echoes(nobody, f"{faults} --capture {file}", 30, server)
    assert found.missing(30) == [0, 1, 2]
    packets = [each.data for each in pcapng.read(file.read_bytes())]
    shutil.rmtree(folder)
    port = server.to_bytes(2, "big")
    assert sum(each[9] == udp.PROTOCOL and each[22:24] == port for each in packets) == 30
    assert sum(each[9] == udp.PROTOCOL and each[20:22] == port for each in packets) == 27


def test_a_picked_seed_is_told(nobody: Person) -> None:
    result = nobody.run("--loss 1%", "true")
    assert re.fullmatch(r"hythe: the faults of this run are those of --seed \d+\n", result.stderr)
    assert nobody.run("-q --loss 1%", "true").stderr == ""


def test_wrong_words_run_nothing(nobody: Person) -> None:
    result = nobody.run("--up-loss 5", "echo", "ran")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "hythe: --up-loss: '5' is not a share: write for example 5% or 0.1%\n"
