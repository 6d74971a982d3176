"""The counters beside Debian's `netstat -s`, where both read the same files in the place of the kernel's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hythe.view.netstat.phrases import PHRASES
from hythe.view.netstat.statistics import phrased, statistics
from tests import needs

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

#: Older kernels had these, net-tools knows them.
OLDER = {section: tuple(names) for section, names in PHRASES.items()}


def numbers(text: str, number: Callable[[], int]) -> str:
    """Two lines a section, as /proc/net/snmp has them: all that this kernel counts or net-tools knows, in new numbers."""
    lines = []
    for line in text.splitlines()[::2]:
        section, _, rest = line.partition(": ")
        names = dict.fromkeys((*rest.split(), *OLDER.get(section, ())))
        lines += [f"{section}: {' '.join(names)}", f"{section}: {' '.join(str(number()) for _ in names)}"]
    return "\n".join(lines) + "\n"


def numbers6(text: str, number: Callable[[], int]) -> str:
    """One line a counter, as /proc/net/snmp6 has them."""
    names = dict.fromkeys(line.split()[0] for line in text.splitlines())
    return "".join(f"{name:32}\t{number()}\n" for name in names)


def net_tools(place: Path, *options: str) -> list[str]:
    """Return what Debian's netstat makes of the files in `place`."""
    script = 'mount -t tmpfs none /proc && mkdir /proc/net && cp "$0"/* /proc/net && exec netstat "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(place), *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=needs.clean_environment(LC_ALL="C"),
    )
    return [line.strip() for line in done.stdout.splitlines()]  # its indentation is not always what it means


def ours(place: Path, *families: int) -> list[str]:
    return [line.strip() for line in phrased(statistics(families, place=str(place))).splitlines()]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_counters_are_told_as_net_tools_does(share: float, rng: Random, tmp_path: Path) -> None:
    """All 0, some, none."""
    needs.userns()
    for name in ("netstat", "unshare"):
        needs.program(name)

    def number() -> int:
        return rng.randrange(1, 1 << 40) if rng.random() < share else 0

    for name, make in (("snmp", numbers), ("netstat", numbers), ("snmp6", numbers6)):
        (tmp_path / name).write_text(make(Path("/proc/net", name).read_text(encoding="ascii"), number), encoding="ascii")
    expected = net_tools(tmp_path, "-s", "-4")
    assert ours(tmp_path, 4) == expected
    assert len(expected) > (300 if share == 1.0 else 30)
    assert ours(tmp_path, 6) == net_tools(tmp_path, "-s", "-6")
    both = ours(tmp_path, 4, 6)
    assert both[: len(expected)] == expected
    assert both.count("Tcp:") == both.count("Ip6:") == 1


def test_a_protocol_alone(tmp_path: Path) -> None:
    for name, text in (
        ("snmp", "Ip: InReceives\nIp: 7\nTcp: InSegs\nTcp: 8\nUdp: InDatagrams\nUdp: 9\n"),
        ("netstat", "TcpExt: TW New\nTcpExt: 1 2\n"),
        ("snmp6", "Ip6InReceives 3\nUdp6InDatagrams 4\n"),
    ):
        (tmp_path / name).write_text(text, encoding="ascii")
    place = str(tmp_path)
    assert phrased(statistics((4, 6), ("tcp",), place)) == (
        "Tcp:\n    8 segments received\nTcpExt:\n    1 TCP sockets finished time wait in fast timer\n    New: 2\n"
    )
    assert phrased(statistics((6,), ("udp",), place)) == "Udp6:\n    4 packets received\n"
    assert list(statistics((6,), ("tcp",), place)) == ["Tcp"]
    assert statistics((4, 6), ("tcp", "udp"), str(tmp_path / "nowhere")) == {}
