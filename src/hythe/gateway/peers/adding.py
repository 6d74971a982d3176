"""A peer more: its section in the server's file, and the file that it takes home.

The server's file is written anew beside itself and then takes its place, so that nobody ever reads half of it and what was
written by hand, comments included, stays. Whoever adds another at the same time waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.tunnel.wireguard.config import MTU_DEFAULT, Configuration, Endpoint, Interface, read
from hythe.tunnel.wireguard.keys import KEY_SIZE, clamp, key_text, public_key

_NAME: Final = re.compile(r"[^\s\[\]#=][^\n\[\]#=]{0,63}")
#: Addresses looked at for a free one.
_TRIED: Final = 65_536
#: An address of nobody (RFC 5737, 3; RFC 3849): connecting to it tells which address of ours leads out.
_NOBODY: Final = (("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))


def add_peer(path: str, name: str, endpoint: str | None, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """Add the peer `name` to the file `path`; the text of its own file. `endpoint`: where the server is reached.

    None makes one of this machine's address and the file's ListenPort. Raises `UsageError`, `MachineError`.
    """
    if not _NAME.fullmatch(name) or name != name.strip():
        raise UsageError(f"{name!r} cannot name a peer: write up to 64 letters and digits")
    path = os.path.realpath(path)
    with _locked(path):
        server = read(path)
        where = _endpoint(server, endpoint)
        if any(each.name == name for each in server.peers):
            raise UsageError(f"{path} has a peer {name!r} already: choose another name, or remove that one")
        addresses = [_free(server, each) for each in server.addresses]
        if not addresses:
            raise UsageError(f"{path}: [Interface] has no Address, so there is none to give: add Address = 10.7.0.1/24")
        private, shared = clamp(entropy(KEY_SIZE)), entropy(KEY_SIZE)
        allowed = ", ".join(str(each.network) for each in addresses)
        section = (
            f"\n# {name}\n[Peer]\nPublicKey = {key_text(public_key(private))}\n"
            f"PresharedKey = {key_text(shared)}\nAllowedIPs = {allowed}\n"
        )
        _append(path, section)
    mtu = f"MTU = {server.mtu}\n" if server.mtu != MTU_DEFAULT else ""
    given = ", ".join(f"{each.ip}/{own.network.prefixlen}" for each, own in zip(addresses, server.addresses, strict=True))
    return (
        f"# {name}\n[Interface]\nPrivateKey = {key_text(private.reveal())}\nAddress = {given}\n"
        f"DNS = {', '.join(str(each.ip) for each in server.addresses)}\n{mtu}"
        f"\n[Peer]\nPublicKey = {key_text(server.public_key)}\nPresharedKey = {key_text(shared)}\n"
        f"Endpoint = {where}\nAllowedIPs = 0.0.0.0/0, ::/0\nPersistentKeepalive = 25\n"
    )


def _endpoint(server: Configuration, text: str | None) -> Endpoint:
    """Where the server is reached, by what was written or by what this machine knows of itself."""
    host, port = _split(text) if text else (_outward(), "")
    if not port and not server.listen_port:
        raise UsageError(
            f"{server.source}: [Interface] has no ListenPort, so peers cannot know where to send: add ListenPort = 51820"
        )
    number = int(port) if port.isascii() and port.isdecimal() else 0
    if port and not 0 < number < 65_536:
        raise UsageError(f"--endpoint {text}: {port!r} is not a port: write HOST, HOST:PORT or [ADDRESS]:PORT")
    if not host or any(each.isspace() or each in "#[]=" for each in host):
        raise UsageError(f"--endpoint {text!r} names no host: write HOST, HOST:PORT or [ADDRESS]:PORT")
    return Endpoint(host, number or server.listen_port)


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def _outward() -> str:
    """The address that this machine sends from."""
    for address, family in _NOBODY:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    raise MachineError(
        "this machine has no route to anywhere, so peers cannot know where it is: say it with --endpoint HOST"
    )


def _free(server: Configuration, own: Interface) -> Interface:
    """The first address of the network of `own` that nobody has."""
    network = own.network
    first, last = int(network.network_address), int(network.broadcast_address)
    taken = [each for peer in server.peers for each in peer.allowed_ips if each.version == own.version and each.prefixlen]
    for number in range(first + 1, min(last, first + _TRIED)):
        address = type(own.ip)(number)
        if address != own.ip and not any(address in each for each in taken):
            return ipaddress.ip_interface(address)
    raise UsageError(f"{server.source}: {network} has no address left for another peer: make the network of Address wider")


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Nobody else adds to the file meanwhile: the lock is its directory's, for the file itself is replaced."""
    try:
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MachineError(f"{path} cannot be changed ({error.strerror}): name the server's configuration") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _append(path: str, section: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            text, found = file.read(), os.fstat(file.fileno())
        handle, beside = tempfile.mkstemp(dir=os.path.dirname(path), prefix=f".{os.path.basename(path)}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                os.fchmod(out.fileno(), found.st_mode & 0o7777)
                with contextlib.suppress(PermissionError):  # another's file in a directory of ours
                    os.fchown(out.fileno(), found.st_uid, found.st_gid)
                out.write(text if text.endswith("\n") or not text else f"{text}\n")
                out.write(section)
                out.flush()
                os.fsync(out.fileno())
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise MachineError(
            f"{path} cannot be written ({error.strerror}): another file takes its place, so its directory must be writable"
        ) from error
