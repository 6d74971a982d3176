"""Token buckets, one and one for each network."""

from __future__ import annotations

from hythe.serve.rates import Bucket, Buckets
from hythe.units import SECOND


def test_buckets() -> None:
    bucket = Bucket(10, 5, 0)
    assert [bucket.take(0) for _ in range(6)] == [1, 1, 1, 1, 1, 0]
    assert bucket.take(SECOND // 10) == 1
    assert bucket.take(100 * SECOND, 100) == 5
    buckets = Buckets(1, 1, 2)
    assert buckets.take("192.0.2.1", 0)
    assert not buckets.take("192.0.2.1", 0)
    assert buckets.take("2001:db8::1", 0)
    assert not buckets.take("2001:db8::2", 0)  # one subscriber's network
    assert buckets.take("2001:db8:0:1::1", 0)
