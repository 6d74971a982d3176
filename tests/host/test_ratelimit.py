"""`hythe.host.ratelimit`: RFC 4443, 2.4(f) by itself and in a host."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6

from hythe.host.ratelimit import Bucket, RateLimit
from hythe.units import MILLISECOND, SECOND
from tests.host.hosts import LEFT4, LEFT6, Lone


def test_a_bucket_holds_a_second_s_worth_and_fills_steadily() -> None:
    bucket = Bucket(10, 5 * SECOND)
    taken = 0
    for step in range(3_000):
        if bucket.has_token(5 * SECOND + step * MILLISECOND):
            bucket.take()
            taken += 1
    assert taken == 10 + 29


def test_who_asks_too_much_takes_nothing_from_the_others() -> None:
    rate = RateLimit(1_000, 5)
    assert sum(rate.allows(b"loud", 0) for _ in range(10_000)) == 5
    assert sum(rate.allows(b"calm", 0) for _ in range(3)) == 3


def test_all_together_are_limited_too() -> None:
    rate = RateLimit(50, 5)
    assert sum(rate.allows(bytes([peer]), 0) for peer in range(100)) == 50
    assert sum(rate.allows(bytes([peer]), SECOND) for peer in range(100)) == 50


def test_peers_kept_are_bounded() -> None:
    rate = RateLimit(1_000_000, 1)
    for peer in range(5_000):
        assert rate.allows(peer.to_bytes(4, "big"), 0)
    assert len(rate._peers) == 1_024


def test_a_host_answers_each_peer_only_so_often() -> None:
    lone = Lone(icmp_errors_per_peer=3)
    loud = [IP(src="192.0.2.7", dst=LEFT4) / UDP(sport=5, dport=9) for _ in range(10)]
    assert [answer[ICMP].code for answer in lone.send(*loud)] == [3, 3, 3]
    assert len(lone.send(IP(src="192.0.2.8", dst=LEFT4) / UDP(dport=9))) == 1
    assert len(lone.send(IPv6(src="2001:db8::7", dst=LEFT6) / UDP(dport=9))) == 1
    assert lone.host.counters.icmp_limited == 7
    assert len(lone.send(*loud, after=SECOND)) == 3
    answers = lone.send(*[IPv6(src="2001:db8::9", dst=LEFT6) / UDP(dport=9) for _ in range(5)])
    assert [answer[ICMPv6DestUnreach].code for answer in answers] == [4, 4, 4]


def test_a_gateway_s_only_peer_has_the_whole_limit() -> None:
    lone = Lone(any_destination=True, icmp_errors_per_peer=1, icmp_errors_per_second=4)
    packets = [IP(src="192.0.2.7", dst="203.0.113.1") / UDP(sport=5, dport=9) for _ in range(10)]
    assert len(lone.send(*packets)) == 4
