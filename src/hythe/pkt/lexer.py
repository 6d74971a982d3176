"""Characters to tokens. Comments go; code, shell lines and strings are one token each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from hythe.pkt.script import ScriptError

_TOKENS: Final = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<option>^--[a-z][^\n]*)
  | (?P<code>%\{.*?\}%)
  | (?P<shell>`[^`]*`)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<dots>\.\.\.)
  | (?P<number>0x[0-9a-fA-F]+|\d+\.\d+|\.\d+|\d+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ESCAPES: Final[Mapping[str, bytes]] = MappingProxyType({"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0"})
_MARKER: Final = re.compile(r"^\s*//\s*(hythe|linux)-only:\s*(.*)$", re.MULTILINE)


class Token(NamedTuple):
    """`kind`: option, code, shell, string, dots, number, word, sign, or end. `start`, `end`: where in the file."""

    kind: str
    text: str
    line: int
    start: int
    end: int


def tokens(path: str, text: str) -> list[Token]:
    """All tokens of a script, the last of kind "end". Raises `ScriptError` for what is opened and never closed."""
    found: list[Token] = []
    line = 1
    for match in _TOKENS.finditer(text):
        kind, word = match.lastgroup or "", match[0]
        if word == "/" and text.startswith("/*", match.start()):
            raise ScriptError(path, line, "this comment is never closed: expected */")
        if (kind == "sign" and word in '`"') or (word == "%" and text.startswith("%{", match.start())):
            raise ScriptError(path, line, f"what begins with {word} here is never closed")
        if kind != "space":
            found.append(Token(kind, word, line, match.start(), match.end()))
        line += word.count("\n")
    found.append(Token("end", "the end of the file", line, len(text), len(text)))
    return found


def marker(text: str) -> tuple[str, str]:
    """("hythe" or "linux", reason) of a line ``// hythe-only: reason``, two empty strings without one."""
    match = _MARKER.search(text)
    return (match[1], match[2].strip()) if match else ("", "")


def unquote(text: str) -> bytes:
    """The bytes of a string token, escapes resolved."""

    def one(match: re.Match[bytes]) -> bytes:
        word = match[1].decode()
        return bytes((int(word[1:], 16),)) if word[0] == "x" else _ESCAPES.get(word, word.encode())

    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", one, text[1:-1].encode())
