"""The window against replays, beside a set that remembers everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hythe.tunnel.wireguard.replay import WINDOW, ReplayWindow

#: Steps from one counter to the next: mostly on, sometimes back, sometimes far.
STEPS = st.lists(
    st.one_of(
        st.just(1),
        st.integers(-5, 5),
        st.integers(-70, 70),
        st.integers(-2 * WINDOW, 2 * WINDOW),
        st.sampled_from([-WINDOW - 1, -WINDOW, -WINDOW + 1, WINDOW - 1, WINDOW, WINDOW + 1]),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_counter_is_taken_once_and_not_when_it_is_too_old(steps: list[int]) -> None:
    window, seen, counter = ReplayWindow(), set[int](), 0
    for step in steps:
        counter = max(0, counter + step)
        greatest = max(seen, default=-1)
        expected = counter not in seen and greatest - counter <= WINDOW
        assert window.take(counter) is expected
        if expected:
            seen.add(counter)
        assert window.last == max(seen)


def test_the_whole_window_and_one_more() -> None:
    for start in (0, 1, 63, 64, 8_191, 1 << 40):
        window = ReplayWindow()
        assert window.take(start + WINDOW)
        assert window.take(start)
        assert not window.take(start)
        assert all(window.take(each) for each in range(start + 1, start + WINDOW))
        assert not any(window.take(each) for each in range(start, start + WINDOW + 1))
        assert window.take(start + WINDOW + 1)
        assert not window.take(start)


def test_one_may_be_taken_by_hand() -> None:
    window = ReplayWindow()
    for counter in range(100):
        window.last = counter
    assert not any(window.take(each) for each in range(100))
    assert window.take(200)
    assert not any(window.take(each) for each in range(100))
    assert all(window.take(each) for each in range(100, 200))
