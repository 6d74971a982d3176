"""What sockets are, and which of them nothing explains."""

from __future__ import annotations

import dataclasses

import pytest

from hythe.view.netstat.explain import explain, report
from hythe.view.netstat.sockets import Holder, Row
from hythe.view.netstat.table import Shown

LISTENER = Row("tcp", 4, 0, 128, bytes(4), 110, bytes(4), 0, "LISTEN", 0, 7, holders=(Holder(9, "popd", 3),))
CLIENT = Row("tcp", 4, 0, 0, bytes((10, 0, 0, 1)), 64_751, bytes((198, 51, 100, 9)), 443, "ESTABLISHED", 0, 8)


class Named(Shown):
    """All addresses have a name, as far as `knows` says."""

    def __init__(self, *, knows: bool) -> None:
        super().__init__()
        self.numeric = False
        if knows:
            self.address = lambda address, mapped: "ec2-198-51-100-9.example"


@pytest.mark.parametrize(
    ("row", "knows", "doubts", "unexplained"),
    [
        (dataclasses.replace(LISTENER, local=b"\x7f\0\0\1", local_port=80), False, [], False),
        (dataclasses.replace(LISTENER, local_port=80), False, ["listens on all addresses"], False),
        (dataclasses.replace(CLIENT, holders=(Holder(9, "curl", 3),)), True, [], False),
        (CLIENT, True, ["no known program"], False),
        (CLIENT, False, ["no known program", "never resolved by name"], False),
        (dataclasses.replace(CLIENT, inode=0, state="TIME_WAIT"), True, [], False),
        (
            dataclasses.replace(CLIENT, remote_port=60_001),
            False,
            ["no known program", "no service has port 60001", "never resolved by name"],
            True,
        ),
        (dataclasses.replace(CLIENT, remote_port=60_001, name="a.example", session="web"), False, None, False),
        (
            dataclasses.replace(LISTENER, local_port=60_001, holders=()),
            False,
            ["no known program", "no service has port 60001", "listens on all addresses"],
            True,
        ),
    ],
)
def test_doubts(row: Row, knows: bool, doubts: list[str] | None, unexplained: bool) -> None:
    found = explain(row, Named(knows=knows), frozenset())
    assert doubts is None or list(found.doubts) == doubts
    assert found.unexplained is unexplained


def test_words_for_ports() -> None:
    shown = Named(knows=True)
    assert explain(LISTENER, shown, frozenset()).text.startswith("listens for well-known port 110, pop3 (Post Office")
    assert explain(CLIENT, shown, frozenset()).text.startswith("from our ephemeral port 64751 to well-known port 443, https")
    served = dataclasses.replace(CLIENT, local_port=110, remote_port=50_000)
    assert "somebody's connection to our well-known port 110" in explain(served, shown, frozenset({("tcp", 110)})).text


def test_the_report_counts() -> None:
    odd = dataclasses.replace(CLIENT, remote_port=60_001)
    text = report(
        {"": [LISTENER, odd], "web": [dataclasses.replace(CLIENT, session="web")]}, Named(knows=False), as_json=False
    )
    assert [line[:1] for line in text.splitlines()[1:4]] == ["?", "!", "?"]
    assert text.endswith("3 sockets: 2 to look at (?), 1 that nothing explains (!)\n")
