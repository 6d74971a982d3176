"""Which flow a packet belongs to, and the dice of that flow.

Theory of operation. What happens to a packet shall be the same whenever an experiment is repeated, though nothing else
about the run is: programs pick other ports, DNS asks once more, threads take turns differently. So the dice are no
sequence but a keyed hash of what stays: seed, direction, protocol, the far end's address and port, and the ordinal of the
packet within that flow. The near port is left out, because it is picked at random; of fragments and of what stands
behind IPv6 extension headers the far port is left out as well. Each hash gives eight draws, one a fault, so that
switching one fault on does not move the others.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Final

#: Draws of a packet: 64 bits each, uniform.
LOSS, TURN, JITTER, REORDER, DUPLICATE, CORRUPT, BIT, MARK = range(8)
_DRAWS: Final = struct.Struct("<8Q").unpack
#: Flows remembered at most. One that was forgotten counts from 1 again.
FLOWS: Final = 65_536
_TRANSPORTS: Final = (6, 17)


class Flow:
    """`ordinal`: of its latest packet, from 1. `unwell`: its state for losses in bursts. `port`: 0 where there is none."""

    __slots__ = ("_hash", "ordinal", "port", "protocol", "unwell")

    def __init__(self, seed: bytes, key: bytes) -> None:
        self._hash = blake2b(key, key=seed)
        self.protocol = key[1]
        self.port = int.from_bytes(key[-2:], "big")
        self.ordinal = 0
        self.unwell = False

    def draw(self) -> tuple[int, ...]:
        """The eight draws of the next packet."""
        self.ordinal += 1
        copy = self._hash.copy()
        copy.update(self.ordinal.to_bytes(8, "big"))
        return _DRAWS(copy.digest())


class Flows:
    """All flows of one direction. `up`: the packets go to the far end, and it is their destination."""

    __slots__ = ("_known", "_seed", "_up")

    def __init__(self, seed: int, *, up: bool) -> None:
        self._seed = seed.to_bytes(16, "big", signed=True)
        self._up = up
        self._known: dict[bytes, Flow] = {}

    def of(self, packet: bytes) -> Flow:
        """The flow of `packet`; made when it is new. Garbage is a flow, too."""
        key = bytes((self._up,)) + _far_end(packet, self._up)
        flow = self._known.get(key)
        if flow is None:
            if len(self._known) >= FLOWS:
                del self._known[next(iter(self._known))]
            flow = self._known[key] = Flow(self._seed, key)
        return flow


def _far_end(packet: bytes, up: bool) -> bytes:
    """Protocol, address and port (0 for none): 7 or 19 bytes, 3 for garbage."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        protocol, start = packet[9], (packet[0] & 15) * 4
        address = packet[16:20] if up else packet[12:16]
        whole = not (packet[6] & 0x3F or packet[7])
    elif version == 6 and len(packet) >= 40:
        protocol, start, whole = packet[6], 40, True
        address = packet[24:40] if up else packet[8:24]
    else:
        return bytes(3)
    port = b""
    if whole and protocol in _TRANSPORTS:
        port = packet[start + 2 : start + 4] if up else packet[start : start + 2]
    return b"%c%b%b" % (protocol, address, port if len(port) == 2 else bytes(2))
