"""When a WireGuard tunnel is up."""

from __future__ import annotations

from hythe.forward.handshakes import Handshakes
from hythe.tunnel.wireguard.report import PeerReport
from hythe.units import SECOND


def peer(handshake: float | None, *, trying: bool = False, key: str = "key", name: str = "") -> PeerReport:
    """`handshake`: seconds ago."""
    age = round(handshake * SECOND) if handshake is not None else None
    return PeerReport(key, name, "192.0.2.1:51820", (), age, 0, 0, 0, False, trying)


def test_a_fresh_handshake_is_up_and_an_old_one_idle() -> None:
    told = Handshakes()
    assert told.look([peer(None, trying=True)], 0) == "no handshake yet"
    assert told.look([peer(1)], 2 * SECOND) == ""
    assert told.look([peer(179)], 180 * SECOND) == ""
    assert told.look([peer(180)], 181 * SECOND) == "idle for so long that the next stream makes a handshake"
    assert not told.in_vain


def test_one_that_is_in_vain_is_down_until_the_next() -> None:
    told = Handshakes()
    assert told.look([peer(100, trying=True)], 200 * SECOND) == ""
    assert told.look([peer(107, trying=True)], 207 * SECOND) == ""
    down = told.look([peer(108, trying=True, name="office")], 208 * SECOND)
    assert down == "office does not answer at 192.0.2.1:51820: does it run, and does it know this key?"
    assert told.in_vain
    assert told.look([peer(170)], 270 * SECOND).startswith("key does not answer")  # given up, for now
    assert told.look([peer(1)], 301 * SECOND) == ""
    assert not told.in_vain
    assert told.look([peer(101, trying=True)], 401 * SECOND) == ""


def test_one_of_several_peers_is_enough() -> None:
    told = Handshakes()
    both = [peer(None, trying=True), peer(1, key="other")]
    assert told.look(both, 0) == told.look(both, 60 * SECOND) == ""
    assert not told.in_vain
    assert told.look([both[0], peer(300, key="other")], 360 * SECOND).startswith("key does not answer")


def test_no_peers_are_no_tunnel() -> None:
    assert Handshakes().look([], 0) == "no handshake yet"
