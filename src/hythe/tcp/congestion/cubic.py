"""CUBIC: RFC 9438.

The window after a reduction follows W(t) = C (t - K)^3 + W_max, in segments and seconds, independent of the round-trip
time, and never less than what Reno would have reached (4.3). Everything is kept in segments as floats, as the RFC
writes it; `cwnd` itself stays an int of bytes.
"""

from __future__ import annotations

from typing import Final

from hythe.tcp.congestion.base import Controller
from hythe.tcp.congestion.hystart import HyStart
from hythe.units import SECOND

#: RFC 9438, 5: C = 0.4, beta_cubic = 0.7; 4.3: alpha_cubic keeps the Reno-friendly region fair.
C: Final = 0.4
BETA: Final = 0.7
ALPHA: Final = 3 * (1 - BETA) / (1 + BETA)


class Cubic(Controller):
    """RFC 9438. `_w_max` etc. in segments; `_epoch` is when the current growth began, None for not yet."""

    __slots__ = (
        "_before",
        "_credit",
        "_epoch",
        "_epoch_before",
        "_grew_at",
        "_k",
        "_origin",
        "_w_est",
        "_w_max",
        "_w_prior",
    )

    name = "cubic"

    def __init__(self, mss: int, initial_window: int) -> None:
        super().__init__(mss, initial_window)
        self._w_max = 0.0  # window just before the last reduction, after fast convergence
        self._w_prior = 0.0  # the same without fast convergence
        self._origin = 0.0
        self._w_est = 0.0
        self._k = 0.0
        self._epoch: int | None = None
        self._epoch_before: int | None = None
        self._grew_at = 0
        self._before = (0.0, 0.0, 0.0, 0.0, 0.0)
        self.hystart = HyStart()
        self._credit = 0.0  # growth of less than a byte, carried on

    def _avoid(self, size: int, now: int, srtt: int) -> None:
        segments = self.cwnd / self.mss
        epoch = self._epoch
        if epoch is None:
            epoch = self._begin(segments, now)
        elif now - self._grew_at > 2 * srtt:
            # 5.8: time in which the application or the receiver was the limit does not count, or the curve would
            # jump ahead of a window that nobody has tested.
            epoch = self._epoch = epoch + now - self._grew_at
        self._grew_at = now
        # 4.2: the target one round trip ahead, not more than half a window above. Its distance from the plateau counts in
        # whole segments, as in Linux: a small window, which can grow by nothing less, is not held back for a fraction.
        elapsed = (now - epoch + srtt) / SECOND - self._k
        target = self._origin + int(C * elapsed * elapsed * elapsed)
        target = min(max(target, segments), 1.5 * segments)
        # 4.3: Reno's estimate, with alpha 1 once it has passed the old window.
        alpha = 1.0 if self._w_est >= self._w_prior else ALPHA
        self._w_est += alpha * size / self.cwnd
        if self._w_est > target:
            self._credit += self._w_est - segments
        else:
            self._credit += (target - segments) * size / self.cwnd
        whole = int(self._credit * self.mss)
        self._credit -= whole / self.mss
        self.cwnd += whole

    def _begin(self, segments: float, now: int) -> int:
        self._epoch = now
        self._w_est = segments
        self._credit = 0.0
        if segments < self._w_max:
            self._k = ((self._w_max - segments) / C) ** (1 / 3)
            self._origin = self._w_max
        else:
            self._k = 0.0
            self._origin = segments
        return now

    def _reduced(self, now: int, flight: int) -> int:
        segments = self.cwnd / self.mss
        self._epoch = None
        self._w_prior = segments
        # 4.7, fast convergence: a window that did not get back to its old height leaves room for newcomers.
        self._w_max = segments * (1 + BETA) / 2 if segments < self._w_max else segments
        return int(self.cwnd * BETA)

    def _remember(self) -> None:
        super()._remember()
        self._before = (self._w_max, self._w_prior, self._origin, self._w_est, self._k)
        self._epoch_before = self._epoch

    def undo(self) -> None:
        """RFC 9438, 4.9: the curve, too, is what it was."""
        super().undo()
        self._w_max, self._w_prior, self._origin, self._w_est, self._k = self._before
        self._epoch = self._epoch_before

    def timed_out(self, now: int, flight: int) -> None:
        """4.8: after a time-out growth starts from where slow start ends, not from the old plateau."""
        super().timed_out(now, flight)
        self._w_max = 0.0

    def resized(self, mss: int) -> None:
        """Plateaus are in segments: rescale them with the segment size."""
        scale = self.mss / mss
        super().resized(mss)
        self._w_max *= scale
        self._w_prior *= scale
        self._origin *= scale
        self._w_est *= scale
