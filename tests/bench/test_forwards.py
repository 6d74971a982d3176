"""The forwards that are measured work, each through a real OpenSSH server."""

from __future__ import annotations

from bench.forwards import CONTENDERS, measure
from tests import needs


def test_every_contender_carries_something() -> None:
    needs.root()
    for program in ("ssh", "ssh-keygen", "sshd"):
        needs.program(program)
    results = measure(1, 0.05, "up, 1 flow")
    assert not results.notes
    for name in CONTENDERS:
        assert (results.median("up, 1 flow", name) or 0) > 0
