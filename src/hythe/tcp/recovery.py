"""What was sent and not yet acknowledged: SACK scoreboard, loss detection, and what to resend.

Theory of operation. One `Sent` record stands for one transmission, normally a whole super-segment, so a bulk transfer
keeps a few dozen of them. A cumulative ACK pops records; an edge that falls inside a record (of a SACK block, or of a
partial ACK) splits it, so that afterwards every record is wholly sacked or wholly not. Byte counters follow each change,
which makes `pipe` (RFC 6675, 4) a subtraction instead of a walk.

Loss (RFC 6675, IsLost): a record is lost when more than (DupThresh - 1) MSS of SACKed bytes, or DupThresh separate SACKed
runs, lie above it; without SACK, when DupThresh duplicate ACKs have come (RFC 6582). A time-out declares all lost.
"""

from __future__ import annotations

from collections.abc import Sequence


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


class Scoreboard:
    """All records of one connection, in sequence order, and the state of recovery.

    `sacked`, `lost`, `resent`: bytes SACKed; declared lost; of those, on the wire again. `recovering`: a fast recovery
    or time-out episode lasts until `recovery_point` is acknowledged; `by_timeout` tells which. `urgent`: one segment is to
    be resent whatever the window says (the fast retransmit itself, RFC 5681 3.2).
    """

    __slots__ = (
        "by_timeout",
        "dup_acks",
        "lost",
        "records",
        "recovering",
        "recovery_point",
        "resent",
        "sacked",
        "urgent",
    )

    def __init__(self) -> None:
        self.records: list[Sent] = []
        self.sacked = 0
        self.lost = 0
        self.resent = 0
        self.recovering = False
        self.by_timeout = False
        self.recovery_point = 0
        self.dup_acks = 0
        self.urgent = False

    def sent(self, start: int, end: int, now: int) -> None:
        """New data (or the FIN) left."""
        self.records.append(Sent(start, end, now))

    def pipe(self, flight: int) -> int:
        """Bytes believed to be in the network, of `flight` = snd_nxt - snd_una outstanding (RFC 6675, 4)."""
        return flight - self.sacked - self.lost + self.resent

    def acked(self, una: int) -> int:
        """Everything before `una` arrived. Returns when the newest never-resent part of it was sent, or -1 (Karn)."""
        records = self.records
        sent_at = -1
        popped = 0
        for record in records:
            if record.end > una:
                break
            popped += 1
            if not record.resent:
                if not record.sacked:  # a SACKed record gave its sample when its block came
                    sent_at = record.sent_at
            self._forget(record, record.end - record.start)
        if popped:
            del records[:popped]
        if records and records[0].start < una:
            record = records[0]
            if not record.resent and not record.sacked:
                sent_at = record.sent_at
            self._forget(record, una - record.start)
            record.start = una
        return sent_at

    def _forget(self, record: Sent, size: int) -> None:
        if record.sacked:
            self.sacked -= size
        elif record.lost:
            self.lost -= size
            if record.in_flight_again:
                self.resent -= size

    def mark_sacked(self, blocks: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """SACK blocks came. Returns (bytes newly SACKed, send time of the newest never-resent one or -1)."""
        newly = 0
        sent_at = -1
        for left, right in blocks:
            index = 0
            while index < len(self.records):
                record = self.records[index]
                index += 1
                if record.end <= left or record.sacked:
                    continue
                if record.start >= right:
                    break
                if record.start < left:
                    self.records.insert(index, record.split(left))
                    continue
                if record.end > right:
                    self.records.insert(index, record.split(right))
                size = record.end - record.start
                self._forget(record, size)
                record.sacked = True
                record.lost = record.in_flight_again = False
                self.sacked += size
                newly += size
                if not record.resent:
                    sent_at = max(sent_at, record.sent_at)
        return newly, sent_at

    def detect(self, mss: int, threshold: int) -> int:
        """Declare lost what RFC 6675's IsLost says is. Returns the bytes newly declared."""
        above = runs = newly = 0
        inside = False
        for record in reversed(self.records):
            if record.sacked:
                above += record.end - record.start
                runs += not inside
                inside = True
                continue
            inside = False
            if not record.lost and not record.resent and (above > (threshold - 1) * mss or runs >= threshold):
                newly += self._declare(record)
        return newly

    def declare_head(self, mss: int) -> int:
        """The first segment is lost (duplicate ACKs or a partial ACK without SACK, RFC 6582 3.2). Returns bytes."""
        for index, record in enumerate(self.records):
            if record.sacked:
                continue
            if record.lost and not record.in_flight_again:
                return 0
            if record.end - record.start > mss:
                self.records.insert(index + 1, record.split(record.start + mss))
            return self._declare(record)
        return 0

    def declare_all(self) -> None:
        """The retransmission timer fired: nothing unSACKed is in the network any more (RFC 6675, 5.1)."""
        for record in self.records:
            if not record.sacked:
                self._declare(record)

    def _declare(self, record: Sent) -> int:
        size = record.end - record.start
        if not record.lost:
            record.lost = True
            self.lost += size
        if record.in_flight_again:
            record.in_flight_again = False
            self.resent -= size
        return size

    def next_lost(self) -> Sent | None:
        """The first record that is lost and not on the wire again."""
        if self.lost == self.resent:
            return None
        for record in self.records:
            if record.lost and not record.in_flight_again:
                return record
        return None

    def take(self, record: Sent, size: int, now: int) -> None:
        """The first `size` bytes of a lost `record` are being resent."""
        if record.end - record.start > size:
            self.records.insert(self.records.index(record) + 1, record.split(record.start + size))
        record.resent += 1
        record.in_flight_again = True
        record.sent_at = now
        self.resent += size

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
        self.end()
