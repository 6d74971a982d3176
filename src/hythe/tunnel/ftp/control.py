"""FTP's control channel, followed: what a client and a server agree on is read, and what concerns data ports is changed.

Theory of operation. The two sides never learn of each other's data ports. Towards the server everything is passive: where
the client asks for a data connection in whatever form (PASV, EPSV, PORT, EPRT), the server is asked for EPSV, or if it does
not know that for PASV, and its answer makes a *passage* (`Announced`): the far end is the server's port, the near end is
the port that the client has told, or one that the shell opens for it. Passive works through every way, NAT and SSH. A
server that refuses both is asked to connect to a port of the way's far end (`DoorWanted`), where the way can listen.

A command that transfers (`Held`) is kept back until the shell has joined both ends of its passage, or has failed to, which
is a 425: an upload whose data connection cannot be made must not leave an empty file behind. Meanwhile the client's further
commands wait too, as do those behind a question for a data port. The shell reads no more of them than `wants` says.

Replies come in the order of their commands, so `_owed` has an entry for each command that has not been answered: what is
to be done with the server's reply, or what we answer ourselves when its turn has come. (ABOR, which is answered after the
transfer that it ends, fits in.)

A channel that is encrypted cannot be followed. AUTH is refused, FEAT's answer does not mention it, and a client that
begins with TLS is told so and sent away. What does not greet as FTP does is none: it passes as it is from then on (`raw`).

Nobody is made to connect where he did not mean to (RFC 2577, 3): a client may announce its own address alone and no
privileged port, and of a server's announcement only the port counts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from hythe.errors import ParseError
from hythe.tunnel.ftp.messages import (
    LINE_MAX,
    Command,
    Endpoint,
    Lines,
    UnknownFamilyError,
    build_extended_port,
    build_port,
    command,
    may_be_reply,
    parse_extended_port,
    parse_passive,
    parse_port,
    reply_code,
)

#: Bytes of a client's that wait here, and commands that have not been answered, until no more is read.
_WAITING_MAX: Final = 16_384
_OWED_MAX: Final = 256

#: Those that use a data connection (RFC 959, 4.1.3; RFC 3659, 7).
_TRANSFERS: Final = frozenset({"RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD"})
#: Those of RFC 2228 that begin or need a protected channel, and a passive that works with TLS alone.
_PROTECTED: Final = frozenset({"AUTH", "ADAT", "MIC", "CONF", "ENC", "CPSV"})
_LONG: Final = frozenset({"LPRT", "LPSV"})
_HIDDEN: Final = (b"AUTH", b"PBSZ", b"PROT", b"CCC", b"LPRT", b"LPSV", b"CPSV")
_TLS_HANDSHAKE: Final = 22

#: How replies are treated (`_Owed.kind`).
_PASS, _ANSWER, _FEATURES, _PASSAGE, _TRANSFER = range(5)
#: What the server has been asked for, in this order.
_EPSV, _PASV, _DOOR = range(3)
_PRIVILEGED: Final = 1_024
_LEAVING: Final = 421
_NOT_LOGGED_IN: Final = 530


class Announced(NamedTuple):
    """A passage is to be made, to `port` of the server, or None: of what comes to the door.

    `near`: where the client listens, or None: `Control.listening` is to be told where it will be waited for.
    """

    near: Endpoint | None
    port: int | None


class DoorWanted(NamedTuple):
    """The server only connects itself: `Control.door` is to be told where the way's far end listens for it, or None."""


class Held(NamedTuple):
    """A transfer waits for its passage: `Control.go` is to be told what became of it."""


class Dropped(NamedTuple):
    """The passage is not needed: the server would not transfer."""


class Notice(NamedTuple):
    """For whoever runs this."""

    sentence: str


Event = Announced | DoorWanted | Held | Dropped | Notice


@dataclass(slots=True)
class _Owed:
    """A reply to come. `text`: what we answer ourselves. `asked`, `verb`, `near`: of a passage. `begun`: of a transfer."""

    kind: int
    text: bytes = b""
    asked: int = _EPSV
    verb: str = ""
    near: Endpoint | None = None
    begun: bool = False


class Control:
    """One channel. `ours`: the address that the client has connected to; `theirs`: the client's.

    `to_client` and `to_server` are what is to be sent; the shell empties them. `over`: the client is to be sent away.
    """

    def __init__(self, ours: str, theirs: str) -> None:
        self.to_client = bytearray()
        self.to_server = bytearray()
        self.events: deque[Event] = deque()
        self.raw = False
        self.over = False
        self._ours = ours
        self._theirs = theirs
        self._commands = Lines(telnet=True)
        self._replies = Lines(telnet=False)
        self._owed: deque[_Owed] = deque([_Owed(_PASS)])  # the greeting
        self._greeted = False
        self._answered = False  # the server has spoken FTP
        self._reply: int | None = None  # the code of a reply of several lines that has begun
        self._said = b""  # what it says, where that matters
        self._asking: _Owed | None = None  # the passage that the server, or the shell, has been asked for
        self._passage = False  # one is there for the next transfer
        self._held: Command | None = None
        self._asked_first = _EPSV  # what this server is known to refuse is not asked for again
        self._first = True

    @property
    def wants(self) -> bool:
        """Whether more of the client's is to be read."""
        return self.raw or (len(self._commands) < _WAITING_MAX and len(self._owed) < _OWED_MAX)

    @property
    def settled(self) -> bool:
        """Whether all that the client has said has been seen to."""
        free = self._held is None and self._asking is None and len(self._owed) < _OWED_MAX
        return self.raw or self.over or (self._greeted and free)

    # --- From the client

    def receive_client(self, data: bytes) -> None:
        """Bytes from the client. ParseError ends the channel."""
        if self.raw:
            self.to_server += data
        if self.raw or self.over:
            return
        if self._first and data and data[0] == _TLS_HANDSHAKE:
            self._send_away(b"421 This channel's data ports are mapped, which TLS from its beginning prevents.")
            return
        self._first = False
        self._commands.feed(data)
        self._proceed()

    def _proceed(self) -> None:
        """See to the client's commands, until one has to wait. Those before the greeting wait for it."""
        while self.settled and not self.raw and not self.over:
            line = self._commands.next()
            if line is None:
                return
            try:
                said = command(line)
            except ParseError:
                self._answer(b"500 A command ends by CR LF, and has no CR in it.")
                continue
            self._take(said)

    def _take(self, said: Command) -> None:
        verb = said.verb
        if verb in _PROTECTED:
            self._answer(b"534 This channel's data ports are mapped, so it cannot be encrypted.")
            self.events.append(Notice(f"a client asked for {verb}, and was told that a mapped channel cannot be encrypted"))
        elif verb in _LONG:
            self._answer(b"502 This is not mapped: use EPRT or EPSV.")
        elif verb in ("PASV", "EPSV"):
            self._take_passive(said)
        elif verb in ("PORT", "EPRT"):
            self._take_active(said)
        elif verb in _TRANSFERS and self._passage:
            self._held = said
            self.events.append(Held())
        elif verb == "FEAT":
            self._forward(said, _FEATURES)
        else:
            self._forward(said, _TRANSFER if verb in _TRANSFERS else _PASS)

    def _take_passive(self, said: Command) -> None:
        six = ":" in self._ours
        if said.verb == "PASV" and six:
            self._answer(b"501 PASV knows no IPv6: use EPSV.")
        elif said.verb == "EPSV" and said.argument.upper() == b"ALL":
            self._forward(said, _PASS)
        elif said.verb == "EPSV" and said.argument not in (b"", b"2" if six else b"1"):
            self._answer(b"522 Network protocol not supported, use (%d)" % (2 if six else 1))
        else:
            self._ask(_Owed(_PASSAGE, verb=said.verb))

    def _take_active(self, said: Command) -> None:
        try:
            near = parse_port(said.argument) if said.verb == "PORT" else parse_extended_port(said.argument)
        except UnknownFamilyError:
            self._answer(b"522 Network protocol not supported, use (%d)" % (2 if ":" in self._theirs else 1))
        except ParseError:
            self._answer(b"501 No address and port can be read there.")
        else:
            if near.host != self._theirs or near.port < _PRIVILEGED:
                self._answer(b"504 Data connections go to the client itself alone, and to no privileged port.")
            else:
                self._ask(_Owed(_PASSAGE, verb=said.verb, near=near))

    def _forward(self, said: Command, kind: int) -> None:
        self._owed.append(_Owed(kind))
        self.to_server += said.line + b"\r\n"

    def _answer(self, text: bytes) -> None:
        """Answer in the server's place, when those before are answered."""
        self._owed.append(_Owed(_ANSWER, text))
        self._give_answers()

    def _give_answers(self) -> None:
        while self._owed and self._owed[0].kind == _ANSWER:
            self.to_client += self._owed.popleft().text + b"\r\n"

    def _send_away(self, text: bytes) -> None:
        self.to_client += text + b"\r\n"
        self.over = True
        self.events.append(Notice("a client began with TLS, and was told that a mapped channel cannot be encrypted"))

    # --- Asking for a passage

    def _ask(self, owed: _Owed) -> None:
        self._asking = owed
        self._passage = False
        self._owed.append(owed)
        owed.asked = self._asked_first
        self._ask_server(owed)

    def _ask_server(self, owed: _Owed) -> None:
        if owed.asked == _DOOR:
            self.events.append(DoorWanted())
        else:
            self.to_server += b"EPSV\r\n" if owed.asked == _EPSV else b"PASV\r\n"

    def door(self, end: Endpoint | None) -> None:
        """The far end listens there for the server, or cannot."""
        owed = self._asking
        assert owed is not None
        if end is None:
            self._settle(b"425 The server takes no passive data connections, and nothing can listen for it.")
        elif ":" in end.host:
            self.to_server += b"EPRT " + build_extended_port(end) + b"\r\n"
        else:
            self.to_server += b"PORT " + build_port(end) + b"\r\n"

    def _take_port(self, code: int, line: bytes) -> None:
        """The server's answer to what it was asked for."""
        owed = self._asking
        assert owed is not None
        if owed.asked == _DOOR and code < 300:
            self._asked_first = _DOOR
            self._announce(owed, None)
        elif code in (227, 229):
            self._asked_first = owed.asked
            try:
                self._announce(owed, parse_passive(code, self._said))
            except ParseError:
                self._settle(b"425 The server's answer has no port in it that could be mapped.")
        elif code >= 500 and code != _NOT_LOGGED_IN and owed.asked < _DOOR:
            owed.asked += 1
            self._ask_server(owed)
        else:
            self._settle(line)

    def _announce(self, owed: _Owed, port: int | None) -> None:
        self.events.append(Announced(owed.near, port))
        if owed.near is not None:
            self._passage = True
            self._settle(f"200 {owed.verb} command successful.".encode())

    def listening(self, port: int | None) -> None:
        """The shell listens for the client on that port of the address it has connected to, or cannot."""
        owed = self._asking
        assert owed is not None
        if port is None:
            self._settle(b"425 No port could be opened for the data connection.")
            return
        self._passage = True
        if owed.verb == "PASV":
            numbers = build_port(Endpoint(self._ours, port))
            self._settle(b"227 Entering Passive Mode (%s)." % numbers)
        else:
            self._settle(b"229 Entering Extended Passive Mode (|||%d|)" % port)

    def _settle(self, answer: bytes) -> None:
        """The client's question is answered: it was the last that it asked, for the others behind it wait."""
        owed, self._asking = self._asking, None
        assert owed is not None
        owed.kind = _ANSWER
        owed.text = answer
        self._give_answers()
        self._proceed()

    def go(self, *, joined: bool) -> None:
        """Both ends of the passage of the held transfer are joined, or cannot be."""
        said, self._held = self._held, None
        assert said is not None
        self._passage = False
        if joined:
            self._forward(said, _TRANSFER)
        else:
            self._answer(b"425 The data connection could not be made.")
        self._proceed()

    # --- From the server

    def receive_server(self, data: bytes) -> None:
        """Bytes from the server. ParseError ends the channel."""
        if self.over:
            return
        self._replies.feed(data)
        if self.raw or (not self._answered and not may_be_reply(self._replies.begin())):
            self.raw = True
            self.to_client += self._replies.rest()
            self.to_server += self._commands.rest()
            return
        while (line := self._replies.next()) is not None:
            self._answered = True
            self._reply_line(line)
        self._proceed()

    def _reply_line(self, line: bytes) -> None:
        found = reply_code(line)
        if self._reply is None:
            if found is None:
                self.to_client += line + b"\r\n"  # between replies: whatever the server means by it
                return
            code, more = found
            self._reply = code if more else None
            self._said = b""
        else:
            code, more = self._reply, found != (self._reply, False)
            if not more:
                self._reply = None
        owed = self._owed[0] if self._owed else None
        if owed is not None and owed.kind == _PASSAGE and code >= 200 and code != _LEAVING:
            self._said = (self._said + line)[:LINE_MAX]
            if not more:
                self._take_port(code, line)
            return
        if owed is None or owed.kind != _FEATURES or not _is_hidden(line):
            self.to_client += line + b"\r\n"
        if not more and owed is not None and code >= 200:
            self._complete(code, owed)
        elif owed is not None and code < 200:
            owed.begun = True

    def _complete(self, code: int, owed: _Owed) -> None:
        """A reply is whole that is not preliminary."""
        self._owed.popleft()
        self._greeted = True
        if owed.kind == _TRANSFER and code >= 400 and not owed.begun:
            self.events.append(Dropped())
        self._give_answers()


def _is_hidden(line: bytes) -> bool:
    """Whether it is a feature that is not to be had here (RFC 2389, 3.2: a space, and its name)."""
    return line[:1] == b" " and line.strip().partition(b" ")[0].upper() in _HIDDEN
