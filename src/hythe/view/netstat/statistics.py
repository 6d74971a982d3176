"""The counters of the protocols (/proc/net/snmp, netstat, snmp6; RFC 4293, 4022, 4113), and the totals of sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from hythe.view.netstat.table import as_json as to_json

if TYPE_CHECKING:
    from hythe.session.client import Session
    from hythe.view.netstat.sockets import Wanted

_FILES4: Final = ("/proc/net/snmp", "/proc/net/netstat")
_FILE6: Final = "/proc/net/snmp6"
#: Sections of snmp6, by how its counters begin; the longest first.
_SECTIONS6: Final = ("UdpLite6", "Icmp6", "Udp6", "Ip6")

Counters = dict[str, dict[str, int]]


def statistics(families: Iterable[int], protocols: Iterable[str] = ("tcp", "udp")) -> Counters:
    """The counters of this network namespace, by section and name as the kernel has them."""
    found: Counters = {}
    for path in _FILES4 if 4 in families else ():
        found |= _pairs(_lines(path))
    if 6 in families:
        found |= _named(_lines(_FILE6))
    if set(protocols) == {"tcp", "udp"}:
        return found
    return {section: each for section, each in found.items() if section.lower().startswith(tuple(protocols))}


def _pairs(lines: list[str]) -> Counters:
    """Two lines a section: names, and below them numbers."""
    found: Counters = {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=True):
        section, _, rest = names.partition(":")
        found[section] = dict(zip(rest.split(), map(int, numbers.split()[1:]), strict=True))
    return found


def _named(lines: list[str]) -> Counters:
    """One line a counter, the section in front of its name."""
    found: Counters = {section: {} for section in reversed(_SECTIONS6)}
    for line in lines:
        name, number = line.split()
        section = next(each for each in _SECTIONS6 if name.startswith(each))
        found[section][name.removeprefix(section)] = int(number)
    return found


def _lines(path: str) -> list[str]:
    """None where the kernel does not have that."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def report(wanted: Wanted, sessions: Iterable[Session], *, machine: bool, as_json: bool) -> str:
    """Each section with the counters that are not 0, then each session; or an object of objects with all of them."""
    found = statistics(wanted.families, wanted.protocols) if machine else {}
    totals = {each.name: asdict(each.about().totals) for each in sessions}
    if as_json:
        return to_json({"kernel": found, "sessions": totals}) + "\n"
    parts = [_section(section, counters) for section, counters in found.items()]
    return "".join(parts + [_section(f"Session {name}", each) for name, each in totals.items()])


def _section(title: str, counters: Mapping[str, int]) -> str:
    return f"{title}:\n" + "".join(f"    {name}: {number}\n" for name, number in counters.items() if number)
