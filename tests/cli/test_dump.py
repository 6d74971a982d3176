"""`hythe dump`: its options, its sentences, files that it writes, a capture of this machine."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.compat import raw
from scapy.layers.inet import IP, TCP, UDP

from bench.reading import make
from hythe.view.captures import read_capture
from tests import needs
from tests.view import packets

FRAMES = packets.tcp_conversation() + packets.udp()[:6] + packets.arp()[:3]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return packets.write_pcap(tmp_path / "a.pcap", FRAMES)


@contextlib.contextmanager
def start(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run it, and leave nothing running."""
    command = [sys.executable, "-W", "error", "-m", "hythe", "dump", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def dump(*words: str) -> tuple[int, list[str], str]:
    """Return status, lines of output, and what was said beside."""
    with start(*words) as process:
        out, said = process.communicate(timeout=30)
    return process.returncode, out.splitlines(), said


def tcpdump(*words: str) -> list[str]:
    command = [needs.program("tcpdump"), *words]
    return subprocess.run(command, capture_output=True, timeout=30, check=True, text=True).stdout.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        "-n",
        "-nn -v tcp",
        "-n -c 2 udp or arp",
        "-n -e -X arp",
        "-ntttt -q",
        "-n -vv -S port 8081 and tcp[13] & 2 != 0",
        "-n -# -x",
    ],
)
def test_a_file_is_shown_as_tcpdump_shows_it(capture: Path, words: str) -> None:
    options = [*words.split()]
    place = next(
        (number for number, word in enumerate(options) if not word.startswith("-") and not word.isdigit()), len(options)
    )
    options[place:place] = ["-r", str(capture)]
    status, lines, said = dump(*options)
    assert status == 0
    assert lines == tcpdump(*options)
    assert said == f"reading from file {capture}, link-type EN10MB (Ethernet), snapshot length 262144\n"


def test_names_instead_of_numbers(tmp_path: Path) -> None:
    local = IP(src="127.0.0.1", dst="127.0.0.1")
    frames = [
        raw(packets.ETHER / local / TCP(sport=40_000, dport=22, flags="S")),
        raw(packets.ETHER / local / UDP(sport=40_000, dport=514)),
        raw(packets.ETHER / IP(src="127.0.0.1", dst="127.0.0.1", proto=89)),
    ]
    _, lines, _ = dump("-t", "-r", str(packets.write_pcap(tmp_path / "a.pcap", frames)))
    assert lines == [
        "IP localhost.40000 > localhost.ssh: Flags [S], seq 0, win 8192, length 0",
        "IP localhost.40000 > localhost.syslog: UDP, length 0",
        "IP localhost > localhost:  ospf 0",
    ]


def test_what_is_written_can_be_read(capture: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.pcapng"
    # -s is for capturing: of a file, tcpdump takes packets as they are.
    assert dump("-r", str(capture), "-s", "60", "-w", str(target), "tcp")[0] == 0
    assert [packet.data for packet in read_capture(str(target))] == packets.tcp_conversation()
    assert tcpdump("-nr", str(target)) == dump("-nr", str(target))[1]
    piped = subprocess.run(
        f"{sys.executable} -m hythe dump -r {capture} -w - udp | {sys.executable} -m hythe dump --count -r -",
        shell=True,
        capture_output=True,
        timeout=30,
        check=True,
        text=True,
    )
    assert piped.stdout == "6 packets\n"


def test_files_follow_each_other_by_size_and_by_time(capture: Path, tmp_path: Path) -> None:
    big = packets.write_pcap(tmp_path / "big.pcap", [bytes(60_000)] * 70)
    assert dump("-r", str(big), "-w", str(tmp_path / "plain"), "-C", "1")[0] == 0
    counts = [sum(1 for _ in read_capture(str(tmp_path / f"plain{number}"))) for number in ("", 1, 2, 3, 4)]
    assert counts == [17, 17, 17, 17, 2]
    assert dump("-r", str(big), "-w", str(tmp_path / "ring"), "-C", "1", "-W", "3")[0] == 0
    assert sorted(path.name for path in tmp_path.glob("ring*")) == ["ring0", "ring1", "ring2"]
    assert [sum(1 for _ in read_capture(str(tmp_path / f"ring{number}"))) for number in range(3)] == [17, 2, 17]
    assert dump("-r", str(capture), "-w", str(tmp_path / "time-%s"), "-G", "10")[0] == 0
    assert [sum(1 for _ in read_capture(str(path))) for path in sorted(tmp_path.glob("time-*"))] == [10, 10, 4]
    assert dump("-r", str(capture), "-w", str(tmp_path / "two-%s"), "-G", "10", "-W", "2")[0] == 0
    assert [sum(1 for _ in read_capture(str(path))) for path in sorted(tmp_path.glob("two-*"))] == [10, 10]


def test_files_one_after_the_other(capture: Path, tmp_path: Path) -> None:
    """A list of captures; options may stand behind the expression; what is written is printed, too."""
    (tmp_path / "list").write_text(f"{capture}\n{packets.write_pcap(tmp_path / 'b.pcap', packets.arp()[:2])}\n")
    _, lines, said = dump("-n", "-V", str(tmp_path / "list"), "tcp or arp", "-c", "1", "-e")
    # As root tcpdump becomes another user before it opens them.
    assert lines == tcpdump("-Z", "root", "-n", "-V", str(tmp_path / "list"), "tcp or arp", "-c", "1", "-e")
    assert [line.split(",")[0] for line in said.splitlines()] == [
        f"reading from file {tmp_path / name}" for name in ("a.pcap", "b.pcap")
    ]
    _, lines, _ = dump("-nr", str(capture), "-w", str(tmp_path / "out"), "--print", "-U", "arp")
    assert lines == tcpdump("-nr", str(capture), "arp") == dump("-nr", str(tmp_path / "out"))[1]
    big = packets.write_pcap(tmp_path / "big.pcap", [bytes(60_000)] * 40)
    told = dump("-r", str(big), "-w", str(tmp_path / "big"), "-C", "1", "-z", "echo")[1]
    assert sorted(told) == [str(tmp_path / name) for name in ("big", "big1")]  # two processes, side by side


def records(path: Path, each: list[tuple[int, int, int]], magic: int = 0xA1B2C3D4, snaplen: int = 262_144) -> Path:
    """Write a capture of ARP packets: microseconds, bytes kept, bytes there were."""
    frame, beside = packets.arp()[0], bytes(8 if magic == 0xA1B2CD34 else 0)
    body = (struct.pack("<IIII", 1, micros, kept, length) + beside + frame[:kept] for micros, kept, length in each)
    path.write_bytes(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, 1) + b"".join(body))
    return path


def test_odd_captures_are_read_as_libpcap_reads_them(tmp_path: Path) -> None:
    """Lengths that cannot be, a record above the file's own limit, records with more in their headers, no packet at all."""
    size = len(packets.arp()[0])
    lengths = [(0, size, 20), (0, 0, 10), (0, 0, 0), (0, size, 0), (0, size, 262_145), (0, 0, 300_000), (0, size, size)]
    for each, magic, snaplen in (
        (lengths, 0xA1B2C3D4, 262_144),
        ([(0, size, size)] * 2, 0xA1B2C3D4, 30),
        ([(5, size, size)] * 2, 0xA1B2CD34, 262_144),
        ([], 0xA1B2C3D4, 0),
    ):
        path = records(tmp_path / "a.pcap", each, magic, snaplen)
        status, lines, said = dump("-n", "-#", "-x", "-r", str(path))
        assert (status, lines) == (0, tcpdump("-n", "-#", "-x", "-r", str(path)))
        assert said.startswith(
            f"reading from file {path}, link-type EN10MB (Ethernet), snapshot length {snaplen or 262_144}\n"
        )
    path = records(tmp_path / "a.pcap", [(1_000_000, size, size), (7, size, size)])
    _, lines, said = dump("-n", "-tt", "-r", str(path))
    assert [line.split()[0] for line in lines] == ["2.000000", "1.000007"]
    assert said.endswith("the times of 1 packet have a second or more behind the point: it was added to the seconds\n")


def test_what_is_typed_by_habit_is_taken(capture: Path) -> None:
    habits = "-O -U -N -H --immediate-mode --number --time-stamp-precision=nano --snapshot-length=65535 -K -B 4096 -Q inout"
    assert dump("-n", *habits.split(), "-r", str(capture))[1] == tcpdump("-n", *habits.split(), "-r", str(capture))
    assert dump("--version")[1][0].startswith("hythe, version ")
    listed = [line.split(".", 1)[1] for line in dump("-D")[1]]
    assert "any (all of them) [Up, Running]" in listed
    assert any(line.startswith("lo [") and "Loopback" in line for line in listed)


def test_an_expression_from_a_file(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "expression").write_text("udp\n  or arp\n")
    assert dump("-r", str(capture), "--count", "-F", str(tmp_path / "expression"))[1] == ["9 packets"]


def test_the_program_for_the_kernel(capture: Path) -> None:
    assert dump("-d", "ip")[1] == ["40 0 0 12", "21 0 1 2048", "6 0 0 262144", "6 0 0 0"]
    assert dump("-dd", "-r", str(capture), "ip")[1][0] == "{ 0x28, 0, 0, 0x0000000c },"


def test_what_breaks_off_is_shown_so_far(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(capture.read_bytes()[:-3])
    status, lines, said = dump("-n", "-r", str(tmp_path / "cut"))
    assert status == 1
    assert lines == tcpdump("-n", "-r", str(capture))[:-1]
    assert "breaks off after 23 packets: pcap record at byte" in said


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ([], 2, "hythe: say what to show, one thing: -r FILE for a capture"),
        (["-r", "FILE", "-i", "lo"], 2, "hythe: say what to show, one thing"),
        (["-r", "FILE", "tcp", "and", "prot", "80"], 2, "hythe: what is 'prot'?"),
        (["-r", "FILE", "ip[0", "=", "1"], 2, "  ip[0 = 1\n    ^\n"),
        (["-r", "nowhere"], 1, "hythe: nowhere cannot be read: No such file or directory"),
        (["-r", "FILE", "-w", "/nowhere/file"], 1, "hythe: /nowhere/file cannot be written: No such file or directory"),
        (["-i", "nothing0"], 2, "hythe: there is no interface 'nothing0': this machine has lo"),
        (["-r", "FILE", "-w", "FILE"], 2, "is the capture that is read: write to another file"),
        (["-i", "lo", "-B", "99999999999"], 2, "hythe: Invalid value for '-B'"),
        (["-r", "FILE", "-F", "nowhere"], 2, "hythe: -F nowhere cannot be read: No such file or directory"),
        (["-r", "FILE", "-F", "FILE"], 2, "cannot be read: it is no text"),
        (["-r", "FILE", "-F", "nowhere", "tcp"], 2, "write it in one place"),
        (["-r", "FILE", "-E", "x"], 2, "hythe: -E: packets are not decrypted: Wireshark and tshark"),
        (["-r", "FILE", "-I"], 2, "hythe: -I: Wi-Fi in monitor mode is not captured"),
        (["-r", "FILE", "-y", "EN10MB"], 2, "hythe: -y: an interface is captured as the link type that it has"),
        (["-r", "FILE", "--print", "-w", "-"], 2, "hythe: --print and -w - both want standard output"),
        (["-V", "nowhere"], 2, "hythe: -V nowhere cannot be read: No such file or directory"),
        (["-r", "FILE", "-c", "0"], 2, "hythe: Invalid value for '-c'"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(capture: Path, words: list[str], status: int, sentence: str) -> None:
    got, lines, said = dump(*(str(capture) if word == "FILE" else word for word in words))
    assert (got, lines) == (status, [])
    assert sentence in said
    assert "Traceback" not in said


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    path = packets.write_pcap(tmp_path / "a.pcap", FRAMES * 400)
    command = f"{sys.executable} -W error -m hythe dump -n -r {path} | head -1"
    ran = subprocess.run(command, shell=True, capture_output=True, timeout=30, check=True, text=True)
    assert len(ran.stdout.splitlines()) == 1
    assert "reading from" in ran.stderr
    assert "Error" not in ran.stderr


def test_without_rights_it_says_what_to_do(public_python: Path) -> None:
    command = [*needs.nobody(), str(public_python), "-m", "hythe", "dump", "-i", "lo"]
    ran = subprocess.run(command, capture_output=True, timeout=30, check=False, text=True, cwd="/")
    assert ran.returncode == 1
    assert ran.stderr.startswith("hythe: capturing on lo takes root or CAP_NET_RAW")


@pytest.fixture
def quiet_network() -> Iterator[None]:
    """Put this thread, and what it starts, into a network where nobody else sends: what others do cannot fill our buffer."""
    needs.root()
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", encoding="ascii") as before:
        assert needs.libc_unshare(needs.CLONE_NEWNET) == 0
        try:
            subprocess.run([needs.program("ip"), "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(before.fileno(), needs.CLONE_NEWNET) == 0


@pytest.mark.usefixtures("quiet_network")
@pytest.mark.parametrize("interface", ["lo", "any"])
@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "userland"])
def test_this_machines_packets(interface: str, kernel: bool) -> None:
    """Three of six datagrams; ^C ends it, with the counts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        expression = f"udp and dst port {port}" + ("" if kernel else " and less 200")
        with start("-n", "-t", "-i", interface, expression) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert f"listening on {interface}" in process.stderr.readline()
            for text in (b"a", b"bb", b"ccc"):
                other.sendto(text, one.getsockname())
                one.sendto(text, other.getsockname())
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=10)
        sender = other.getsockname()[1]
    before = "" if interface == "lo" else "lo    In  "
    assert lines == [f"{before}IP 127.0.0.1.{sender} > 127.0.0.1.{port}: UDP, length {size}\n" for size in (1, 2, 3)]
    assert process.returncode == 0
    captured, received, dropped, _ = said.split("\n")
    assert captured == "3 packets captured"
    # Each is sent and comes in; of `any` the kernel knows no length, so that the answers get as far as our own filter.
    assert received == f"{6 if kernel or interface == 'lo' else 12} packets received by filter"
    assert dropped == "0 packets dropped by kernel"


@pytest.mark.usefixtures("quiet_network")
def test_a_capture_to_a_file_ends_by_count_or_by_a_signal(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.bind(("::1", 0))
        expression = f"udp port {one.getsockname()[1]}"
        with start("-i", "lo", "-c", "2", "-w", str(tmp_path / "a"), expression) as process:
            assert process.stderr is not None
            process.stderr.readline()
            for text in (b"a", b"bb", b"ccc"):
                one.sendto(text, one.getsockname())
            assert process.wait(timeout=10) == 0
        for number in (signal.SIGTERM, signal.SIGHUP):
            with start("-i", "lo", "-w", str(tmp_path / "b"), expression) as process:
                assert process.stderr is not None
                assert process.stderr.readline().endswith("snapshot length 262144 bytes\n")
                process.send_signal(number)
                assert process.wait(timeout=10) == 0
                assert process.stderr.readline() == "0 packets captured\n"
        # What goes out of loopback comes in again, and is told as that.
        with start("-i", "lo", "-Q", "in", "-s", "50", "-c", "1", "-w", str(tmp_path / "c"), expression) as process:
            assert process.stderr is not None
            process.stderr.readline()
            one.sendto(b"dddd", one.getsockname())
            assert process.wait(timeout=10) == 0
        assert [(len(packet.data), packet.length) for packet in read_capture(str(tmp_path / "c"))] == [(50, 66)]
    found = list(read_capture(str(tmp_path / "a")))
    assert [packet.data[-(packet.length - 62) :] for packet in found] == [b"a", b"bb"]
    assert [packet.interface.name for packet in found] == ["lo", "lo"]
    assert found[0].timestamp < found[1].timestamp
    assert list(read_capture(str(tmp_path / "b"))) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_gigabyte_takes_no_more_memory_than_a_megabyte(tmp_path: Path) -> None:
    path, expression = tmp_path / "big.pcap", "tcp port 8081 and host 10.0.0.7"
    make(path, 1_450_000)
    assert path.stat().st_size > 1 << 30
    # Its own account, by an interpreter between: a child's begins with the size of whoever forked it.
    measure = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True)"
    measure += "; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    command = [sys.executable, "-c", measure, sys.executable, "-m", "hythe", "dump", "-n", "-r", str(path), expression]
    with (tmp_path / "out").open("wb") as out:
        ran = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=500, check=True, text=True)
    assert int(ran.stderr.splitlines()[-1]) < 100 << 10  # KiB
    assert (tmp_path / "out").read_text().splitlines() == tcpdump("-n", "-r", str(path), expression)
