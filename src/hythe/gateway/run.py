"""`hythe run`: one command, its room, its gateway, from fork to exit status.

Start-up is part of what it promises, so the room is forked before the stack is imported: the child sets up the namespace
while the parent reads its own modules.
"""

from __future__ import annotations

from hythe.gateway.layout import Layout
from hythe.gateway.namespace import NetworkPlan, Room
from hythe.gateway.options import RunOptions


def run(options: RunOptions) -> int:
    """Run the command; its exit status. Raises `UsageError`, `MachineError`."""
    layout = Layout(options)
    plan = NetworkPlan(
        mtu=options.mtu,
        ipv4=layout.ipv4.addressing if layout.ipv4 else None,
        ipv6=layout.ipv6.addressing if layout.ipv6 else None)
    room = Room.begin(plan, options.argv, wait=options.wait)
    try:
        from hythe.gateway.attend import attend  # beside the child's set-up

        return attend(room, layout, options)
    finally:
        room.close()
