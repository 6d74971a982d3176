"""What the namespace's kernel is told: congestion control, ping for everybody, low ports for everybody."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from hythe.gateway.namespace import NetworkPlan, Room
from hythe.gateway.namespace.limits import check
from tests import needs

if TYPE_CHECKING:
    from tests.gateway.namespace.conftest import User

BIND_80 = "import socket; s = socket.socket(); s.bind(('', 80)); s.listen(); print(s.getsockname()[1])"
PING_SOCKET = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, {socket.IPPROTO_ICMP}); print('made')"


def setting(user: User, name: str) -> str:
    return user.run("cat", f"/proc/sys/net/ipv4/{name}").stdout.strip()


def test_congestion_control_is_reno(user: User) -> None:
    assert setting(user, "tcp_congestion_control") == "reno"


def test_ports_below_1024(user: User) -> None:
    assert user.run("/usr/bin/env", "python3", "-c", BIND_80).stdout == "80\n"


def test_ping_sockets(user: User) -> None:
    first, last = setting(user, "ping_group_range").split()
    if user.name == "nobody":
        assert (first, last) == (str(needs.NOBODY), str(needs.NOBODY))
    assert user.run("/usr/bin/env", "python3", "-c", PING_SOCKET).stdout == "made\n"


def test_the_machines_own_settings_stay(user: User) -> None:
    names = ("tcp_congestion_control", "ping_group_range", "ip_unprivileged_port_start")

    def read() -> list[str]:
        found = []
        for name in names:
            with open(f"/proc/sys/net/ipv4/{name}") as file:
                found.append(file.read())
        return found

    before = read()
    assert user.run("true").returncode == 0
    assert read() == before


@pytest.fixture
def able() -> None:
    """Require that this process can make rooms."""
    reason = check()
    if reason is not None:
        needs.lack(reason)


@pytest.mark.usefixtures("able")
def test_a_setting_that_does_not_take_is_a_warning_with_its_purpose() -> None:
    plan = NetworkPlan(
        congestion_control="no-such",
        sysctls=[("net.ipv4.no_such", "1"), ("net.ipv4.tcp_timestamps", "0")],
    )
    with Room.begin(plan, ["sh", "-c", "exit $(cat /proc/sys/net/ipv4/tcp_timestamps)"]) as room:
        room.ready()
        missing = "No such file or directory"
        slower = "uploads will be slower than they could be"
        assert room.warnings == [
            f"{slower} (net.ipv4.tcp_congestion_control = no-such: {missing})",
            f"a setting could not be made (net.ipv4.no_such = 1: {missing})",
        ]
        room.go()
        assert room.wait() == 0
