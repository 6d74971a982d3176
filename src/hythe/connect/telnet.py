"""The telnet protocol, sans-I/O (RFC 854): what the far side says becomes data and answers to its commands.

Nothing is asked for here, only answered, so of RFC 1143's states two are left for each option and side, on and off, and its
rule against loops is that what is so already gets no answer. What we do: suppress go-ahead (RFC 858), tell the terminal's
type (RFC 1091) and size (RFC 1073). What we let the far side do: echo (RFC 857) and suppress go-ahead. Everything else is
refused, politely: WONT and DONT.

Until the far side has sent a command it need not be telnet at all; what is sent to it then is sent as it is.
"""

from __future__ import annotations

from typing import Final

SE, NOP, DM, BRK, IP, AO, AYT, EC, EL, GA, SB, WILL, WONT, DO, DONT, IAC = range(240, 256)
ECHO: Final = 1
SUPPRESS_GO_AHEAD: Final = 3
TERMINAL_TYPE: Final = 24
WINDOW_SIZE: Final = 31
#: What we do when we are asked to, and what the far side may do.
OURS: Final = frozenset({SUPPRESS_GO_AHEAD, TERMINAL_TYPE, WINDOW_SIZE})
THEIRS: Final = frozenset({ECHO, SUPPRESS_GO_AHEAD})
_IS, _SEND = 0, 1
_CR, _NUL = 13, 0
#: Longest subnegotiation that is kept; of a longer one the rest is dropped.
_SUBNEGOTIATION: Final = 256


class Telnet:
    """One connection's. `terminal`: its type, ``xterm``; `size`: columns and lines.

    `ours`, `theirs`: the options that are on. `spoken`: has the far side sent a command?
    """

    def __init__(self, terminal: str = "unknown", size: tuple[int, int] = (80, 24)) -> None:
        self._terminal = terminal.upper().encode("ascii", "replace")[:40]
        self._size = size
        self.ours: set[int] = set()
        self.theirs: set[int] = set()
        self.spoken = False
        self._replies = bytearray()
        self._command = 0  # IAC, or the verb whose option is to come
        self._inside: bytearray | None = None  # a subnegotiation
        self._after_cr = False

    def receive(self, data: bytes) -> bytes:
        """The text in what has come. What is to be sent in answer waits in `replies`."""
        if not self._command and self._inside is None and not self._after_cr and IAC not in data and b"\r\0" not in data:
            self._after_cr = data.endswith(b"\r")
            return data
        text = bytearray()
        for byte in data:
            if self._command:
                self._commanded(byte, text)
            elif byte == IAC:
                self._command = IAC
            elif self._inside is not None:
                if len(self._inside) < _SUBNEGOTIATION:
                    self._inside.append(byte)
            elif not (byte == _NUL and self._after_cr):  # CR NUL is CR
                text.append(byte)
            self._after_cr = byte == _CR
        return bytes(text)

    def replies(self) -> bytes:
        """What is to be sent now."""
        made, self._replies = bytes(self._replies), bytearray()
        return made

    def encode(self, data: bytes) -> bytes:
        """`data` as it is to be sent: IAC doubled, and CR alone followed by NUL; as it is to who speaks no telnet."""
        if not self.spoken:
            return data
        return data.replace(b"\xff", b"\xff\xff").replace(b"\r", b"\r\0").replace(b"\r\0\n", b"\r\n")

    def _commanded(self, byte: int, text: bytearray) -> None:
        """`byte` follows IAC, or IAC and a verb."""
        before, self._command = self._command, 0
        if before != IAC:
            self._negotiate(before, byte)
        elif byte == IAC:
            (text if self._inside is None else self._inside).append(IAC)
            return
        elif byte in (WILL, WONT, DO, DONT):
            self._command = byte
        elif byte == SB:
            self._inside = bytearray()
        elif byte == SE and self._inside is not None:
            asked, self._inside = bytes(self._inside), None
            self._subnegotiated(asked)
        elif byte == AYT:
            self._replies += b"\r\n[yes]\r\n"
        self.spoken = True

    def _negotiate(self, verb: int, option: int) -> None:
        asked = verb in (WILL, DO)
        on, allowed = (self.theirs, THEIRS) if verb in (WILL, WONT) else (self.ours, OURS)
        yes, no = (DO, DONT) if verb in (WILL, WONT) else (WILL, WONT)
        if (asked and option in on) or (not asked and option not in on):
            return  # it is so already (RFC 1143, 3)
        agreed = asked and option in allowed
        self._replies += bytes((IAC, yes if agreed else no, option))
        if agreed:
            on.add(option)
        else:
            on.discard(option)
        if agreed and verb == DO and option == WINDOW_SIZE:
            columns, lines = self._size
            self._tell(WINDOW_SIZE, columns.to_bytes(2, "big") + lines.to_bytes(2, "big"))

    def _subnegotiated(self, asked: bytes) -> None:
        if asked == bytes((TERMINAL_TYPE, _SEND)) and TERMINAL_TYPE in self.ours:
            self._tell(TERMINAL_TYPE, bytes((_IS,)) + self._terminal)

    def _tell(self, option: int, value: bytes) -> None:
        self._replies += bytes((IAC, SB, option)) + value.replace(b"\xff", b"\xff\xff") + bytes((IAC, SE))
