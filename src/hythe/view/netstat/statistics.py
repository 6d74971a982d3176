"""The counters of the protocols (/proc/net/snmp, netstat, snmp6; RFC 4293, 4022, 4113), and the totals of sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from hythe.view.netstat.phrases import ALWAYS, PHRASES, SETTINGS
from hythe.view.netstat.table import as_json as to_json

if TYPE_CHECKING:
    from hythe.session.model import Totals
    from hythe.view.netstat.sockets import Wanted

#: Where the kernel writes them.
_PLACE: Final = "/proc/net"
#: Sections of snmp6, by how its counters begin; the longest first.
_SECTIONS6: Final = ("UdpLite6", "Icmp6", "Udp6", "Ip6")

Counters = dict[str, dict[str, int]]


def statistics(families: Iterable[int], protocols: Iterable[str] = ("tcp", "udp"), place: str = _PLACE) -> Counters:
    """The counters of this network namespace, by section and name as the kernel has them."""
    found: Counters = {}
    if 4 in families:
        found = _pairs(_lines(f"{place}/snmp")) | _pairs(_lines(f"{place}/netstat"))
    if 6 in families:
        found |= _named(_lines(f"{place}/snmp6"))
        if 4 not in families:  # TCP's are of both
            found |= {"Tcp": _pairs(_lines(f"{place}/snmp")).get("Tcp", {})}
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
    found: Counters = {}
    for line in lines:
        name, number = line.split()
        section = next(each for each in _SECTIONS6 if name.startswith(each))
        found.setdefault(section, {})[name.removeprefix(section)] = int(number)
    return found


def _lines(path: str) -> list[str]:
    """None where the kernel does not have that."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def report(wanted: Wanted, sessions: Mapping[str, Totals], *, machine: bool, as_json: bool) -> str:
    """Each section in net-tools' phrases, then each session; or an object of objects with the kernel's names."""
    found = statistics(wanted.families, wanted.protocols) if machine else {}
    totals = {name: asdict(each) for name, each in sessions.items()}
    if as_json:
        return to_json({"kernel": found, "sessions": totals}) + "\n"
    text = phrased(found)
    for name, each in totals.items():
        text += f"Session {name}:\n" + "".join(
            f"    {field.replace('_', ' ')}: {number}\n" for field, number in each.items()
        )
    return text


def phrased(found: Mapping[str, Mapping[str, int]]) -> str:
    """The kernel's counters as net-tools' netstat prints them."""
    return "".join(f"{line}\n" for section, counters in found.items() for line in _section(section, counters))


def _section(title: str, counters: Mapping[str, int]) -> Iterator[str]:
    """Lines of one section; a counter that is 0 has none, as a rule, but a histogram always has its heading."""
    yield f"{title}:"
    phrases, always = PHRASES.get(title, {}), ALWAYS.get(title, ())
    histogram = ""
    for name, number in counters.items():
        phrase = phrases.get(name)
        way = ""
        if title.startswith("Icmp") and phrase and phrase.endswith("{}"):
            way = "input" if name.startswith("In") else "output"
            if way != histogram:
                histogram = way
                yield f"    ICMP {way} histogram:"
        if (number or name in always) and (title, name) not in SETTINGS:
            text = phrase.format(number) if phrase else f"{title if title in _SECTIONS6 else ''}{name}: {number}"
            yield f"        {text}" if way else f"    {text}"
