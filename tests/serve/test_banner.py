"""The default interface, in networks of our own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import needs

MADE = """
for each in one two; do ip tuntap add dev $each mode tap; ip link set $each up; done
ip link set one address 02:00:00:00:00:01; ip link set two address 02:00:00:00:00:02
ip tuntap add dev bare mode tun; ip link set bare up
"""


@pytest.mark.parametrize(
    ("configured", "sentence"),
    [
        ("true", "none"),
        (
            "ip address add 10.0.0.3/24 dev one; ip route add default via 10.0.0.1",
            "one, address 10.0.0.3, MAC 02:00:00:00:00:01",
        ),
        (
            "ip route add default dev one metric 7; ip route add default dev two metric 3",
            "two, MAC 02:00:00:00:00:02",
        ),
        ("ip -6 address add fd00::3/64 dev two; ip -6 route add default dev two", "two, MAC 02:00:00:00:00:02"),
        ("ip -6 route add default dev two metric 1; ip route add default dev one", "one, MAC 02:00:00:00:00:01"),
        ("ip route add default dev bare", "bare, MAC none"),
        ("ip route add 10.9.0.0/16 dev one", "none"),
    ],
)
def test_the_interface_that_leads_to_the_world(configured: str, sentence: str) -> None:
    needs.network()
    needs.program("ip")
    script = f'set -e\nPATH=$PATH:/sbin\n{MADE}{configured}\nexec "$@"'
    program = "from hythe.serve.banner import sentence; print(sentence())"
    words = [needs.program("unshare"), "--map-root-user", "--net", "sh", "-c", script, "sh", sys.executable, "-c", program]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout, ran.stderr) == (f"Default interface: {sentence}\n", "")
