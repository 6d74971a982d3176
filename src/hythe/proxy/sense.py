"""What only the whole of a configuration shows: settings that do not go together."""

from __future__ import annotations

import re
from typing import Final

from hythe.errors import UsageError
from hythe.proxy.access import canonical
from hythe.proxy.config import EntryConfig, MapConfig, ProxyConfig
from hythe.proxy.kinds import Listen, destination
from hythe.proxy.lines import Path
from hythe.proxy.users import parse_hash
from hythe.session.places import check_name
from hythe.via.patterns import normal

#: Of entries.
_KINDS: Final = ("map", "socks", "http")


class Mistake(Exception):  # noqa: N818 - its reader makes an error of it
    """A sentence, and where it belongs."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path


def check(config: ProxyConfig) -> None:
    """Raises `Mistake` for the first one."""
    if not (config.map or config.socks or config.http or config.transparent):
        words = "nothing is to be listened on: write a [[map]], [[socks]] or [[http]], or [transparent] for --proxy"
        raise Mistake((), words)
    if config.transparent is not None:
        _check_way(("transparent",), source=config.transparent.source, via=bool(config.transparent.via))
    _check_ports(config)
    _check_tunnels(config)
    for number, each in enumerate(config.map):
        _check_destinations(("map", number, "to"), each.to, udp=each.listen.udp)
        _check_way(("map", number), source=each.source, via=bool(each.via))
        if each.listen.udp and each.check:
            raise Mistake(("map", number, "check"), "UDP has no connections that could be tried: leave check out")
        _check_stages(("map", number), each)
    for kind in ("socks", "http"):
        for number, entry in enumerate(getattr(config, kind)):
            _check_way((kind, number), source=entry.source, via=bool(entry.via))
            if entry.listen.udp:
                raise Mistake(
                    (kind, number, "listen"), "a proxy listens on TCP: leave /udp out (SOCKS opens its own UDP ports)"
                )
            if entry.certificate and kind == "socks":
                raise Mistake((kind, number, "certificate"), "SOCKS has no TLS: leave it out, or map a port that has")
            if entry.key and not entry.certificate:
                raise Mistake((kind, number, "key"), "it belongs to a certificate: name that as well, or leave key out")
            if entry.login and not config.users:
                raise Mistake((kind, number, "login"), "there is nobody who could log in: add [users]")
    _check_circles(config)
    for name, word in config.users.items():
        try:
            parse_hash(word)
        except UsageError as error:
            raise Mistake(("users", name), str(error)) from error
        if not name or ":" in name or len(name.encode()) > 255:
            raise Mistake(("users", name), "a user's name has 1 to 255 bytes and no colon (RFC 1929, RFC 7617)")
    for number, rule in enumerate(config.rule):
        for user in rule.users:
            if user not in config.users:
                raise Mistake(("rule", number, "users"), f"there is no user {user!r}: add one to [users]")
    try:
        check_name(config.name)
    except UsageError as error:
        raise Mistake(("name",), str(error).removeprefix("--name ")) from error


def _check_ports(config: ProxyConfig) -> None:
    taken: dict[tuple[str, int, bool], str] = {}
    for kind in _KINDS:
        for number, each in enumerate(getattr(config, kind)):
            listen: Listen = each.listen
            place = (listen.address, listen.port, listen.udp)
            if listen.port and place in taken:
                raise Mistake((kind, number, "listen"), f"{listen.text} is taken by {taken[place]}: choose another port")
            if config.workers > 1 and not listen.port:
                raise Mistake((kind, number, "listen"), "several workers cannot share a port that each picks: name one")
            taken[place] = f"[[{kind}]] {number + 1}"


def _check_circles(config: ProxyConfig) -> None:
    """Ways that come back to a port of ours: nobody would be reached by them, and everybody kept waiting."""
    entries = [(kind, number, each) for kind in _KINDS for number, each in enumerate(getattr(config, kind))]
    leads = [[other for other, (_, _, to) in enumerate(entries) if _leads(each, to.listen)] for _, _, each in entries]
    for start, (kind, number, each) in enumerate(entries):
        reached, new = set[int](), {start}
        while new:
            new = {other for one in new for other in leads[one]} - reached
            reached |= new
        if each.via and start in reached:
            raise Mistake((kind, number, "via"), "this way leads back to this port: name another proxy, or leave via out")


def _leads(entry: MapConfig | EntryConfig, listen: Listen) -> bool:
    """Does it lead to that port of ours, as far as can be told from what is written?"""
    if listen.udp or entry.listen.udp:
        return False
    if entry.via:
        ends = [(hop.host, hop.port) for route in entry.via for hop in route.hops]
    elif isinstance(entry, MapConfig):
        ends = [(to.host, to.port) for to in map(destination, entry.to)]
    else:
        return False
    own = _here(listen.address or "localhost")
    return any(port == listen.port and (listen.address == "*" or _here(host) == own) for host, port in ends)


def _here(host: str) -> str:
    """An address in one form, which is nothing for loopback."""
    meant = normal(canonical(host))
    if isinstance(meant, str):
        return "" if meant == "localhost" else meant
    return "" if meant.is_loopback or meant.is_unspecified else str(meant)


def _check_tunnels(config: ProxyConfig) -> None:
    """Each process would be the same peer, and take the others' session away."""
    for kind in _KINDS:
        for number, each in enumerate(getattr(config, kind)):
            if config.workers > 1 and any(hop.scheme == "wg" for route in each.via for hop in route.hops):
                raise Mistake((kind, number, "via"), "several workers cannot be one end of a tunnel: leave workers out")


def _check_destinations(path: Path, texts: tuple[str, ...], *, udp: bool) -> None:
    for each in texts:
        try:
            destination(each, "udp" if udp else "tcp")
        except UsageError as error:
            raise Mistake(path, str(error)) from error


#: What only a TCP port may have.
_STREAMS: Final = ("proxied", "certificate", "key", "proxy_protocol", "tls", "authorities", "names", "ftp")
#: What FTP cannot be followed through.
_AROUND: Final = ("proxied", "certificate", "proxy_protocol", "tls", "names")


def _check_stages(path: Path, each: MapConfig) -> None:
    for name in _STREAMS:
        if each.listen.udp and getattr(each, name):
            raise Mistake((*path, name), "this is for TCP: leave it out, or /udp")
    for name in _AROUND:
        if each.ftp and getattr(each, name):
            raise Mistake((*path, name), "FTP that is to be followed comes and goes as it is: leave this or ftp out")
    if each.names and each.certificate:
        raise Mistake((*path, "names"), "names are for TLS that is not decrypted here: leave this or certificate out")
    for needed, name in (("certificate", "key"), ("tls", "authorities")):
        if getattr(each, name) and not getattr(each, needed):
            raise Mistake((*path, name), f"it belongs to {needed}: write that as well, or leave {name} out")
    for name, to in each.names.items():
        if not re.fullmatch(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", name):
            raise Mistake((*path, "names"), f"{name!r} is no name: write for example mail.example.com or *.example.com")
        _check_destinations((*path, "names", name), (to,), udp=False)


def _check_way(path: Path, *, source: str, via: bool) -> None:
    if source and via:
        raise Mistake((*path, "source"), "a way out has a source of its own: leave source or via out")
