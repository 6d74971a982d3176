"""The words for faults, and what is wrong with others."""

from __future__ import annotations

import pytest

from hythe.errors import UsageError
from hythe.gateway.faults import Faults, parse
from hythe.gateway.options import RunOptions
from hythe.link.faults import BurstLoss, NthLoss, Plan, RandomLoss
from hythe.units import KIB, MILLISECOND


def faults(picked: int | None = 1, /, **words: str) -> Faults:
    found = parse(words, picked)
    assert found is not None
    return found


def both(**words: str) -> Plan:
    found = faults(**words)
    assert found.up == found.down
    return found.up


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        ({"delay": "50ms"}, Plan(delay=50 * MILLISECOND)),
        ({"jitter": "500us"}, Plan(jitter=MILLISECOND // 2)),
        ({"rate": "10mbit"}, Plan(rate=10_000_000)),
        ({"rate": "1.5Gbit/s", "queue": "64KiB"}, Plan(rate=1_500_000_000, queue_bytes=64 * KIB)),
        ({"rate": "9600", "queue": "50packets"}, Plan(rate=9_600, queue_packets=50)),
        ({"rate": "9600", "queue": "1 packet"}, Plan(rate=9_600, queue_packets=1)),
        ({"loss": "5%"}, Plan(loss=RandomLoss(0.05))),
        ({"loss": "burst:2%,8"}, Plan(loss=BurstLoss.of(0.02, 8))),
        ({"loss": "nth:3"}, Plan(loss=NthLoss(frozenset({3})))),
        ({"loss": "nth:1,2,5@tcp:443"}, Plan(loss=NthLoss(frozenset({1, 2, 5}), 6, 443))),
        ({"loss": "nth:1@icmp"}, Plan(loss=NthLoss(frozenset({1}), 1))),
        ({"reorder": "1%"}, Plan(reorder=0.01, reorder_by=MILLISECOND)),
        ({"reorder": "1%,30ms"}, Plan(reorder=0.01, reorder_by=30 * MILLISECOND)),
        ({"mark": "25%", "path_mtu": "1300"}, Plan(mark=0.25, mtu=1_300)),
        ({"duplicate": "0.5%", "corrupt": "100%"}, Plan(duplicate=0.005, corrupt=1.0)),
    ],
)
def test_words(words: dict[str, str], plan: Plan) -> None:
    assert both(**words) == plan


def test_one_direction_goes_before_both() -> None:
    found = faults(delay="50ms", up_delay="10ms", down_loss="1%")
    assert found.up == Plan(delay=10 * MILLISECOND)
    assert found.down == Plan(delay=50 * MILLISECOND, loss=RandomLoss(0.01))


def test_a_queue_for_both_needs_one_rate() -> None:
    found = faults(up_rate="1mbit", queue="10packets")
    assert (found.up.queue_packets, found.down.queue_packets) == (10, 10)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"delay": "fast"}, "--delay: 'fast' is not a length of time: write for example 50ms"),
        ({"up_delay": ""}, "--up-delay: '' is not a length of time"),
        ({"rate": "10mbps"}, "--rate: '10mbps' is not a rate: write for example 500kbit, 10mbit or 1gbit"),
        ({"rate": "0"}, "--rate: '0' is not a rate: nothing would ever arrive"),
        ({"queue": "50packets"}, "--queue 50packets has nothing to wait for: add a rate, for example --rate 10mbit"),
        ({"up_rate": "1mbit", "down_queue": "9p"}, "--down-queue 9p has nothing to wait for"),
        ({"rate": "1mbit", "queue": "long"}, "--queue: 'long' is not a queue: write for example 64KiB or 50packets"),
        ({"loss": "5"}, "--loss: '5' is not a share: write for example 5% or 0.1%"),
        ({"loss": "101%"}, "--loss: '101%' is not a share"),
        ({"loss": "storm:5%"}, "--loss: 'storm:5%' is not a loss: write for example 5%, burst:2%,8 or nth:3"),
        ({"loss": "burst:5%"}, "--loss: 'burst:5%' does not say how long bursts are: write for example burst:2%,8"),
        ({"loss": "burst:5%,0"}, "--loss: bursts of 0 packets are not possible: write 1 or more"),
        ({"loss": "burst:90%,2"}, "--loss: no bursts of 2 packets make a loss of 90%: lose less, or in longer bursts"),
        ({"loss": "nth:0"}, "--loss: 'nth:0' does not say which packets: write for example nth:3,"),
        ({"loss": "nth:1@sctp"}, "--loss: 'nth:1@sctp' does not say which packets"),
        ({"loss": "nth:1@tcp:70000"}, "--loss: 'nth:1@tcp:70000' does not say which packets"),
        ({"loss": "nth:1@"}, "--loss: 'nth:1@' does not say which packets"),
        ({"down_reorder": "1%,soon"}, "--down-reorder: 'soon' is not a length of time"),
        ({"mark": "all"}, "--mark: 'all' is not a share"),
        (
            {"up_path_mtu": "67"},
            "--up-path-mtu: '67' is no MTU: write the bytes of the longest packet that passes, 68 or more",
        ),
        ({"path_mtu": "small"}, "--path-mtu: 'small' is no MTU"),
        ({"corrupt": "much"}, "--corrupt: 'much' is not a share"),
        ({}, "--seed decides what becomes of packets, but no fault is asked for: add for example --loss 1%"),
    ],
)
def test_wrong_words(words: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        faults(**words)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_without_faults_there_is_nothing() -> None:
    assert parse(dict.fromkeys(("delay", "up_loss")), None) is None


def test_a_seed_nobody_gave_is_told_where_it_matters() -> None:
    picked = faults(None, loss="1%")
    assert picked.notice == f"the faults of this run are those of --seed {picked.seed}"
    assert faults(5, loss="1%").notice is None
    assert faults(None, delay="5ms").notice is None


def test_the_mtu_is_that_of_a_real_network_where_faults_are() -> None:
    wire = faults(delay="5ms")
    assert RunOptions(("true",)).mtu == 65_520
    assert RunOptions(("true",), faults=wire).mtu == 1_500
    assert RunOptions(("true",), faults=wire, mtu=9_000).mtu == 9_000
