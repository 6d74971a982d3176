"""The capture link: what it writes is what would be on a wire, and what passes is untouched."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

from hythe.link.capture import Capture
from hythe.link.pair import PairEnd, pair
from hythe.wire import pcapng
from hythe.wire.packet import PARTIAL
from hythe.wire.segment import ACK, Envelope4
from tests import needs

EPOCH = 1_700_000_000_000_000_000
PAYLOAD = bytes(range(256)) * 16


def captured() -> tuple[Capture, PairEnd, io.BytesIO]:
    near, far = pair(1500)
    file = io.BytesIO()
    return Capture(near, file, "hythe0", EPOCH), far, file


def super_segment() -> bytes:
    return Envelope4(bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), 1234, 80).head(1, 1, ACK, 500, len(PAYLOAD), 1460)


def test_a_super_segment_passes_whole_and_is_written_in_pieces() -> None:
    link, far, file = captured()
    link.send(5, super_segment(), (memoryview(PAYLOAD),))
    (packet,) = far.receive(5, 8)
    assert packet.gso_size == 1460
    assert packet.checksum == PARTIAL
    assert packet.keep().endswith(PAYLOAD)
    written = list(pcapng.read(file.getvalue()))
    assert [len(each.data) for each in written] == [1500, 1500, 1216]
    assert {each.timestamp for each in written} == {EPOCH + 5}
    assert b"".join(each.data[40:] for each in written) == PAYLOAD


def test_both_directions_are_written_from_the_far_sides_point_of_view() -> None:
    link, far, file = captured()
    far.send(1, super_segment(), (memoryview(PAYLOAD),))
    assert len(link.receive(7, 8)) == 1
    assert link.packets == 3
    assert len(list(pcapng.read(file.getvalue()))) == 3


def test_tshark_finds_every_checksum_right(tmp_path: Path) -> None:
    tshark = needs.program("tshark")
    link, _, file = captured()
    link.send(5, super_segment(), (memoryview(PAYLOAD),))
    path = tmp_path / "capture.pcapng"
    path.write_bytes(file.getvalue())
    options = "-o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -e tcp.checksum.status -e ip.checksum.status"
    words = [tshark, "-r", str(path), *options.split()]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["1", "1"] * 3  # 1: good


class FullDisk(io.BytesIO):
    full = False

    def write(self, data: object, /) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(data)  # type: ignore[arg-type]


def test_a_full_disk_ends_the_capture_and_not_the_traffic() -> None:
    near, far = pair(1500)
    file = FullDisk()
    link = Capture(near, file, "hythe0", EPOCH)
    file.full = True
    for _ in range(2):
        link.send(5, super_segment(), (memoryview(PAYLOAD),))
    assert len(far.receive(5, 8)) == 2
    assert link.failure is not None
    assert link.failure.errno == 28


def test_garbage_is_written_as_it_is() -> None:
    link, far, file = captured()
    far.peer.deliver((b"\x45garbage",), 0, PARTIAL)
    link.receive(1, 8)
    assert [each.data for each in pcapng.read(file.getvalue())] == [b"\x45garbage"]
