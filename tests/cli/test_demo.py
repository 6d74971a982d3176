"""`hythe demo`, in a room and between two hosts."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from hythe.cli import demo, demo_hosts
from tests import needs


def test_the_demo_fetches_a_page_inside_a_room_and_shows_the_connection() -> None:
    needs.network()
    ran = subprocess.run([sys.executable, "-m", "hythe", "demo"], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert demo.PAGE in ran.stdout
    assert re.search(r"^  [12] connections?, ", ran.stdout, re.MULTILINE)  # an impatient client tries both families
    assert "CLOSED" in ran.stdout
    assert "GET / HTTP/1.1" in ran.stdout


def test_without_a_room_two_hosts_in_one_process_do_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_hosts.exchange(demo.PAGE) == 0
    shown = capsys.readouterr().out
    assert demo.PAGE in shown
    assert "-> 10.0.0.2:8080" in shown
    assert "0 retransmissions" in shown
