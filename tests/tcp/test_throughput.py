"""Bulk transfers under loss, on virtual time: never slower than theory allows, never silent longer than the rules allow.

The bound is the model of Padhye, Firoiu, Towsley and Kurose (SIGCOMM 1998, equation 30) for a Reno sender without SACK: one
segment a time-out's share and a window's. Whoever finds losses by time and repairs many in a round trip must be faster.
"""

from __future__ import annotations

from math import sqrt
from random import Random

import pytest

from hythe.config import TcpConfig
from hythe.units import MILLISECOND, SECOND
from tests.tcp.network import App, Faults, Network

MSS = 1_448


def padhye(loss: float, rtt: float, rto: float = 0.2) -> float:
    """Bytes a second. `loss` of segments; every second one acknowledged."""
    window = rtt * sqrt(4 * loss / 3)
    waiting = (rto + rtt) * min(1, 3 * sqrt(3 * loss / 4)) * loss * (1 + 32 * loss * loss)
    return MSS / (window + waiting)


def transfer(seed: int, size: int, rtt: int, config: TcpConfig, faults: Faults, version: int = 4) -> tuple[float, App]:
    """Seconds it took, and the sender."""
    network = Network(Random(seed), faults, 1_500, config, version=version)
    server, client = App(b""), App(bytes(size))
    network.serve(lambda: server)
    network.connect(client)
    begun = network.now
    step = 50 * MILLISECOND
    sent, sent_at, allowed, before = (0, 0, 0), begun, SECOND, SECOND
    while len(server.received) < size:
        network.run(step, lambda: len(server.received) == size)
        connection = client.connection
        assert connection is not None
        state = (connection.snd_una, connection.bytes_sent, connection.retransmits)
        if state != sent:
            sent = state
            sent_at = network.now
            allowed = before
        before = connection.rtt.rto
        allowed = max(allowed, before)  # a SACK may shorten it once the timer runs
        # RFC 6298, 5.3: something leaves when the time-out since the last sending or the last ACK is over at the latest.
        assert network.now - sent_at <= allowed + 2 * step, connection.info()
    assert server.received == client.data
    return (network.now - begun) / SECOND, client


@pytest.mark.parametrize("congestion", ["reno", "cubic"])
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1])
def test_loss_slows_no_more_than_theory_says(loss: float, congestion: str, seed: int) -> None:
    rtt = 20
    size = 2_000_000
    took, _ = transfer(seed, size, rtt, TcpConfig(congestion=congestion), Faults(loss=loss, delay=rtt * MILLISECOND // 2))
    assert size / took >= padhye(loss, rtt / 1_000)


def test_ipv6_is_no_different(seed: int) -> None:
    took, _ = transfer(seed, 1_000_000, 20, TcpConfig(), Faults(loss=0.05, delay=10 * MILLISECOND), version=6)
    assert 1_000_000 / took >= padhye(0.05, 0.02)


def test_a_lost_retransmission_needs_no_time_out(seed: int) -> None:
    """At 3 % one retransmission in thirty is lost; with RACK hardly one of those waits for the timer."""
    faults = Faults(loss=0.03, delay=10 * MILLISECOND)
    _, client = transfer(seed, 4_000_000, 20, TcpConfig(), faults)
    assert client.connection is not None
    assert client.connection.timeouts <= 3


def test_reordering_is_not_loss(seed: int) -> None:
    """Jitter of a tenth of the round trip overtakes much; what is resent for it is little, and undone."""
    faults = Faults(delay=20 * MILLISECOND, jitter=4 * MILLISECOND)
    took, client = transfer(seed, 4_000_000, 44, TcpConfig(), faults)
    assert client.connection is not None
    assert client.connection.timeouts == 0
    assert client.connection.retransmits <= 200  # of 2,763
    assert took <= 3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1, 0.2])
def test_twenty_megabytes(loss: float, seed: int) -> None:
    # At 20 % each way time-outs rule, and six in a row happen; Linux's two minutes at most would be most of the time.
    config = TcpConfig(rto_max=4 * SECOND)
    took, _ = transfer(seed, 20_000_000, 20, config, Faults(loss=loss, delay=10 * MILLISECOND))
    assert 20_000_000 / took >= padhye(loss, 0.02)
