"""`hythe.link.slots`: what was read is filled again."""

from __future__ import annotations

from hythe.link.slots import Slots
from hythe.wire.packet import ABSENT, PACKET_ROOM, PARTIAL, Packet


def test_the_parts_follow_one_another_and_the_rest_is_as_told() -> None:
    slot = Slots(Packet).fill((b"head", memoryview(b"and"), b"text"), 3, PARTIAL)
    assert (slot.keep(), slot.gso_size, slot.checksum) == (b"headandtext", 3, PARTIAL)


def test_short_and_long_ones_are_kept_apart_and_the_latest_spare_comes_first() -> None:
    slots = Slots(Packet)
    short, other, long = slots.fill((b"a",), 0, ABSENT), slots.fill((b"b",), 0, ABSENT), slots.fill((bytes(2_049),), 0, 0)
    assert len(short.buffer) < len(long.buffer) == PACKET_ROOM
    slots.give((short, other, long))
    assert slots.fill((bytes(60_000),), 1_000, ABSENT) is long
    assert [slots.fill((b"c",), 0, ABSENT), slots.fill((bytes(2_048),), 0, ABSENT)] == [other, short]
    assert slots.fill((b"d",), 0, ABSENT) not in (short, other, long)


def test_no_more_spare_ones_are_kept_than_a_window_has() -> None:
    slots = Slots(Packet)
    used = [slots.fill((bytes(3_000),), 0, ABSENT) for _ in range(300)]
    slots.give(used)
    again = {id(slots.fill((bytes(3_000),), 0, ABSENT)) for _ in range(300)}
    assert len(again & {id(slot) for slot in used}) == 256
