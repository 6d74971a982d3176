"""The room a command runs in: user, network, mount and PID namespace, with a TUN device whose other end is ours.

Theory of operation. Four processes, each the parent of the next:

    hythe      `Room` (room.py): the stack; holds the TUN descriptor and the control socket
    keeper     keeper.py: makes the namespaces and the network, then looks after the terminal (job control needs
               process ids of the machine, so it stays in the machine's PID namespace) and passes the exit status on
    init       init.py: process 1 of the PID namespace; covers files (mounts.py), reaps, forwards signals
    command    command.py: waits for `Room.go`, then `exec`

`Room.begin` forks at once and returns, so that the parent's own imports run beside the set-up; `Room.ready` collects
the result. Everything that can fail because a machine forbids it becomes one sentence (remedies.py), sent over the
control socket and raised by `Room.ready`.

Nothing is left behind, whoever dies first: the keeper asks the kernel to be killed with hythe, init with the keeper
(each checks afterwards that it did not ask too late), and when init goes the kernel kills all of its PID namespace.
Init ends as well when the control socket closes. Device, addresses and mounts belong to the namespaces and go with
the last process and descriptor; files exist only on a tmpfs of the mount namespace.

Everything here is imported before or beside the set-up, which is most of the start-up time of `hythe run`: hence no
dataclasses, `ipaddress`, `subprocess` or `asyncio` in this package.
"""

from hythe.gateway.namespace.plan import Addressing, NetworkPlan
from hythe.gateway.namespace.room import FORWARDED_SIGNALS, Room
from hythe.gateway.namespace.subnets import machine_networks, pick_prefix6, pick_subnet4

__all__ = [
    "FORWARDED_SIGNALS",
    "Addressing",
    "NetworkPlan",
    "Room",
    "machine_networks",
    "pick_prefix6",
    "pick_subnet4",
]
