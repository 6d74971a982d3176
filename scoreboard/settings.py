"""What both stacks are given alike: addresses, buffers that no cell fills, and nothing that is not the default otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hythe.aio.host import DEFAULTS
from hythe.units import MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hythe.config import HostConfig

CLIENT: Final = "10.0.0.1"
SERVER: Final = "10.0.0.2"
PORT: Final = 8_080
#: Bytes that an application writes at once.
BLOCK: Final = 64 * 1_024
#: What it has written and TCP has not sent yet, at most about: asyncio's transports, and ours, pause there.
AHEAD: Final = 64 * 1_024
#: The largest product of rate and delay is half a megabyte, with a deep queue two: nobody is to wait for room.
BUFFER: Final = 8 * MIB
CONGESTION: Final = "cubic"

#: Linux, in its own network namespace: the same room, and no run that teaches the next (tcp_no_metrics_save). What
#: else counts is set to its default, whatever the machine has: ECN only if asked for, as hythe's "accept".
SYSCTLS: Final[Mapping[str, str]] = {
    "net.ipv4.tcp_rmem": f"4096 {BUFFER} {BUFFER}",
    "net.ipv4.tcp_wmem": f"4096 {BUFFER} {BUFFER}",
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.tcp_ecn": "2",
    "net.ipv4.tcp_mtu_probing": "0",
    "net.ipv4.tcp_slow_start_after_idle": "1",
}


def settings(paced: bool) -> HostConfig:
    """What programs get of hythe by default, with that room."""
    tcp = replace(
        DEFAULTS.tcp,
        receive_buffer=BUFFER,
        send_buffer_max=BUFFER,
        send_buffer_min=BUFFER,
        congestion=CONGESTION,
        pacing=paced,
    )
    return replace(DEFAULTS, tcp=tcp)
