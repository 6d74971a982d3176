"""The transition table is RFC 9293's figure 5 and nothing else."""

from __future__ import annotations

import pytest

from hythe.tcp.states import MAY_RECEIVE, MAY_SEND, TRANSITIONS, Event, State, after


def test_every_state_is_reached_and_left() -> None:
    reached = set(TRANSITIONS.values())
    left = {state for state, _ in TRANSITIONS}
    assert reached == set(State) - {State.LISTEN}
    assert left == set(State)


def test_what_is_not_in_the_table_cannot_happen() -> None:
    with pytest.raises(KeyError):
        after(State.TIME_WAIT, Event.SHUTDOWN)
    with pytest.raises(KeyError):
        after(State.CLOSED, Event.FIN)


def test_delete_leads_to_closed_from_everywhere_else() -> None:
    assert {after(state, Event.DELETE) for state in State if state is not State.CLOSED} == {State.CLOSED}


def test_who_may_send_and_receive() -> None:
    """RFC 9293, 3.10.2: SEND before the handshake is done is queued."""
    assert set(State) - set(MAY_SEND) - set(MAY_RECEIVE) == {
        State.CLOSED,
        State.LISTEN,
        State.CLOSING,
        State.LAST_ACK,
        State.TIME_WAIT,
    }


def test_labels_are_netstats() -> None:
    assert (State.FIN_WAIT_1.label, State.SYN_RECEIVED.label, State.ESTABLISHED.label) == (
        "FIN_WAIT1",
        "SYN_RECV",
        "ESTABLISHED",
    )
