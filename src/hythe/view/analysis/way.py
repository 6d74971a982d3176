"""One way of a conversation: what one end sends, and what the other says of it.

Theory of operation. `send` takes each segment of the sender, `hear` each of the other end. Positions are counted from the
SYN (0), so that the first byte of text is 1, and never wrap. A segment that begins where the last ended is new; what lies
below was sent before, and then it came again, or was not seen before, and then others had overtaken it, or it had been lost
in front of the capture. TCP's timestamps tell these two apart: what was overtaken was stamped before what overtook it, what
was sent again after; without them it is a matter of time.
"""

from __future__ import annotations

from typing import Final

from hythe.units import MILLISECOND
from hythe.view.analysis.needless import Doubts
from hythe.view.analysis.ranges import Ranges
from hythe.view.analysis.records import Record, Records
from hythe.view.analysis.resent import BY_TIMER, KEPT, REFUSALS, Kind, Late, Resent, older, overtaken
from hythe.view.analysis.rtt import RoundTrips
from hythe.view.analysis.segments import Captured, least_scale
from hythe.view.analysis.series import Series, Stretch
from hythe.view.analysis.waits import Reason, Span, Visible, Waits, at_least
from hythe.wire.segment import ACK, FIN, RST, SYN

_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1
#: Gaps in what the capture saw that are remembered, and stamps whose echo is waited for.
_GAPS: Final = 1_024
_STAMPS: Final = 4_096
#: What a delayed ACK adds to a round trip at least, a little less than any timer for it (Linux 40 ms, others 50-200).
DELAYED: Final = 25 * MILLISECOND
#: Ranges that a SACK option has room for beside timestamps (RFC 2018, 3).
_BLOCKS: Final = 3
_REASON: Final = "retransmission: "


class Way:
    """What `source` sends. `other` is the way back. `series`: where points for a plot go."""

    def __init__(self, series: Series | None = None) -> None:
        self.series = series
        self.other: Way = self
        self.base: int | None = None
        self.mss = 0  # what the other end takes, less what options of every segment need
        self.largest = 0  # text of a segment, seen
        self.acked_largest = 0  # and acknowledged
        self.scale: int | None = None  # of the windows that this end offers
        self.top = self.una = self.edge = 0
        self.segments = self.octets = 0
        self.first_time = self.last_time = 0  # of text
        self.first_number = self.last_number = self.last_size = 0
        self.fin = self.reset = 0  # packet numbers
        self.heard_time = 0  # when the other end last spoke of it
        self.window_most = 0  # that this end was offered
        self.closings: list[int] = []  # packets that closed the window
        self.records = Records()
        self.sacked = Ranges()
        self.trips = RoundTrips()
        self.echoed = RoundTrips()  # of what this end sends, by the timestamps that come back with text
        self.waits = Waits()
        self.resent: list[Resent] = []
        self._doubts = Doubts()
        self.resent_count = self.late_count = 0
        self.late: list[Late] = []
        self.uncaptured = 0  # bytes that the other end acknowledged, but that are not in the capture
        self.nagled: list[Span] = []
        self.refused: tuple[int, int] | None = None  # called too long by a router: its place, and the saying's number
        self._gaps: list[tuple[int, int, int, int, int | None]] = []
        self._filled = Ranges()  # what was asked for by SACK or duplicates, and came
        self._advanced = 0  # the packet that acknowledged more last
        self._stamps: dict[int, int] = {}
        self._stamp: int | None = None  # the newest
        self._duplicates = self._evidence = 0
        self._reports = False  # has the other end sent SACK blocks?
        self._crowded = False  # did the last SACK have as many blocks as fit, so that others may be missing?
        self._recover = self._timed_out = 0
        self._identification = -1

    # --- Places

    def begin(self, seq: int) -> None:
        """The stream's SYN has, or would have had, this sequence number."""
        self.base = seq & _MASK

    def position(self, seq: int) -> int:
        """Unwrapped, near what was sent last."""
        assert self.base is not None
        return self.top + ((seq - self.base - self.top + _HALF) & _MASK) - _HALF

    @property
    def full(self) -> int:
        """Bytes of text in a full segment, as far as that is known."""
        return self.mss or self.largest or 536

    @property
    def far(self) -> int:
        """The round trip between the capture and this sender, ns, as far as it was seen."""
        return min(self.other.trips.known, self.other.echoed.known or self.other.trips.known)

    @property
    def lag(self) -> int:
        """How much later than the capture this sender's kernel hears something, at the least, ns."""
        return at_least(self.far, self.trips.known)

    @property
    def round_trip(self) -> int:
        """The whole path's, without queues, ns; 0 where nothing was measured."""
        return self.trips.known + self.far

    @property
    def closed_window(self) -> bool:
        """Is there no room, as far as the capture saw?"""
        return self.edge <= self.top and self.edge <= self.una

    # --- What this end sends

    def send(self, segment: Captured) -> None:
        """One of its segments."""
        if self.base is None:
            self.begin(segment.seq if segment.flags & SYN else segment.seq - 1)
            self.top = self.una = 0 if segment.flags & SYN else 1
        start = self.position(segment.seq)
        end = start + segment.length
        if segment.flags & RST:
            self.reset = self.reset or segment.number
            self._sign(segment, start, "RST")
            return
        ts_val = segment.options.ts_val
        self._stamp = ts_val if self._stamp is None or older(self._stamp, ts_val) else self._stamp
        if ts_val is not None and self._stamps.setdefault(ts_val, segment.time) == segment.time:
            if len(self._stamps) > _STAMPS:
                del self._stamps[next(iter(self._stamps))]
        if end == start:
            if start == self.top - 1 and self.top == self.una and self.segments and not segment.comment:
                self._probe(segment, start, end)
            return
        if segment.flags & SYN:
            self._sign(segment, start, "SYN")
        if segment.flags & FIN:
            self.fin = self.fin or segment.number
            self._sign(segment, end - 1, "FIN")
        self.waits.catch_up(segment.time, self.top)
        self._echo(segment)
        self.segments += 1
        lines = segment.comment.splitlines() if segment.comment else ()
        told = next((line for line in lines if line.startswith(_REASON)), "")
        if start >= self.top and not told:
            self._fresh(segment, start, end)
        else:
            self._again(segment, start, end, told.removeprefix(_REASON))
        if segment.size:
            self.largest = max(self.largest, segment.size)
            self.last_size = segment.size
        self.last_time, self.last_number = segment.time, segment.number
        self._identification = segment.identification

    def _fresh(self, segment: Captured, start: int, end: int) -> None:
        now, number = segment.time, segment.number
        if start > self.top and self.last_number and len(self._gaps) < _GAPS:
            self._gaps.append((self.top, start, now, number, segment.options.ts_val))
        if segment.size:
            if not self.first_number:
                self.first_time, self.first_number = now, number
            elif self.last_number:
                self._waited(segment)
            self.octets += segment.size
        self.records.add(Record(start, end, number, segment.options.ts_val), now)
        self.top = end
        if self.series is not None and self.series.room():
            self._draw(self.series.data, segment, start)
            self.series.flight.append((now, self.top - max(self.waits.una, 1)))

    def _waited(self, segment: Captured) -> None:
        """What the time since the last segment was spent for."""
        waits, now = self.waits, segment.time
        first, since = self.last_number, self.last_time
        heard = min(now, max(since, self.other.last_time + self.lag)) if self.other.last_size else since
        if waits.una < self._recover:
            waits.add(Span(Reason.RECOVERY, since, now, first, segment.number))
            return
        if self._crammed(waits.edge - self.top, segment.size):
            waits.add(Span(self._blocked(waits.edge - waits.una), since, now, first, segment.number))
            return
        last, by = waits.last, waits.last.number if waits.last is not None else 0
        flight, room, window = waits.before
        if not waits.answered(now, self.round_trip // 8) or last is None or last.time <= since:
            if last is not None and last.time > since and self._crammed(room, segment.size):
                waits.add(Span(self._blocked(window), since, last.time, first, last.number))  # whatever it had to send
                since, first = last.time, last.number
            idle = (
                self.top <= waits.una or self.last_size % self.full != 0 or now - since > max(self.round_trip, MILLISECOND)
            )
            reason = Reason.APPLICATION if idle else Reason.PATH
        elif self._crammed(room, segment.size):
            reason = self._blocked(window)
        elif flight <= 0:
            reason = Reason.APPLICATION
        elif max(self.last_size, segment.size) < self.full and not last.carries:
            reason = Reason.NAGLE
        else:
            reason = Reason.PATH
        if reason is Reason.NAGLE:
            delayed = now - since - self.round_trip >= DELAYED
            if delayed and len(self.nagled) < KEPT:
                self.nagled.append(Span(reason, since, now, first, segment.number, by))
        if reason is Reason.APPLICATION and heard > since:
            waits.add(Span(Reason.PEER, since, heard, first, self.other.last_number))
            since, first = heard, self.other.last_number
        waits.add(Span(reason, since, now, first, segment.number, by))

    def _crammed(self, room: int, size: int) -> bool:
        """Is there no room for it, or just so much, and less than for a full segment (a probe, or RFC 9293, 3.8.6.2.1)?"""
        return room < min(size, self.full) or room == size < self.full

    def _blocked(self, window: int) -> Reason:
        """By a window of so many bytes: is it small, or has it shrunk for want of reading?"""
        return Reason.READER if window * 2 < self.window_most else Reason.WINDOW

    # --- What comes again, or late

    def _again(self, segment: Captured, start: int, end: int, told: str) -> None:
        now, ts_val = segment.time, segment.options.ts_val
        known = self.records.within(start, end)
        gap = next((each for each in self._gaps if each[0] < end and start < each[1]), None)
        if gap is not None and not known:
            self._gaps.remove(gap)
            for left, right in ((gap[0], start), (end, gap[1])):
                if left < right:
                    self._gaps.append((left, right, *gap[2:]))
            if not told and overtaken(ts_val, gap[4], self._stamp, now - gap[2], self.round_trip):
                self._was_late(segment, start, end, Late(segment.number, gap[3], now - gap[2]))
                return
        elif not told and self._doubts.came_late(segment, start, end):
            if self.series is not None and self.series.room():
                self._draw(self.series.late, segment, start)
            return
        same = segment.identification and segment.identification == self._identification
        if same and known and known[-1].ts_val == ts_val and now - self.last_time < MILLISECOND:
            kind = Kind.NETWORK
        else:
            kind = self._kind(segment, start, end, known)
        tries = max((each.tries for each in known), default=1)
        original = known[0].number if known else 0
        tail = kind in (Kind.PROBE, Kind.TIMEOUT) and tries == 1 and not self.sacked and not self._duplicates
        found = Resent(kind, segment.number, now, start, end, original, tries, tail, now - self._since(), told)
        found.ts_val, found.crowded = ts_val, self._crowded and start != self.una
        found.evidence = self._evidence if kind not in BY_TIMER else 0
        latest = self.trips if self.trips.known > self.far else self.other.echoed
        found.congested = latest.latest > latest.known + max(20 * MILLISECOND, latest.known // 2)
        for each in known:
            each.tries += 1
        if not known and start >= self.una:
            self.records.add(Record(start, end, segment.number, ts_val), now)
            self.records.within(start, end)[-1].tries = 2
            if segment.size and not self.first_number:
                self.first_time, self.first_number = now, segment.number
            self.octets += segment.size
        self._keep(found)
        if kind is Kind.WINDOW_PROBE and self.last_number:
            self.waits.add(Span(Reason.READER, self.last_time, now, self.last_number, segment.number))
        self.top = max(self.top, end)
        if self.series is not None and self.series.room():
            self._draw(self.series.resent, segment, start)

    def _keep(self, found: Resent) -> None:
        self.resent_count += 1
        self._doubts.add(found, self.una, self.sacked, max(self._advanced, self._evidence))
        if len(self.resent) < KEPT:
            self.resent.append(found)
        if found.kind.repairs:
            self._recover = max(self._recover, self.top)
            if found.kind is Kind.TIMEOUT:
                self._timed_out = self.top
            if self.first_number and found.waited > 0:
                since = found.time - found.waited
                self.waits.add(Span(Reason.RECOVERY, since, found.time, self.last_number, found.number))

    def _since(self) -> int:
        """When the sender last sent, or heard an acknowledgment of more: its timers count from there."""
        return max(self.last_time, self.waits.last.time if self.waits.last is not None else 0)

    def _kind(self, segment: Captured, start: int, end: int, known: list[Record]) -> Kind:
        if segment.flags & SYN:
            return Kind.SYN
        if not segment.size:
            return Kind.FIN
        tries = max((each.tries for each in known), default=1)
        if self.refused and known and start >= self.refused[0] and known[0].number < self.refused[1] and tries <= REFUSALS:
            return Kind.PATH_MTU
        waited = segment.time - self._since()
        timed = waited * 10 >= self.trips.retransmission_timeout() * 8
        above = self.sacked.above(end) if self.sacked else 0
        if self.closed_window and segment.size <= self.full:
            return Kind.WINDOW_PROBE
        if end <= self.una and self.top == self.una and segment.size <= 1:
            return Kind.KEEP_ALIVE
        if above and not (timed and tries > 1):
            return Kind.SACK if above >= 3 * self.full or self._duplicates >= 3 else Kind.RACK
        if end <= self.una and not timed and self._filled.touches(start, end):
            return Kind.SACK if self._reports else Kind.DUPLICATES  # its sender had not heard yet that it had come
        if start < self._timed_out and not timed:
            return Kind.AFTER
        if self._duplicates >= 3 and not timed:
            return Kind.DUPLICATES
        if self.una < self._recover and not timed and tries == 1:
            return Kind.PARTIAL
        last = end >= self.top and tries == 1
        return Kind.PROBE if last and (start > self.una or not timed) else Kind.TIMEOUT

    def _probe(self, segment: Captured, start: int, end: int) -> None:
        """An empty segment one byte below what is next: Linux asks so whether somebody is there, or has room again."""
        kind = Kind.WINDOW_PROBE if self.closed_window else Kind.KEEP_ALIVE
        self._keep(Resent(kind, segment.number, segment.time, start, end, 0, 1, False, segment.time - self._since()))

    def _was_late(self, segment: Captured, start: int, end: int, late: Late) -> None:
        record = Record(start, end, segment.number, segment.options.ts_val)
        record.late = True
        self.records.add(record, segment.time)
        self.octets += segment.size
        self._overtook(late)
        if self.series is not None and self.series.room():
            self._draw(self.series.late, segment, start)

    def _overtook(self, late: Late) -> None:
        self.late_count += 1
        if len(self.late) < KEPT:
            self.late.append(late)

    # --- What the other end says

    def hear(self, segment: Captured) -> None:
        """A segment of the other end, as far as it speaks of this way."""
        if not segment.flags & ACK or segment.flags & RST:
            return
        if self.base is None:
            self.begin(segment.ack - 1)
            self.top = self.una = 1
        ack = self.position(segment.ack)
        self.heard_time = segment.time
        if ack > self.top:
            self.uncaptured += ack - self.top
            self.top = ack
        window = segment.window << self._scale(segment, ack)
        reported = self.sacked.top if self.sacked else 0
        self._blocks(segment, ack, reported)
        if ack > self.una:
            self._advance(segment, ack, reported)
        elif ack == self.una and not segment.size and self.top > self.una and ack + window == self.edge:
            self._duplicates += 1
            self._evidence = segment.number
        self.edge = ack + window if ack >= self.una else self.edge
        self.window_most = max(self.window_most, window)
        if not window and not segment.flags & SYN and len(self.closings) < KEPT:
            self.closings.append(segment.number)
        self.waits.hear(Visible(segment.time + self.lag, ack, ack + window, segment.number, bool(segment.size)))
        if self.series is not None and self.series.room():
            self.series.acks.append((segment.time, ack, ack + window))

    def _scale(self, segment: Captured, ack: int) -> int:
        """How far its windows are shifted. Without the handshake: at least so far that what is in flight found room."""
        if segment.flags & SYN:
            return 0
        if self.other.scale is not None:
            return self.other.scale
        return least_scale(segment.window, self.top - ack)

    def _advance(self, segment: Captured, ack: int, reported: int) -> None:
        """Everything below `ack` has come; before that, some below `reported` had."""
        taken, sent = self.records.acknowledge(ack)
        missing = [each for each in taken if each.start < reported and not each.sacked]
        # What was next had not come for certain, however little the SACK could tell.
        certain = missing[:1] if missing and missing[0].start <= self.una else []
        self._without_repair(certain if self._crowded else missing, segment)
        if reported > self.una or self._duplicates:
            self._filled.add(self.una, min(ack, max(reported, self.una + self.full)))
        fresh = ack - self.una
        self.una, self._advanced = ack, segment.number
        if taken:
            sizes = [each.end - each.start for each in taken if each.tries == 1]
            self.acked_largest = max(self.acked_largest, *sizes, 0)
        if taken and not self.sacked and all(each.tries == 1 for each in taken):
            sample = segment.time - sent
            prompt = fresh >= 2 * self.full or sample * 2 <= self.trips.known * 3
            self.trips.add(sample, segment.number, prompt=prompt)
            if self.series is not None:
                self.series.rtt.append((segment.time, sample))
        self._doubts.heard(segment, ack, self.sacked, self.trips)
        self._duplicates = 0
        self.sacked.forget_below(ack)
        # What was acknowledged and never seen has come past the capture without being written down.
        self.uncaptured += sum(each[1] - each[0] for each in self._gaps if each[1] <= ack)
        self._gaps = [each for each in self._gaps if each[1] > ack]

    def _blocks(self, segment: Captured, ack: int, reported: int) -> None:
        """SACK blocks; the first may speak of what came twice (RFC 2883, 4)."""
        if segment.options.sack:
            self._crowded = (self._crowded and bool(self.sacked)) or len(segment.options.sack) >= _BLOCKS
        for index, (left, right) in enumerate(segment.options.sack):
            start, end = self.position(left), self.position(right)
            if end <= start or end - start >= _HALF:
                continue
            inner = segment.options.sack[1] if index == 0 and len(segment.options.sack) > 1 else None
            inside = inner is not None and self.position(inner[0]) <= start and end <= self.position(inner[1])
            if index == 0 and (end <= ack or inside):
                self._doubts.twice(start, end, segment.number)
                continue
            self._reports = True
            if self.sacked.add(start, end):
                self._doubts.heard(segment, self.una, self.sacked, self.trips)
                self._evidence = segment.number
                fresh = [each for each in self.records.within(start, end) if not each.sacked and each.end <= end]
                below = [each for each in fresh if each.start < reported]
                if self._crowded:
                    # The first block has what came last (RFC 2018, 4): no more is certain, and that only without repairs.
                    below = below[-1:] if not index and end <= reported and all(each.tries == 1 for each in fresh) else []
                self._without_repair(below, segment)
                for each in fresh:
                    each.sacked = True
            if self.series is not None and self.series.room():
                self.series.sacks.append((segment.time, start, end, segment.number))

    def _without_repair(self, records: list[Record], segment: Captured) -> None:
        """Segments that came after later ones, without having been sent again: they were overtaken on their way."""
        for each in records:
            if each.tries == 1 and not each.late:
                self._overtook(Late(each.number, segment.number, 0))

    def _echo(self, segment: Captured) -> None:
        """A timestamp of the other end that comes back with text, of a sender that keeps sending, measures a round trip."""
        echo = segment.options.ts_ecr
        sent = self.other._stamps.pop(echo, None) if echo is not None else None
        if sent is None:
            return
        for old in [each for each, time in self.other._stamps.items() if time <= sent]:
            del self.other._stamps[old]
        sample = segment.time - sent
        if self.last_number and (segment.time - self.last_time) * 2 < sample:
            self.other.echoed.add(sample, segment.number, prompt=True)

    def _draw(self, into: list[Stretch], segment: Captured, start: int) -> None:
        """Its text; SYN and FIN have signs."""
        if segment.size:
            first = start + (segment.flags & SYN != 0)
            into.append((segment.time, first, first + segment.size, segment.number))

    def _sign(self, segment: Captured, at: int, sign: str) -> None:
        if self.series is not None:
            self.series.signs.append((segment.time, at, sign))
