"""`hythe.view.captures`: files as people have them: compressed, in one of two formats, broken, empty, no captures at all."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
from pathlib import Path

import pytest

from hythe.errors import MachineError
from hythe.view.captures import read_capture
from hythe.view.recorder import Recorder, Rotation
from hythe.wire.pcapng import CapturedPacket, Interface, Writer
from tests.view.packets import tcp_conversation, udp, write_pcap

FRAMES = tcp_conversation()


def pcapng() -> bytes:
    file = io.BytesIO()
    writer = Writer(file)
    writer.add_interface("eth0", 1)
    for number, frame in enumerate(FRAMES):
        writer.packet(0, number, frame)
    return file.getvalue()


def frames(path: Path) -> list[bytes]:
    return [packet.data for packet in read_capture(str(path))]


def broken(path: Path) -> tuple[list[CapturedPacket], str]:
    """Return what could be read, and the sentence that follows."""
    found: list[CapturedPacket] = []
    with pytest.raises(MachineError) as caught:
        found.extend(read_capture(str(path)))
    return found, str(caught.value)


def test_formats_and_compression(tmp_path: Path) -> None:
    plain = write_pcap(tmp_path / "a.pcap", FRAMES)
    assert frames(plain) == FRAMES
    (tmp_path / "b").write_bytes(pcapng())
    assert frames(tmp_path / "b") == FRAMES
    packed = gzip.compress(plain.read_bytes()[:500]) + gzip.compress(plain.read_bytes()[500:]) + bytes(16)
    (tmp_path / "c.gz").write_bytes(packed)
    assert frames(tmp_path / "c.gz") == FRAMES


def test_a_pipe_is_read_as_it_fills(tmp_path: Path) -> None:
    data = write_pcap(tmp_path / "a.pcap", FRAMES).read_bytes()
    out, into = os.pipe()
    source = read_capture(f"/dev/fd/{out}")
    os.write(into, data[: 24 + 16 + len(FRAMES[0])])
    assert next(source).data == FRAMES[0]
    os.write(into, data[24 + 16 + len(FRAMES[0]) :])
    os.close(into)
    assert [packet.data for packet in source] == FRAMES[1:]
    os.close(out)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "big.pcap", [bytes(60_000)] * 800)
    (tmp_path / "big.pcap.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    tracemalloc.start()
    count = sum(1 for _ in read_capture(str(tmp_path / "big.pcap.gz")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 800
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("damage", "count", "sentence"),
    [
        (lambda data: data[:-3], 14, "breaks off after 14 packets: pcap record at byte"),
        (lambda data: data[: 24 + 7], 0, "pcap record at byte 24 is cut off within its header"),
        (lambda data: data[:9], 0, "pcap header is cut off: it has 24 bytes, 9 are there"),
        (lambda data: data[:24] + b"\xff" * 40, 0, "record at byte 24 claims 4294967295 bytes"),
        (lambda _: b"", 0, "the file is empty"),
        (lambda _: b"#!/bin/sh\n", 0, "no capture file: it begins with 23212f62"),
        (lambda data: gzip.compress(data)[:-30], None, "compressed data are cut off"),
        (lambda data: gzip.compress(data)[:40] + b"\xff" * 90, 0, "Error -3 while decompressing"),
        (lambda _: pcapng()[:-3], 14, "breaks off after 14 packets: pcapng block at byte"),
        (lambda _: pcapng()[:9], 0, "pcapng block at byte 0 is cut off"),
    ],
)
def test_what_is_broken_is_read_as_far_as_it_goes(tmp_path: Path, damage, count: int | None, sentence: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "broken"
    path.write_bytes(damage(write_pcap(tmp_path / "a.pcap", FRAMES).read_bytes()))
    found, said = broken(path)
    assert sentence in said
    assert str(path) in said
    assert count is None or [packet.data for packet in found] == FRAMES[:count]


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    assert "No such file" in broken(tmp_path / "nowhere")[1]
    assert "Is a directory" in broken(tmp_path)[1]


def test_names_and_secrets_are_in_every_file_that_is_written(tmp_path: Path) -> None:
    """What lies between packets goes where it lay, and to the beginning of each file of a row."""
    blocks = [(4, b"names   "), (10, b"secrets ")]
    recorder = Recorder(str(tmp_path / "a"), Rotation(size=100))
    recorder.beside([blocks[0]])
    for number, each in enumerate(udp()[:3]):
        recorder.write(CapturedPacket(Interface("one", 1, 0, 10**9), number, bytes(each), len(bytes(each)), comment="said"))
        recorder.beside([blocks[1]] if number == 0 else [])
    recorder.close()
    for name, expected in (("a", blocks), ("a1", blocks), ("a2", blocks)):
        others: list[tuple[int, bytes]] = []
        (packet,) = read_capture(str(tmp_path / name), others)
        assert packet.comment == "said"
        assert others == expected, name
