"""SSH behind a face of our own: asyncssh does the protocol, this folder what carrying much through it takes.

`client` connects, with host keys that are known or asked about (`hostkeys`); `server` is a forward-only sshd. A channel's
bytes go between it and a socket (`splice`) by a path of our own (`connection`, `records`), whose windows follow the path
(`window`). `datagrams` carries UDP to another hythe.
"""

from __future__ import annotations

from hythe.errors import MachineError

try:
    import asyncssh  # noqa: F401 - all that is here needs it, and whoever imports it gets one sentence where it is missing
except ModuleNotFoundError as error:
    raise MachineError(f"SSH needs the package {error.name}: pip install 'hythe[tunnel]'") from error
