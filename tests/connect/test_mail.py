"""Mail by hand and by program: SMTP and POP3 on a pipe, with smtplib and poplib at our end of it, or a person's lines."""

from __future__ import annotations

import contextlib
import poplib
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.connect.connecting import STACKS, command, connect
from tests.connect.mail import GREETING, Box, letter, pop3, smtp

stacks = pytest.mark.parametrize("words", STACKS, ids=["kernel", "stack"])


@contextlib.contextmanager
def wired(*words: str) -> Iterator[socket.socket]:
    """A socket whose other end is the standard input and output of `hythe connect`, which must end well."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    process = subprocess.Popen(command(*words), stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE)
    theirs.close()
    with process, ours:
        yield ours
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 0


class Smtp(smtplib.SMTP):
    """Over a connection that is there."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        super().__init__("mail.test", local_hostname="client.test")

    def _get_socket(self, *_: Any) -> socket.socket:
        return self._wire.dup()


class Pop3(poplib.POP3):
    """Over a connection that is there."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        super().__init__("mail.test")

    def _create_socket(self, *_: Any) -> socket.socket:
        return self._wire.dup()


@stacks
def test_smtplib_and_poplib_talk_through_us(words: list[str]) -> None:
    box = Box()
    text = "".join(f".{number} a line\n" for number in range(20_000))
    with smtp(box) as port, wired(*words, "127.0.0.1", str(port)) as wire, Smtp(wire) as client:
        assert client.send_message(letter("first", text)) == {}
        assert client.send_message(letter("second", "short")) == {}
    assert len(box.mails) == 2
    with pop3(box) as port, wired(*words, "localhost", str(port)) as wire:
        reader = Pop3(wire)
        assert reader.getwelcome() == GREETING
        reader.user("b")
        reader.pass_("secret")
        assert reader.stat() == (2, sum(map(len, box.mails)))
        assert b"\r\n".join([*reader.retr(1)[1], b""]) == box.mails[0]
        reader.dele(1)
        assert reader.quit() == b"+OK Sayonara"
    assert [b"second" in mail for mail in box.mails] == [True]


@stacks
def test_mail_by_hand(words: list[str]) -> None:
    """The lines as they are typed: `--crlf` ends them as RFC 5321 and RFC 1939 want it."""
    box = Box()
    typed = b"HELO me\nMAIL FROM:<a@mail.test>\nRCPT TO:<b@mail.test>\nDATA\nSubject: by hand\n\nhello\n.\nQUIT\n"
    with smtp(box) as port:
        ran = connect(*words, "--crlf", "127.0.0.1", str(port), sent=typed)
    assert (ran.returncode, ran.stderr) == (0, b"")
    codes = [line[:3] for line in ran.stdout.splitlines()]
    assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert box.mails == [b"Subject: by hand\r\n\r\nhello\r\n"]
    with pop3(box) as port:
        ran = connect(*words, "--crlf", "127.0.0.1", str(port), sent=b"STAT\nQUIT\n")
    assert ran.stdout == GREETING + b"\r\n+OK 1 27\r\n+OK Sayonara\r\n"
    assert box.lines == [b"STAT\r\n", b"QUIT\r\n"]
