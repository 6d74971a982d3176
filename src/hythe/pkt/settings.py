"""What a script sets before it begins: its ``--options``, and the sysctls of its shell lines as a stack's configuration."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from hythe.config import TcpConfig
from hythe.pkt.script import Script, ScriptError
from hythe.pkt.shell import METRICS, Setting
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
    #: Longer segments come in as super-segments of pieces that long, 0: as they are.
    mss: int = 0


def settings(script: Script) -> Settings:
    """The options of a script. Raises `ScriptError` for one that nobody knows."""
    chosen = Settings()
    if script.path.endswith("v6.pkt") and all(name != "ip_version" for _, name, _ in script.options):
        # Google's runner plays such files by IPv6 only, which they need not say.
        chosen = _version(chosen, "ipv6")
    for line, name, value in sorted(script.options, key=lambda option: option[1] != "ip_version"):
        if name not in _OPTIONS:
            raise ScriptError(script.path, line, f"expected one of --{', --'.join(sorted(_OPTIONS))}, found --{name}")
        try:
            chosen = _OPTIONS[name](chosen, value)
        except ValueError as error:
            raise ScriptError(script.path, line, f"expected a value that --{name} can have, found {value!r}") from error
    sizes = {len(chosen.local), len(chosen.remote), len(chosen.gateway)}
    if sizes != {4 if chosen.version == 4 else 16}:
        line = max((line for line, name, _ in script.options if name.endswith("_ip")), default=1)
        raise ScriptError(script.path, line, f"expected addresses of IPv{chosen.version}, as --ip_version says")
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


#: What changes nothing here: how packetdrill itself runs, and what is always so.
_IGNORED: Final = (
    "debug", "is_anyip", "non_fatal", "send_omit_free", "speed", "strict_segments", "tcp_ts_ecr_scaled",
    "tolerance_percent", "verbose",
)  # fmt: skip
_OPTIONS: Final[Mapping[str, Callable[[Settings, str], Settings]]] = MappingProxyType(
    {
        "ip_version": _version,
        "local_ip": _address("local"),
        "remote_ip": _address("remote"),
        "gateway_ip": _address("gateway"),
        "bind_port": _number("bind_port"),
        "connect_port": _number("connect_port"),
        "mss": _number("mss"),
        "mtu": _number("mtu"),
        "netmask_ip": lambda chosen, value: _with(chosen, "prefix", ipaddress.ip_network(f"0.0.0.0/{value}").prefixlen),
        **dict.fromkeys(_IGNORED, lambda chosen, _: chosen),
        "tolerance_usecs": _number("tolerance", MICROSECOND),
        "tcp_ts_tick_usecs": _number("ts_tick", MICROSECOND),
    }
)


# --- Sysctls


def configure(config: TcpConfig, setting: Setting) -> TcpConfig:
    """`config` as a sysctl would have it. Raises `ScriptError` for one that hythe has no counterpart to."""
    path, line, name, value, _ = setting
    short = name.removeprefix("net.ipv4.")
    if short in _WITHOUT_EFFECT or name == METRICS:
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
    """tcp_rmem: least, default, most; half of a buffer is window (tcp_adv_win_scale 1), but the scale tells of all of it.

    Of a power of two it is one more than needed, or nearly.
    """
    _, default, most = (int(each) for each in value.split())
    return {"receive_buffer": default // 2, "receive_buffer_max": most + (not most & (most - 1))}


def _send_memory(value: str) -> dict[str, Any]:
    _, default, most = (int(each) for each in value.split())
    return {"send_buffer_min": min(default, most), "send_buffer_max": most}


def _only(value: str) -> Callable[[str], dict[str, Any]]:
    """What hythe does in one way: a script may say so."""

    def check(given: str) -> dict[str, Any]:
        if given != value:
            raise ValueError(given)
        return {}

    return check


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
        "tcp_dsack": _only("1"),
        "tcp_abort_on_overflow": _only("0"),
        "tcp_plb_enabled": _only("0"),
        "tcp_reflect_tos": _only("0"),
        "tcp_shrink_window": _only("0"),
        "tcp_thin_linear_timeouts": _only("0"),
        "tcp_mtu_probing": _flag("mtu_probing"),
        "tcp_slow_start_after_idle": _flag("idle_restart"),
        "tcp_ecn": lambda value: {"ecn": {"0": "off", "1": "on", "2": "accept"}.get(value, value)},
        "tcp_frto": _flag("frto"),
        "tcp_recovery": _flag("rack"),
        "tcp_early_retrans": _flag("tail_probes"),
        "tcp_reordering": _count("dup_threshold"),
        "tcp_congestion_control": lambda value: {"congestion": value},
        "tcp_rmem": _receive_memory,
        "tcp_wmem": _send_memory,
        "tcp_rto_min_us": _count("rto_min", MICROSECOND),
        "tcp_rto_max_ms": _count("rto_max", MILLISECOND),
    }
)
#: Those that Linux's connections look up whenever they need them; the others count for sockets made later.
LIVE: Final = frozenset(
    f"net.ipv4.tcp_{each}"
    for each in ("early_retrans", "frto", "invalid_ratelimit", "orphan_retries", "recovery", "retries2")
)
#: Settings of things that hythe does in one way only, so that a script which sets them as they are may run.
_WITHOUT_EFFECT: Final = frozenset(
    f"tcp_{each}"
    for each in (
        "autocorking", "base_mss", "comp_sack_delay_ns", "comp_sack_nr", "ecn_fallback", "ecn_option", "fack",
        "fastopen", "fastopen_cookies", "fastopen_blackhole_timeout_sec", "fastopen_key", "limit_output_bytes",
        "low_latency", "max_reordering", "max_syn_backlog", "max_tw_buckets", "tw_reuse", "challenge_ack_limit",
        "min_rtt_wlen", "min_tso_segs", "moderate_rcvbuf", "no_metrics_save", "notsent_lowat", "pacing_ca_ratio",
        "pacing_ss_ratio", "rfc1337", "syn_linear_timeouts", "syncookies", "tso_rtt_log", "tso_win_divisor",
    )
)  # fmt: skip
