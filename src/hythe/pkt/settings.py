"""What a script sets before it begins: its ``--options``, and the sysctls of its shell lines as a stack's configuration."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from hythe.config import TcpConfig
from hythe.pkt.script import Script, ScriptError, Shell
from hythe.units import MICROSECOND, MILLISECOND, SECOND

#: Ours, the peer's, the next hop's.
_ADDRESSES6: Final = ("fd3d:fa7b:d17d::1", "2001:db8::1", "fd3d:fa7b:d17d::2")


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses, packed, of the two ends; and how exactly times are held against the script (nanoseconds)."""

    version: int = 4
    local: bytes = ipaddress.ip_address("192.168.0.1").packed
    remote: bytes = ipaddress.ip_address("192.0.2.1").packed
    prefix: int = 16
    gateway: bytes = ipaddress.ip_address("192.168.0.2").packed
    bind_port: int = 8_080
    connect_port: int = 8_080
    mtu: int = 1_500
    tolerance: int | None = None
    #: Length of a tick of TSval, 0: the values are not looked at.
    ts_tick: int = 0


def settings(script: Script) -> Settings:
    """The options of a script. Raises `ScriptError` for one that nobody knows."""
    chosen = Settings()
    for line, name, value in script.options:
        if name not in _OPTIONS:
            raise ScriptError(script.path, line, f"expected one of --{', --'.join(sorted(_OPTIONS))}, found --{name}")
        try:
            chosen = _OPTIONS[name](chosen, value)
        except ValueError as error:
            raise ScriptError(script.path, line, f"expected a value that --{name} can have, found {value!r}") from error
    return chosen


def _version(chosen: Settings, value: str) -> Settings:
    if value == "ipv4":
        return chosen
    if value != "ipv6":
        raise ValueError(value)
    local, remote, gateway = (
        ipaddress.ip_address(each).packed for each in ("fd3d:fa7b:d17d::1", "2001:db8::1", "fd3d:fa7b:d17d::2")
    )
    return replace(chosen, version=6, local=local, remote=remote, gateway=gateway, prefix=48)


def _with(chosen: Settings, field: str, value: Any) -> Settings:
    return replace(chosen, **{field: value})


def _address(field: str) -> Callable[[Settings, str], Settings]:
    return lambda chosen, value: _with(chosen, field, ipaddress.ip_address(value).packed)


def _number(field: str, scale: int = 1) -> Callable[[Settings, str], Settings]:
    return lambda chosen, value: _with(chosen, field, int(value) * scale)


_OPTIONS: Final[Mapping[str, Callable[[Settings, str], Settings]]] = MappingProxyType(
    {
        "ip_version": _version,
        "local_ip": _address("local"),
        "remote_ip": _address("remote"),
        "gateway_ip": _address("gateway"),
        "bind_port": _number("bind_port"),
        "connect_port": _number("connect_port"),
        "mtu": _number("mtu"),
        "tolerance_usecs": _number("tolerance", MICROSECOND),
        "tcp_ts_tick_usecs": _number("ts_tick", MICROSECOND),
    }
)


# --- Shell lines


def sysctls(path: str, line: int, text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of each setting in a shell line. Raises `ScriptError` for a line that does anything else."""
    for command in filter(None, (part.strip() for each in text.splitlines() for part in each.split(";"))):
        try:
            words = shlex.split(command, comments=True)
        except ValueError as error:
            raise ScriptError(path, line, f"expected a shell line whose quotes end, found {command!r}") from error
        if not words:
            continue
        given = [word for word in words[1:] if not word.startswith("-")]
        if words[0] != "sysctl" or not given:
            raise ScriptError(path, line, f"expected sysctl NAME=VALUE in a shell line, found {command!r}")
        for word in given:
            name, equals, value = word.partition("=")
            if not equals:
                raise ScriptError(path, line, f"expected NAME=VALUE behind sysctl, found {word!r}")
            yield name.strip().replace("/", "."), value.strip()


def all_sysctls(script: Script) -> Iterator[tuple[int, str, str]]:
    """(line, name, value) of every setting of a script."""
    for event in script.events:
        if isinstance(event.action, Shell):
            for name, value in sysctls(script.path, event.line, event.action.text):
                yield event.line, name, value


def configure(config: TcpConfig, path: str, line: int, name: str, value: str) -> TcpConfig:
    """`config` as the sysctl `name` would have it. Raises `ScriptError` for one that hythe has no counterpart to."""
    short = name.removeprefix("net.ipv4.")
    if short in _WITHOUT_EFFECT:
        return config
    if short not in _SYSCTLS:
        known = ", ".join(sorted(_SYSCTLS))
        raise ScriptError(path, line, f"expected a sysctl that hythe has too (net.ipv4. and one of {known}), found {name}")
    try:
        return replace(config, **_SYSCTLS[short](value))
    except ValueError as error:
        raise ScriptError(path, line, f"expected a value that {name} can have, found {value!r}") from error


def _flag(field: str) -> Callable[[str], dict[str, Any]]:
    return lambda value: {field: int(value, 0) != 0}


def _count(field: str, scale: int = 1) -> Callable[[str], dict[str, Any]]:
    return lambda value: {field: int(value, 0) * scale}


def _receive_memory(value: str) -> dict[str, Any]:
    """tcp_rmem: least, default, most; half of a buffer is window (tcp_adv_win_scale 1)."""
    _, default, most = (int(each) for each in value.split())
    return {"receive_buffer": default // 2, "receive_buffer_max": most // 2}


def _send_memory(value: str) -> dict[str, Any]:
    _, default, most = (int(each) for each in value.split())
    return {"send_buffer_min": min(default, most), "send_buffer_max": most}


_SYSCTLS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = MappingProxyType(
    {
        "tcp_sack": _flag("sack"),
        "tcp_timestamps": _flag("timestamps"),
        "tcp_window_scaling": _flag("window_scaling"),
        "tcp_syn_retries": _count("syn_retries"),
        "tcp_synack_retries": _count("synack_retries"),
        "tcp_retries2": _count("retries"),
        "tcp_orphan_retries": _count("orphan_retries"),
        "tcp_keepalive_time": _count("keepalive_idle", SECOND),
        "tcp_keepalive_intvl": _count("keepalive_interval", SECOND),
        "tcp_keepalive_probes": _count("keepalive_probes"),
        "tcp_fin_timeout": _count("fin_wait_2", SECOND),
        "tcp_invalid_ratelimit": _count("challenge_ack_interval", MILLISECOND),
        "tcp_ecn": lambda value: {"ecn": {"0": "off", "1": "on", "2": "accept"}.get(value, value)},
        "tcp_frto": _flag("frto"),
        "tcp_recovery": _flag("rack"),
        "tcp_early_retrans": _flag("tail_probes"),
        "tcp_fastopen": _flag("fast_open"),
        "tcp_reordering": _count("dup_threshold"),
        "tcp_congestion_control": lambda value: {"congestion": value},
        "tcp_rmem": _receive_memory,
        "tcp_wmem": _send_memory,
        "tcp_rto_min_us": _count("rto_min", MICROSECOND),
    }
)
#: Settings of things that hythe does in one way only, so that a script which sets them as they are may run.
_WITHOUT_EFFECT: Final = frozenset(
    {"tcp_min_tso_segs", "tcp_no_metrics_save", "tcp_tso_win_divisor", "tcp_syncookies", "tcp_syn_linear_timeouts"}
)
