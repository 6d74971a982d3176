"""The routing tables beside Debian's `netstat -r`, where both read the same files in the place of the kernel's."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hythe.view.names import HostNames
from hythe.view.netstat import routes
from hythe.view.netstat.routes import table
from tests import needs

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    import pytest

HEADING = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#: What the kernel writes there (fib_flag_trans; rt6_info), and what it may mean to say together.
BITS4 = (1, 2, 4, 0x200)
BITS6 = (1, 2, 4, 0x20, 0x200, 0x1_0000, 0x2_0000, 0x4_0000, 0x20_0000, 0x40_0000, 0x100_0000, 0x200_0000, 0x8000_0000)


def line4(rng: Random) -> str:
    """Return a route as the kernel writes it: numbers of the machine's own order."""
    prefix = rng.randrange(33)
    mask = (0xFFFF_FFFF << 32 - prefix) & 0xFFFF_FFFF
    words = [rng.getrandbits(32) & mask, rng.getrandbits(32), mask]
    target, gateway, bits = (int.from_bytes(word.to_bytes(4, "big"), "little") for word in words)
    flags = sum(bit for bit in BITS4 if rng.random() < 0.4)
    numbers = [rng.randrange(3), rng.randrange(9), rng.randrange(1000)]
    rest = "\t".join(map(str, (rng.choice((0, 1400)), rng.choice((0, 3)), rng.choice((0, 9)))))
    return f"eth{rng.randrange(12)}\t{target:08X}\t{gateway:08X}\t{flags:04X}\t" + "\t".join(
        (*map(str, numbers), f"{bits:08X}", rest)
    )


def line6(rng: Random) -> str:
    prefix = rng.randrange(129)
    target = rng.getrandbits(128) & ~((1 << 128 - prefix) - 1)
    flags = sum(bit for bit in BITS6 if rng.random() < 0.3)
    metric = rng.choice((0, 1024, 0xFFFF_FFFF))
    gateway = rng.choice((0, rng.getrandbits(128)))
    numbers = f"{metric:08x} {rng.randrange(9):08x} {rng.randrange(9):08x} {flags:08x}"
    return f"{target:032x} {prefix:02x} {0:032x} 00 {gateway:032x} {numbers}     eth{rng.randrange(12)}"


def net_tools(place: Path, *options: str) -> list[list[str]]:
    """Return the fields of what Debian's netstat makes of the files in `place`; it cuts long addresses short unless -W."""
    script = 'mount -t tmpfs none /proc && mkdir /proc/net && cp "$0"/* /proc/net && exec netstat -rnW "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(place), *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=needs.clean_environment(LC_ALL="C"),
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_routes_are_told_as_net_tools_does(rng: Random, tmp_path: Path) -> None:
    needs.userns()
    for name in ("netstat", "unshare"):
        needs.program(name)
    (tmp_path / "route").write_text(HEADING + "".join(f"{line4(rng)}\n" for _ in range(200)), encoding="ascii")
    (tmp_path / "ipv6_route").write_text("".join(f"{line6(rng)}\n" for _ in range(200)), encoding="ascii")
    for family, option in ((4, "-4"), (6, "-6")):
        found = routes.routes(frozenset({family}), str(tmp_path))
        ours = [line.split() for line in table(family, found, None).splitlines()]
        assert ours == net_tools(tmp_path, option)
        assert len(ours) > 40


def test_gateways_hosts_and_networks_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of /etc/hosts and /etc/networks at least; a network has none of a host's."""
    (tmp_path / "route").write_text(
        HEADING
        + "eth0\t00000000\t0100007F\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        + "eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        + "eth0\t0100007F\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n",
        encoding="ascii",
    )
    (tmp_path / "networks").write_text("# none\nlink-local 169.254\nbroken\n", encoding="ascii")
    monkeypatch.setattr(routes, "_NETWORKS", str(tmp_path / "networks"))
    names = HostNames()
    names.ask([b"\x7f\0\0\1"])
    names.wait()
    found = routes.routes(frozenset({4}), str(tmp_path))
    lines = [line.split() for line in table(4, found, names).splitlines()[2:]]
    assert [line[:2] for line in lines] == [["default", "localhost"], ["link-local", "0.0.0.0"], ["localhost", "0.0.0.0"]]
    numbers = [line.split()[:2] for line in table(4, found, None).splitlines()[2:]]
    assert numbers == [["0.0.0.0", "127.0.0.1"], ["169.254.0.0", "0.0.0.0"], ["127.0.0.1", "0.0.0.0"]]
