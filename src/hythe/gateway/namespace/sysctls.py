"""Settings of the new network namespace, each written, read back, and missed with a sentence that says what for."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from hythe.gateway.namespace.plan import NetworkPlan

#: GID_T_MAX of net/ipv4/sysctl_net_ipv4.c: what the upper end of a ping_group_range may be.
_GID_MAX = 0x7FFF_FFFF


def apply(plan: NetworkPlan) -> list[str]:
    """Write the settings of `plan` through the /proc of the caller; a warning for each that did not take."""
    warnings = []
    for name, value, purpose in _wanted(plan):
        reason = _write(f"/proc/sys/{name.replace('.', '/')}", value)
        if reason is not None:
            warnings.append(f"{purpose} ({name} = {value}: {reason})")
    return warnings


def _wanted(plan: NetworkPlan) -> Iterator[tuple[str, str, str]]:
    if plan.congestion_control is not None:
        yield "net.ipv4.tcp_congestion_control", plan.congestion_control, "uploads will be slower than they could be"
    if plan.buffer_max is not None:
        for name, default in ("tcp_rmem", 131_072), ("tcp_wmem", 16_384):  # least and default as the kernel has them
            value = f"4096 {default} {plan.buffer_max}"
            yield f"net.ipv4.{name}", value, "a single connection will be slower than it could be where the delay is long"
    if plan.ping:
        low, high = _mapped_groups()
        yield "net.ipv4.ping_group_range", f"{low} {high}", "ping may not work"
    if plan.privileged_ports:
        yield "net.ipv4.ip_unprivileged_port_start", "0", "the command may not be able to use ports below 1024"
    for name, value in plan.sysctls:
        yield name, value, "a setting could not be made"


def _mapped_groups() -> tuple[int, int]:
    """The first run of group ids that exist in this user namespace: the range may name no others."""
    with open("/proc/self/gid_map", encoding="ascii") as file:
        first, _, count = (int(field) for field in file.readline().split())
    return first, min(first + count - 1, _GID_MAX)


def _write(path: str, value: str) -> str | None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
            found = os.pread(fd, 256, 0).decode()
        finally:
            os.close(fd)
    except OSError as error:
        return error.strerror
    return None if found.split() == value.split() else f"it reads {found.strip()}"
