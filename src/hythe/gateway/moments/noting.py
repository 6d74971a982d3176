"""Whoever wants moments has every flow of the session noted from when it begins, with the process whose it is.

A SYN is held until the way out is open, so its process still waits when it is asked for. That takes a tenth of a
millisecond where the process is one of those seen last, and as long as all of the command's processes take where it is not;
no more than a tenth of the time goes there: what was put off is found out a little later, if the process still is there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING, Final

from hythe.gateway.capture.owners import Owners
from hythe.gateway.datagrams import DatagramFlow
from hythe.gateway.moments.record import Moments
from hythe.gateway.moments.watch import Watch
from hythe.gateway.pumps import Splice
from hythe.wire import inetdiag
from hythe.wire.segment import split_key

if TYPE_CHECKING:
    from hythe.gateway.namespace import Room
    from hythe.gateway.session import FlowRecord, LiveFlow, Session

_PROTOCOLS: Final = {"tcp": inetdiag.TCP, "udp": inetdiag.UDP}
#: Flows whose process is put off; of more the oldest are forgotten.
_PUT_OFF: Final = 8_192


#: Of the gateway's time, for finding out whose flows are.
_SHARE: Final = 0.1


def begin(session: Session, room: Room | None) -> None:
    """Note the moments of the flows of `session` from now on. `room`: the command's, if that is on this machine."""
    if session.noting is None:
        diag = socket.socket(fileno=os.dup(room.owners_fd)) if room is not None else None
        session.note(Noting(Owners(diag, room.pid if room is not None else 0, _SHARE)))


class Noting:
    """Of one session. `owners`: whom to ask whose flows are."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._put_off: list[Moments] = []
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, record: FlowRecord) -> None:
        """A flow has begun."""
        record.moments = moments = Moments()
        protocol = _PROTOCOLS.get(record.protocol)
        if protocol is None:
            return
        moments.inode = self._owners.inode((protocol, *split_key(record.key)))
        if moments.inode:
            self._put_off.append(moments)
            self.find_out()

    def find_out(self) -> None:
        """Whose the flows are of which that is not known, as far as there is time for it."""
        while self._put_off:
            moments = self._put_off[-1]
            known, moments.process = self._owners.find(moments.inode, hurried=True)
            if not known:
                del self._put_off[:-_PUT_OFF]
                if self._timer is None:
                    pause = max(0.0, self._owners.next_look - time.monotonic())
                    self._timer = asyncio.get_running_loop().call_later(pause, self._again)
                return
            self._put_off.pop()

    def _again(self) -> None:
        self._timer = None
        self.find_out()

    def enter(self, flow: LiveFlow) -> None:
        """It goes on, or goes on as another object."""
        moments = flow.record.moments
        if moments is None:
            return
        if isinstance(flow, Splice):
            Watch(flow, moments)
            if flow.connected:  # the stream had been open at once
                moments.reached = flow.record.began
        elif isinstance(flow, DatagramFlow):
            moments.connected = flow.record.began
