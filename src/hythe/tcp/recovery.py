"""What was sent and not yet acknowledged: SACK scoreboard, loss detection, and what to resend.

Theory of operation. One `Sent` record stands for one transmission, normally a whole super-segment, so a bulk transfer
keeps a few dozen of them. A cumulative ACK pops records; an edge that falls inside a record (of a SACK block, or of a
partial ACK) splits it, so that afterwards every record is wholly sacked or wholly not. What is sacked melts into one
record a run, for nothing more will be asked about it; so a block that is reported again and again costs one look-up.
Byte counters follow each change, which makes `pipe` (RFC 6675, 4) a subtraction instead of a walk.

Loss is found by time where the peer has SACK (`rack`), else by count (RFC 6675, IsLost): a record is lost when more than
(DupThresh - 1) MSS of SACKed bytes, or DupThresh separate SACKed runs, lie above it; without SACK, when DupThresh duplicate
ACKs have come (RFC 6582). A time-out declares lost what is old enough.

Without SACK each duplicate ACK says that one segment, nobody knows which, has left the network. `presume` counts those in
`sacked` as if one had been reported: what RFC 5681, 3.2 (4) does by inflating the window.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from hythe.units import NEVER

_BY_START: Final = attrgetter("start")
_BY_END: Final = attrgetter("end")


class Sent:
    """A transmission of `[start, end)` in unwrapped sequence space; `resent` counts its retransmissions."""

    __slots__ = ("end", "in_flight_again", "lost", "resent", "sacked", "sent_at", "start")

    def __init__(self, start: int, end: int, sent_at: int) -> None:
        self.start = start
        self.end = end
        self.sent_at = sent_at
        self.resent = 0
        self.sacked = False
        self.lost = False
        self.in_flight_again = False  # lost, and its retransmission is on the wire

    def split(self, at: int) -> Sent:
        """Cut at sequence number `at`; self keeps the front, the rest is returned with the same history."""
        rest = Sent(at, self.end, self.sent_at)
        rest.resent = self.resent
        rest.sacked = self.sacked
        rest.lost = self.lost
        rest.in_flight_again = self.in_flight_again
        self.end = at
        return rest

    def __repr__(self) -> str:
        marks = "".join(
            letter for letter, on in zip("SLR", (self.sacked, self.lost, self.in_flight_again), strict=True) if on
        )
        return f"<Sent {self.start}..{self.end} {marks} resent {self.resent}>"


class Scoreboard:
    """All records of one connection, in sequence order, and the state of recovery.

    `sacked`, `lost`, `resent`: bytes SACKed; declared lost; of those, on the wire again. `recovering`: a fast recovery
    or time-out episode lasts until `recovery_point` is acknowledged; `by_timeout` tells which. `urgent`: one segment is to
    be resent whatever the window says (the fast retransmit itself, RFC 5681 3.2).

    What RACK asks (RFC 8985, 6.2): `newest_at`, `newest_end` name the most recently sent of all that arrived, `newest_rtt`
    is the round trip of what arrived last; `reordered` is the farthest in bytes that something arrived behind what was sent
    after it. `original`: something of the episode's flight arrived that was never resent (RFC 5682, 3).
    """

    __slots__ = (
        "_hint",
        "_lost_below",
        "by_timeout",
        "dup_acks",
        "highest",
        "lost",
        "newest_at",
        "newest_end",
        "newest_rtt",
        "original",
        "probe_end",
        "probe_resent",
        "probed",
        "records",
        "recovering",
        "recovery_point",
        "reordered",
        "resent",
        "sacked",
        "tail_due",
        "urgent",
    )

    def __init__(self) -> None:
        self.records: list[Sent] = []
        self.sacked = 0
        self.lost = 0
        self.resent = 0
        self.recovering = False
        self.by_timeout = False
        self.recovery_point = -1
        self.dup_acks = 0
        self.urgent = False
        self.highest = 0  # end of the highest SACKed run (RFC 8985's fack)
        self.newest_at = -1
        self.newest_end = 0
        self.newest_rtt = 0
        self.reordered = 0
        self.original = False
        self.tail_due = False  # a tail loss probe is to leave; `probe_end`: one is out, up to here (RFC 8985, 7)
        self.probe_end = -1
        self.probe_resent = False
        self.probed = -1  # snd_una when the last probe left
        self._lost_below = 0  # `detect` has judged everything that ends here or before
        self._hint = 0  # no record that starts before this waits to be resent

    def sent(self, start: int, end: int, now: int) -> None:
        """New data (or the FIN) left."""
        self.records.append(Sent(start, end, now))

    def pipe(self, flight: int) -> int:
        """Bytes believed to be in the network, of `flight` = snd_nxt - snd_una outstanding (RFC 6675, 4)."""
        return flight - self.sacked - self.lost + self.resent

    def acked(self, una: int, now: int = NEVER, least: int = 0) -> int:
        """Everything before `una` arrived. Returns when the newest of it was sent, or -1 if that proves nothing.

        Karn's rule (RFC 6298, 3): once any of it was resent, the ACK may have waited for the repetition; and if it was
        declared lost, for that of something else. `least` is the shortest round trip seen.
        """
        records = self.records
        first = records[0]
        if first.end == una and una > self.highest and not first.resent and not first.lost:
            # The usual case: one super-segment, one ACK. With nothing SACKed or lost RACK learns nothing from it.
            del records[0]
            return first.sent_at
        sent_at = -1
        ambiguous = False
        popped = 0
        for record in records:
            if record.start >= una:
                break
            if record.resent or record.lost:
                ambiguous = True
            elif not record.sacked:  # a SACKed record gave its sample when its block came
                sent_at = record.sent_at
            if not record.sacked:
                self._delivered(record, min(record.end, una), now, least)
            if record.end > una:
                self._forget(record, una - record.start)
                record.start = una
                break
            popped += 1
            self._forget(record, record.end - record.start)
        del records[:popped]
        return -1 if ambiguous else sent_at

    def _delivered(self, record: Sent, end: int, now: int, least: int) -> None:
        """`record` arrived as far as `end`: RFC 8985, 6.2, steps 2 and 3."""
        at = record.sent_at
        if record.resent:
            if now - at < least:
                return  # sooner than the path allows: this answers an earlier sending
        else:
            if end < self.highest:
                self.reordered = max(self.reordered, self.highest - record.start)
            if end <= self.recovery_point:
                self.original = True
        self.newest_rtt = now - at  # step 2: of whatever arrived last, while the times below never go back
        if at > self.newest_at or (at == self.newest_at and end > self.newest_end):
            self.newest_at = at
            self.newest_end = end

    def _forget(self, record: Sent, size: int) -> None:
        if record.sacked:
            self.sacked -= size
        elif record.lost:
            self.lost -= size
            if record.in_flight_again:
                self.resent -= size

    # --- SACK

    def mark_sacked(self, blocks: Sequence[tuple[int, int]], now: int = NEVER, least: int = 0) -> tuple[int, int]:
        """SACK blocks came, each within what is outstanding, in order, or reordering would be seen where none was.

        Returns (bytes newly SACKed, send time of the newest never-resent one of them or -1).
        """
        newly = 0
        sent_at = -1
        for left, right in blocks:
            size, at = self._mark(left, right, now, least)
            newly += size
            sent_at = max(sent_at, at)
        return newly, sent_at

    def _mark(self, left: int, right: int, now: int, least: int) -> tuple[int, int]:
        records = self.records
        first = bisect_right(records, left, key=_BY_END)
        if first == len(records) or (records[first].sacked and records[first].end >= right):
            return 0, -1  # told before
        if records[first].start < left and not records[first].sacked:
            records.insert(first + 1, records[first].split(left))
            first += 1
        last = bisect_left(records, right, first, key=_BY_END)
        if last < len(records) and records[last].start < right:
            if records[last].end > right and not records[last].sacked:
                records.insert(last + 1, records[last].split(right))
            last += 1
        newly, sent_at = 0, -1
        for record in records[first:last]:
            if not record.sacked:
                newly += record.end - record.start
                self._forget(record, record.end - record.start)
                self._delivered(record, record.end, now, least)
                if not (record.resent or record.lost):
                    sent_at = max(sent_at, record.sent_at)
        self.sacked += newly
        self._melt(first, last)
        return newly, sent_at

    def _melt(self, first: int, last: int) -> None:
        """`records[first:last]` and the SACKed neighbours become one SACKed record."""
        records = self.records
        if first and records[first - 1].sacked:
            first -= 1
        if last < len(records) and records[last].sacked:
            last += 1
        run = Sent(records[first].start, records[last - 1].end, records[last - 1].sent_at)
        run.sacked = True
        records[first:last] = [run]
        self.highest = max(self.highest, run.end)

    def detect(self, mss: int, threshold: int) -> int:
        """Declare lost what RFC 6675's IsLost says is; called when something is SACKed. Returns the bytes newly declared."""
        above = runs = newly = judged = 0
        records = self.records
        for index in range(bisect_left(records, self.highest, key=_BY_END), -1, -1):
            record = records[index]
            if record.sacked:
                above += record.end - record.start
                runs += 1
            elif above > (threshold - 1) * mss or runs >= threshold:
                judged = judged or record.end
                if record.end <= self._lost_below:
                    break  # what is below was judged by an earlier call
                if not record.lost and not record.resent:
                    newly += self.declare(record)
        self._lost_below = max(self._lost_below, judged)
        return newly

    # --- Without SACK

    def presume(self, mss: int, flight: int) -> None:
        """A duplicate ACK: one segment has left the network, of all but the first of `flight` bytes outstanding."""
        self.sacked = max(0, min(self.sacked + mss, flight - self.lost - mss))

    def unpresume(self, size: int, mss: int, flight: int) -> None:
        """`size` bytes were acknowledged: but for the hole they were presumed gone already (RFC 6582, 3.2 (3))."""
        self.sacked = max(0, min(self.sacked - max(0, size - mss), flight - self.lost))

    def declare_head(self, mss: int) -> int:
        """The first segment is lost (duplicate ACKs or a partial ACK, RFC 6582 3.2). Returns the bytes declared."""
        for index, record in enumerate(self.records):
            if record.sacked:
                continue
            if record.lost and not record.in_flight_again:
                return 0
            if record.end - record.start > mss:
                self.records.insert(index + 1, record.split(record.start + mss))
            return self.declare(record)
        return 0

    # --- Resending

    def declare_all(self, since: int = NEVER) -> None:
        """The retransmission timer fired: nothing unSACKed is in the network any more (RFC 6675, 5.1).

        With RACK what was sent after `since` may be still, unless it is the first (RFC 8985, 6.3).

        SACKed octets are believed still, unless they are the first: then the receiver has broken its word (reneged;
        RFC 2018, 8), for an ACK of ours would be past them.
        """
        reneged = bool(self.records) and self.records[0].sacked
        if reneged or not any(record.sacked for record in self.records):
            self.sacked = 0
            self.highest = 0
        for record in self.records:
            if reneged:
                record.sacked = False
            if not record.sacked and (record.sent_at <= since or record is self.records[0]):
                self.declare(record)

    def declare(self, record: Sent) -> int:
        """It is lost, or its retransmission is. Returns its size."""
        size = record.end - record.start
        if not record.lost:
            record.lost = True
            self.lost += size
        if record.in_flight_again:
            record.in_flight_again = False
            self.resent -= size
        self._hint = min(self._hint, record.start)
        return size

    def next_lost(self) -> Sent | None:
        """The first record that is lost and not on the wire again."""
        if self.lost == self.resent:
            return None
        records = self.records
        for index in range(bisect_left(records, self._hint, key=_BY_END), len(records)):
            record = records[index]
            if record.lost and not record.in_flight_again:
                self._hint = record.start
                return record
        return None

    def take(self, record: Sent, size: int, now: int) -> None:
        """The first `size` bytes of a lost `record` are being resent."""
        if record.end - record.start > size:
            index = bisect_left(self.records, record.start, key=_BY_START)
            self.records.insert(index + 1, record.split(record.start + size))
        record.resent += 1
        record.in_flight_again = True
        record.sent_at = now
        self.resent += size

    def last(self, size: int) -> Sent:
        """The last `size` bytes of all, as a record of their own: what a tail loss probe repeats (RFC 8985, 7.3)."""
        record = self.records[-1]
        if record.end - record.start > size:
            record = record.split(record.end - size)
            self.records.append(record)
        return record

    def believe(self) -> None:
        """The episode was needless: what was declared lost and not resent is in the network after all."""
        for record in self.records:
            if record.lost:
                record.lost = record.in_flight_again = False
        self.lost = self.resent = 0

    def begin(self, point: int, *, by_timeout: bool) -> None:
        """An episode of recovery begins; it ends when `point` is acknowledged."""
        self.recovering = True
        self.by_timeout = by_timeout
        self.recovery_point = point

    def end(self) -> None:
        """The episode is over."""
        self.recovering = False
        self.by_timeout = False
        self.urgent = False
        self.dup_acks = 0

    def clear(self) -> None:
        """Forget everything: the connection is gone, or its data no longer matters."""
        self.records.clear()
        self.sacked = self.lost = self.resent = 0
        self.tail_due = False
        self.probe_end = -1
        self.end()
