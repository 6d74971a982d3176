"""The link for watchers: what passes is shown as it is, and untouched."""

from __future__ import annotations

from hythe.link.pair import pair
from hythe.link.watch import WatchLink
from hythe.wire.packet import NEEDS_CSUM, PARTIAL, VNET, VNET_SIZE
from hythe.wire.segment import ACK, Envelope4

PAYLOAD = bytes(range(256)) * 16
HEAD = Envelope4(bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), 1234, 80).head(1, 1, ACK, 500, len(PAYLOAD), 1460)


def test_both_ways_are_shown_and_pass() -> None:
    near, far = pair(1500)
    link = WatchLink(near)
    seen: list[tuple[int, bool, bytes, int, int]] = []

    def watch(now: int, sent: bool, view: memoryview, gso_size: int, checksum: int) -> None:
        seen.append((now, sent, bytes(view), gso_size, checksum))

    link.send(1, HEAD, (memoryview(PAYLOAD),))  # nobody watches
    link.watchers.append(watch)
    link.send(2, HEAD, (PAYLOAD[:100], memoryview(PAYLOAD)[100:]))
    far.send(3, HEAD, (PAYLOAD,))
    (packet,) = link.receive(4, 8)
    whole = HEAD[VNET_SIZE:] + PAYLOAD
    assert VNET.unpack_from(HEAD)[0] & NEEDS_CSUM
    assert seen == [(2, True, whole, 1460, PARTIAL), (4, False, whole, 1460, PARTIAL)]
    assert bytes(packet.view[: packet.length]) == whole
    assert [bytes(each.view[: each.length]) for each in far.receive(4, 8)] == [whole, whole]
    assert (link.mtu, link.fileno()) == (1500, near.fileno())
    link.close()
    far.close()
