"""The sequence data of a plot agree with what tcptrace draws of the same capture."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hythe.units import SECOND
from hythe.view.analysis.conversation import Conversations
from hythe.view.analysis.findings import Cause
from hythe.view.analysis.series import Series
from hythe.wire import pcap
from tests import needs
from tests.view.analysis.situations import SITUATIONS
from tests.view.analysis.stage import BEGIN, Program, packets

#: Situations whose captures have what a plot can show: windows that close, SACK, retransmissions of each kind.
DRAWN = (Cause.SLOW_READER, Cause.LOSS, Cause.TAIL_LOSS, Cause.NAGLE, Cause.BLACK_HOLE, Cause.BUFFERBLOAT)

#: Red is what was sent again. Blue is what tcptrace takes for a duplicate of the network, since hythe's packets all have the
#: IP identification 0 (RFC 6864, 4.1), which it does not know to mean nothing.
COLOURS = frozenset({"white", "orange", "red", "blue", "green", "yellow", "purple"})


def written(file: bytes, path: Path) -> list[tuple[int, bytes]]:
    """The same packets as pcap with microseconds, which is what tcptrace reads; and as they are."""
    found = list(packets(file))
    head = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(8) + (262_144).to_bytes(4, "little") + (101).to_bytes(4, "little")
    with path.open("wb") as out:
        out.write(head)
        for each in found:
            seconds, rest = divmod(each.timestamp, 1_000_000_000)
            sizes = (seconds, rest // 1_000, len(each.data), each.length)
            out.write(b"".join(size.to_bytes(4, "little") for size in sizes) + each.data)
    return [(each.timestamp, each.data) for each in found]


def lines(plot: str) -> Iterator[tuple[str, str, int, int, int, int]]:
    """(colour, command, x, y, x, y) of an xplot file, times in microseconds."""
    colour = ""
    for line in plot.splitlines():
        words = line.split()
        if len(words) == 1 and words[0] in COLOURS:
            colour = words[0]
        elif words and words[0] == "line":
            first, low, last, high = words[1:5]
            yield colour, "line", micro(first), int(low), micro(last), int(high)
        elif words and words[0] in ("dtick", "utick"):
            yield colour, words[0], micro(words[1]), int(words[2]), 0, 0


def micro(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0")[:6])


def drawn(file: bytes, tmp_path: Path) -> tuple[Series, str]:
    """Our points, and tcptrace's picture of the way there."""
    written(file, tmp_path / "a.pcap")
    subprocess.run(
        [needs.program("tcptrace"), "-S", "-zxy", "a.pcap"], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )
    series = Conversations({0}).read(packets(file)).all[0].ways[0].series
    assert series is not None
    return series, (tmp_path / "a2b_tsg.xpl").read_text()


@pytest.mark.parametrize("cause", DRAWN, ids=lambda each: each.name.lower())
def test_sequence_data_agree(cause: Cause, tmp_path: Path) -> None:
    play = next(each.play for each in SITUATIONS if each.cause is cause)
    if cause is Cause.TAIL_LOSS:  # without a FIN in its tail: one that comes again is text to tcptrace
        play = replace(play, client=lambda: Program([(0, 12_000)], ends=False), length=5 * SECOND)
    series, plot = drawn(play.run(1)[0], tmp_path)
    theirs = list(lines(plot))

    def bars(*colours: str) -> list[tuple[int, int, int]]:
        return sorted(
            (x, y, high) for colour, what, x, y, _, high in theirs if what == "line" and colour in colours and y < high
        )

    def ours(stretches: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int]]:
        return sorted(((time - BEGIN) // 1_000, start, end) for time, start, end, _ in stretches)

    assert ours(series.data) == bars("white")
    assert sorted({((time - BEGIN) // 1_000, at, at + 1) for time, at, sign in series.signs}) == bars("orange")
    assert ours(series.resent) == bars("red", "blue")
    assert ours(series.sacks) == bars("purple")
    acks = {((time - BEGIN) // 1_000, ack) for time, ack, _ in series.acks}
    edges = {((time - BEGIN) // 1_000, edge) for time, _, edge in series.acks}
    levels = {(last, high) for colour, what, _, _, last, high in theirs if what == "line" and colour == "green"}
    assert levels <= acks | {(time, before) for time, _ in acks for before in {low for _, low in acks}}
    assert acks <= levels | {min(acks)}
    theirs_edges = {(last, high) for colour, what, _, _, last, high in theirs if what == "line" and colour == "yellow"}
    assert edges <= theirs_edges | {min(edges)}
    assert len(series.acks) > 1


def test_the_magic_is_one_that_is_read_here(tmp_path: Path) -> None:
    written(SITUATIONS[-1].play.run(1)[0], tmp_path / "a.pcap")
    assert (tmp_path / "a.pcap").read_bytes()[:4] in pcap.MAGICS
