"""Is it the server that it should be? known_hosts files, and the question that a person answers.

A key that stands in one of the files for this host is believed; one that contradicts them never is. An unknown one is
shown on the terminal, and believed and added if the person there says yes; where nobody can be asked it is refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import asyncssh
from asyncssh import SSHKey

from hythe.errors import MachineError, UsageError

#: Where OpenSSH looks if its configuration does not say.
USER_FILES: Final = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
GLOBAL_FILES: Final = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
#: The answer of a person, as a word; None: there is nobody to ask.
Ask = Callable[[str], str | None]
_PORT: Final = 22
#: How many lists a line of known_hosts sorts its keys into (asyncssh's result of a match).
_KINDS: Final = 7


class HostKeys:
    """The known keys of one host. `files`: the first one gets what is added. `ask`: None where nobody is to be asked.

    `alias`: what the files call it (HostKeyAlias), whatever its port. `refusal`: the sentence that says why the last key was
    refused.
    """

    def __init__(self, files: Sequence[str], ask: Ask | None, alias: str | None = None) -> None:
        self.files = [os.path.expanduser(each) for each in files]
        self.refusal: str | None = None
        self._ask = ask
        self._alias = alias

    def known(self, host: str, address: str, port: int | None) -> tuple[Sequence[Any], ...]:
        """What asyncssh asks for: the keys of hosts and authorities, those that are revoked, and X.509's.

        By name alone, as OpenSSH does unless told otherwise (CheckHostIP): addresses move on.
        """
        found: list[list[Any]] = [[] for _ in range(_KINDS)]
        for _, _, kinds in self._lines(self._name(host, port)):
            for all_of_kind, some in zip(found, kinds, strict=True):
                all_of_kind += some
        return tuple(found)

    def judge(self, host: str, port: int, key: SSHKey) -> bool:
        """Is a key that none of the files has for this host to be believed?"""
        name = self._name(host, port)
        shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        for path, number, kinds in self._lines(name):
            if kinds[0]:
                self.refusal = (
                    f"the host key of {name} is not the one in {path}, line {number}: somebody may be in between, or it was "
                    f"changed; the server shows {shown}; if its owner confirms that, remove the line"
                )
                return False
        answer = self._ask(_question(name, shown)) if self._ask is not None else None
        if answer is None:
            self.refusal = (
                f"the host key of {name} is not known, and nobody can be asked here: if its owner confirms {shown}, "
                f"add it to {self.files[0]} (connect once from a terminal, or use ssh-keyscan)"
            )
            return False
        if answer.strip().lower() not in ("yes", "y"):
            self.refusal = f"the host key of {name} was not confirmed"
            return False
        self._add(name, key)
        return True

    def _name(self, host: str, port: int | None) -> str:
        """As known_hosts writes a host: with its port if that is not ssh's."""
        return self._alias or (f"[{host}]:{port}" if port not in (None, _PORT) else host)

    def _lines(self, name: str) -> Iterator[tuple[str, int, Sequence[Sequence[Any]]]]:
        """The lines that are for this host: file, number, and what they say. Raises `UsageError`."""
        for path in self.files:
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    lines = file.readlines()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise MachineError(f"{path} cannot be read ({error.strerror}): it says whom to believe") from error
            for number, line in enumerate(lines, 1):
                try:
                    kinds = asyncssh.import_known_hosts(line).match(name, "", None)
                except ValueError as error:
                    raise UsageError(
                        f"{path}, line {number} is not one of known_hosts ({error}): mend or remove it"
                    ) from error
                if any(kinds):
                    yield path, number, kinds

    def _add(self, name: str, key: SSHKey) -> None:
        path = self.files[0]
        line = f"{name} {key.export_public_key('openssh').decode().strip()}\n"
        try:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with open(path, "a+b") as file:
                file.seek(max(0, file.tell() - 1))
                whole = file.read() in (b"", b"\n")
                file.write((line if whole else f"\n{line}").encode())
        except OSError as error:
            raise MachineError(f"the host key of {name} cannot be added to {path} ({error.strerror})") from error


def ask_terminal(question: str) -> str | None:
    """The answer of whoever sits at our terminal; None where there is none."""
    with contextlib.suppress(OSError), open("/dev/tty", "r+b", buffering=0) as terminal:
        terminal.write(question.encode())
        return terminal.read(1_024).decode(errors="replace")
    return None


def secret_terminal(question: str) -> str | None:
    """The same without an echo."""
    import getpass

    return getpass.getpass(question) if has_terminal() else None


def has_terminal() -> bool:
    """Is there somebody to ask?"""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _question(name: str, shown: str) -> str:
    return f"The host key of {name} is not known: {shown}\nIs that what its owner says, and shall it be trusted? (yes/no) "


def _name(host: str, port: int | None) -> str:
    """As known_hosts writes a host: with its port if that is not ssh's."""
    return f"[{host}]:{port}" if port not in (None, _PORT) else host
