"""The error tree.

Three kinds, by who can do something about them. `ParseError`: bytes from a wire are not what they claim to be; it never
leaves the host, which counts and drops. `UsageError` and `MachineError`: a person can mend it, so the message is one
sentence that says what is wrong, where, and what to do. The connection errors are the built-ins that asyncio programs
already catch, carrying both endpoints of the socket pair.

What the far side does wrong is never an exception below `hythe.aio`.
"""

from __future__ import annotations

import errno
import os


class HytheError(Exception):
    """Anything hythe raises on purpose that is not a built-in connection error."""


class ParseError(HytheError, ValueError):
    """Bytes that cannot be read as the header they should be. The only error a parser in `hythe.wire` raises."""


class UsageError(HytheError, ValueError):
    """What was asked for is not well formed; the command line ends with status 2."""


class MachineError(HytheError, RuntimeError):
    """This machine lacks something or forbids it; the message says what and the remedy. Status 1."""


class UnknownError(HytheError, LookupError):
    """What was asked about is not there, or no more."""


#: How a connection ended against its owner's will, as an errno (`Connection.error`), and in words.
FAILURES = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by peer",
    errno.ECONNABORTED: "connection aborted",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EACCES: "administratively prohibited",
}


def connection_error(number: int, local: str, remote: str) -> OSError:
    """The built-in exception for *number* (ConnectionRefusedError for ECONNREFUSED, TimeoutError for ETIMEDOUT, …).

    `local` and `remote` are the endpoints as text, for the message. Source: the mapping of PEP 3151.
    """
    words = FAILURES.get(number) or os.strerror(number).lower()
    return OSError(number, f"{words} ({local} -> {remote})")
