"""The smallest `hythe run`: a room, signals sent on, the command's exit status. Nobody is behind the device.

    driver.py OPTIONS COMMAND [ARG...]

OPTIONS is JSON: `wait`, `mtu`, `ipv6` (false for none), `resolv_conf`, `hidden`; `warn` prints warnings.
"""

from __future__ import annotations

import json
import signal
import sys

from hythe.errors import HytheError
from hythe.gateway.namespace import (
    FORWARDED_SIGNALS,
    Addressing,
    NetworkPlan,
    Room,
    machine_networks,
    pick_prefix6,
    pick_subnet4,
)


def plan(
    *, mtu: int = 65_520, ipv6: bool = True, resolv_conf: str | None = None, hidden: tuple[str, ...] = ()
) -> NetworkPlan:
    used = machine_networks()
    network4, prefix4 = pick_subnet4(used)
    network6, prefix6 = pick_prefix6(used)
    return NetworkPlan(
        mtu=mtu,
        ipv4=Addressing(network4[:-1] + b"\2", prefix4, network4[:-1] + b"\1"),
        ipv6=Addressing(network6[:-1] + b"\2", prefix6, network6[:-1] + b"\1") if ipv6 else None,
        resolv_conf=resolv_conf,
        hidden=hidden,
    )


def main() -> int:
    options = json.loads(sys.argv[1])
    wait = options.pop("wait", False)
    warn = options.pop("warn", False)
    with Room.begin(plan(**options), sys.argv[2:], wait=wait) as room:
        for signum in FORWARDED_SIGNALS:
            signal.signal(signum, lambda number, _: room.signal(number))
        room.ready()
        for warning in room.warnings if warn else ():
            print(f"hythe: {warning}", file=sys.stderr, flush=True)
        room.go()
        return room.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HytheError as problem:
        print(f"hythe: {problem}", file=sys.stderr)
        sys.exit(1)
