"""Connect to an SSH server as ssh would: its configuration, keys, agent, certificates and known hosts.

Two steps, since what lies between may be a chain of ways: `prepare` reads ~/.ssh/config and the keys, and says where to
connect; `connect` speaks SSH on a socket that leads there.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

import asyncssh
from asyncssh.config import ConfigParseError
from asyncssh.connection import SSHClientConnectionOptions

from hythe.errors import FAILURES, MachineError, UsageError
from hythe.tunnel.ssh.connection import ClientConnection
from hythe.tunnel.ssh.hostkeys import GLOBAL_FILES, USER_FILES, HostKeys, ask_terminal, has_terminal, secret_terminal

#: Under these bulk goes our own way; behind them what older servers have. OpenSSH would begin with ChaCha20.
CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
COMPRESSED: Final = ("zlib@openssh.com", "zlib", "none")
PLAIN: Final = ("none", "zlib@openssh.com", "zlib")
#: Seconds between signs of life, and how many may go unanswered.
KEEPALIVE: Final = 15.0
KEEPALIVES: Final = 3
#: Seconds that greeting, keys and log-in may take.
LOGIN: Final = 60.0


class UnreachableError(MachineError):
    """There is no connection now; there may be one later."""


class RefusedError(MachineError):
    """The server or we ourselves refuse: trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for. None is what ~/.ssh/config says. `identities`: files of keys, instead of the usual ones.

    `asks`: may a person at the terminal be asked (an unknown host key, a passphrase, a password)? `config`: files instead of
    ~/.ssh/config.
    """

    host: str
    port: int | None = None
    user: str | None = None
    identities: tuple[str, ...] = ()
    compress: bool | None = None
    keepalive: float | None = None
    asks: bool = True
    config: tuple[str, ...] | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{f'{self.user}@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}"


class Prepared:
    """What `connect` needs. `host`, `port`: where to connect. `jump`: the servers in between, as ``ssh -J`` writes them."""

    def __init__(self, target: Target, options: SSHClientConnectionOptions, keys: HostKeys, locked: list[str]) -> None:
        self.target = target
        self.locked = locked  # keys whose passphrase nobody has given
        self.options = options
        self.keys = keys
        self.host: str = options.host
        self.port: int = options.port
        jump = options.tunnel
        self.jump = jump if isinstance(jump, str) and jump.lower() != "none" else ""

    @property
    def name(self) -> str:
        """The server, for people."""
        return f"{self.options.username}@{self.host} port {self.port}"


async def prepare(target: Target) -> Prepared:
    """Read what this machine knows of the target. Raises `UsageError`, `MachineError`."""
    given: dict[str, Any] = {"host": target.host, "gss_host": None, "x509_trusted_certs": None}
    if target.port is not None:
        given["port"] = target.port
    if target.user is not None:
        given["username"] = target.user
    given["config"] = list(target.config) if target.config is not None else ()  # which is ~/.ssh/config
    locked: list[str] = []
    try:
        for path in target.identities:
            _check_identity(path)
        if target.identities:
            given["client_keys"] = [os.path.expanduser(each) for each in target.identities]
            given["passphrase"] = _passphrase(target, locked)
        options = await _construct(given)
    except ConfigParseError as error:
        raise UsageError(f"ssh's configuration cannot be used: {error}") from error
    except asyncssh.KeyEncryptionError as error:
        raise UsageError(f"the key of {target} cannot be used ({error}): put it into an agent (ssh-add)") from error
    except (asyncssh.KeyImportError, asyncssh.IllegalUserName, ValueError) as error:
        raise UsageError(f"{target} cannot be used: {str(error)[:1].lower()}{str(error)[1:]}") from error
    except OSError as error:
        raise MachineError(f"{error.filename} cannot be read ({error.strerror}): name another key with -i") from error
    config = options.config
    if target.keepalive is not None or config.get("ServerAliveInterval") is None:
        options.keepalive_interval = KEEPALIVE if target.keepalive is None else target.keepalive
        options.keepalive_count_max = KEEPALIVES
    if config.get("Ciphers") is None:
        options.encryption_algs = [each.encode() for each in CIPHERS]
    if target.compress or (target.compress is None and config.get("Compression")):
        options.compression_algs = [each.encode() for each in COMPRESSED]
    else:
        options.compression_algs = [each.encode() for each in PLAIN]
    options.login_timeout = LOGIN
    files = [
        *(cast("list[str] | None", config.get("UserKnownHostsFile")) or USER_FILES),
        *(cast("list[str] | None", config.get("GlobalKnownHostsFile")) or GLOBAL_FILES),
    ]
    keys = HostKeys(files, ask_terminal if target.asks else None, options.host_key_alias)
    options.known_hosts = keys.known
    return Prepared(target, options, keys, locked)


async def _construct(given: dict[str, Any]) -> Any:
    """Options of asyncssh, whose fields take more than they say.

    An IdentityFile of the configuration that is not there is passed over, as ssh does.
    """
    construct: Callable[..., Awaitable[Any]] = partial(SSHClientConnectionOptions.construct, cast("Any", None), **given)
    try:
        options = await construct()
    except FileNotFoundError:
        if "client_keys" in given:
            raise
        named = cast("list[str]", (await construct(client_keys=None)).config.get("IdentityFile") or [])
        there = [each for each in named if os.path.exists(os.path.expanduser(each))]
        options = await construct(client_keys=there, ignore_encrypted=True)
    return options


async def connect(prepared: Prepared, stream: socket.socket | None) -> ClientConnection:
    """Log in to the server that `stream` leads to; without one, the configuration has a command that does.

    Raises `UnreachableError`, `RefusedError`. `stream` is the connection's from then on.
    """
    loop = asyncio.get_running_loop()
    options, keys = prepared.options, prepared.keys
    options.waiter = loop.create_future()
    options.protocol_factory = lambda: _Owner(prepared)
    made: ClientConnection | None = None
    command: asyncio.subprocess.Process | None = None

    def factory() -> ClientConnection:
        nonlocal made
        made = ClientConnection(loop, options, wait="auth")
        made.command = command
        return made

    keys.refusal = None
    try:
        if stream is None:
            stream, command = await _run(cast("str", options.config.get("ProxyCommand")))
        await loop.create_connection(factory, sock=stream)
        assert made is not None
        made.set_extra_info(host=prepared.host, port=prepared.port)
        await options.waiter
    except BaseException as error:
        if made is not None:
            made.abort()
            await made.wait_closed()
        if isinstance(error, HytheErrors):
            raise
        raise _explained(prepared, error) from error
    return made


async def _run(command: str) -> tuple[socket.socket, asyncio.subprocess.Process]:
    """Begin a ProxyCommand: a line for the user's shell (ssh_config(5)), whose complaints are for whoever reads ours.

    asyncssh makes words of it, and takes what it complains of for the server's. OSError.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        try:
            shell = os.environ.get("SHELL") or "/bin/sh"
            words, end = (shell, "-c", f"exec {command}"), theirs.fileno()
            process = await asyncio.create_subprocess_exec(*words, stdin=end, stdout=end, start_new_session=True)
        except BaseException:
            ours.close()
            raise
    return ours, process


HytheErrors = (UsageError, MachineError, asyncio.CancelledError, KeyboardInterrupt)


class _Owner(asyncssh.SSHClient):
    """asyncssh's questions."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._asked = False

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Of a key that is in no file."""
        return self._prepared.keys.judge(host, port, key)

    def password_auth_requested(self) -> str | None:
        """Once, at a terminal."""
        if self._asked or not self._prepared.target.asks:
            return None
        self._asked = True
        return secret_terminal(f"Password of {self._prepared.name}: ")

    def kbdint_auth_requested(self) -> str | None:
        """The same by questions of the server's."""
        if self._asked or not self._prepared.target.asks or not has_terminal():
            return None
        self._asked = True
        return ""

    def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> Any:
        """Put them."""
        answers = [secret_terminal(f"{prompt} ") for prompt, _ in prompts]
        return None if any(each is None for each in answers) else answers


def _passphrase(target: Target, locked: list[str]) -> Any:
    if not target.asks:
        return None

    def ask(path: str) -> str | None:
        found = secret_terminal(f"Passphrase of {path}: ")
        if not found:
            locked.append(path)
        return found

    return ask


def _check_identity(path: str) -> None:
    place = os.path.expanduser(path)
    with open(place, "rb") as file:
        mode = os.fstat(file.fileno())
        if mode.st_uid == os.getuid() and mode.st_mode & 0o077:
            raise UsageError(f"the key {path} can be read by others, so it is used no more: chmod 600 {path}")


def _explained(prepared: Prepared, error: BaseException) -> BaseException:
    """What became of an attempt, in one sentence."""
    name = prepared.name
    if prepared.keys.refusal is not None:
        return RefusedError(prepared.keys.refusal)
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return RefusedError(f"{name} does not prove who it is: {error.reason}")
        case asyncssh.PermissionDenied():
            return RefusedError(f"{name} does not let us in: {_keys_tried(prepared)}")
        case asyncssh.KeyExchangeFailed():
            return RefusedError(f"{name} and we have no method in common: {error.reason}")
        case asyncssh.MACError():
            return UnreachableError(f"{name}: a packet was changed on its way, so the connection was ended")
        case asyncssh.ConnectionLost():
            return UnreachableError(f"{name} broke the connection off while it was made: {error.reason}")
        case ConnectionResetError() | BrokenPipeError():
            return UnreachableError(f"{name} broke the connection off while it was made: {error.strerror}")
        case asyncssh.DisconnectError():
            return UnreachableError(f"{name} ended the connection: {error.reason}")
        case TimeoutError():
            return UnreachableError(f"{name} does not answer: {FAILURES[errno.ETIMEDOUT]}")
        case OSError():
            return UnreachableError(f"{name}: {error.strerror or error}")
    return error


def _keys_tried(prepared: Prepared) -> str:
    """Why no key served, as far as it can be seen from here."""
    options = prepared.options
    if prepared.locked:
        return f"the key {prepared.locked[0]} has a passphrase, and nobody has given it: put it into an agent (ssh-add)"
    pairs = list(options.client_keys or ())
    for pair in pairs:
        certificate = getattr(pair, "_cert", None)
        if certificate is not None:
            try:
                certificate.validate(1, options.username)
            except ValueError as error:
                return f"{str(error)[:1].lower()}{str(error)[1:]} (ssh-keygen -L -f shows it)"
    if not pairs and not options.agent_path:
        return "we have no key to show: name one with -i, or start an agent"
    shown = ", ".join(dict.fromkeys(pair.get_comment() or pair.get_algorithm() for pair in pairs))
    kinds = f"our keys ({shown}) are" if shown else "the agent's keys are"
    return f"{kinds} not among those that it knows or allows now"
