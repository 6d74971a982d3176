"""What is set up over netlink, as `ip` shows it, and all routes as `ip` lists them."""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING

import pytest

from tests import needs

if TYPE_CHECKING:
    from tests.gateway.namespace.conftest import User

ROUTES = """
import ipaddress
from hythe.gateway.namespace import machine_networks
for address, bits in machine_networks():
    print(ipaddress.ip_network((address, bits)))
"""


def test_the_device_and_its_addresses(user: User) -> None:
    ip = needs.program("ip")
    lo, device = json.loads(user.run(ip, "-j", "address").stdout)
    assert "UP" in lo["flags"]
    assert {each["local"] for each in lo["addr_info"]} == {"127.0.0.1", "::1"}
    assert device["ifname"] == "hythe0"
    assert device["mtu"] == 65_520
    assert device["txqlen"] == 2_000, "what many connections send at once finds room"
    assert {"UP", "LOWER_UP"} <= set(device["flags"])
    addresses = [(each["family"], each["prefixlen"], "tentative" in each) for each in device["addr_info"]]
    assert addresses == [("inet", 24, False), ("inet6", 64, False)], "usable at once, and none is link-local"


def test_the_default_routes(user: User) -> None:
    ip = needs.program("ip")
    for family, bits in (("-4", 24), ("-6", 64)):
        routes = json.loads(user.run(ip, "-j", family, "route").stdout)
        default = next(each for each in routes if each["dst"] == "default")
        connected = [ipaddress.ip_network(each["dst"]) for each in routes if each["dst"] != "default"]
        assert default["dev"] == "hythe0"
        assert [each.prefixlen for each in connected] == [bits]
        assert ipaddress.ip_address(default["gateway"]) in connected[0]


@pytest.mark.parametrize("mtu", [68, 576, 1_279])
def test_ipv4_alone_below_the_least_mtu_of_ipv6(user: User, mtu: int) -> None:
    ip = needs.program("ip")
    device = json.loads(user.run(ip, "-j", "address", "show", "hythe0", mtu=mtu, ipv6=False).stdout)[0]
    assert device["mtu"] == mtu
    assert [each["family"] for each in device["addr_info"]] == ["inet"]


@pytest.mark.parametrize("mtu", [1_280, 1_500, 9_000, 65_535])
def test_mtus_with_both_families(user: User, mtu: int) -> None:
    ip = needs.program("ip")
    device = json.loads(user.run(ip, "-j", "address", "show", "hythe0", mtu=mtu).stdout)[0]
    assert device["mtu"] == mtu
    assert [each["family"] for each in device["addr_info"]] == ["inet", "inet6"]


def test_without_ipv6_the_device_has_none(user: User) -> None:
    ip = needs.program("ip")
    assert user.run(ip, "-6", "address", "show", "hythe0", ipv6=False).stdout == ""


def test_routes_are_read_as_ip_reads_them(user: User) -> None:
    ip = needs.program("ip")
    listed = set()
    for family in ("-4", "-6"):
        everywhere = "0.0.0.0/0" if family == "-4" else "::/0"
        script = f"{ip} -j {family} route show table all"
        for each in json.loads(needs_output(user, script)):
            destination = everywhere if each["dst"] == "default" else each["dst"]
            listed.add(str(ipaddress.ip_network(destination)))
    assert set(user.python(ROUTES).split()) == listed


def needs_output(user: User, script: str) -> str:
    return user.python(f"import subprocess; print(subprocess.check_output({script.split()!r}, text=True))")
