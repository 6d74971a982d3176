"""A place in a script's tokens, with the steps that a recursive descent takes from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from hythe.pkt.defines import expand
from hythe.pkt.lexer import Token, tokens
from hythe.pkt.script import ScriptError


class Reader:
    """A place in the list of tokens."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._tokens = tokens(path, text)
        self._at = 0

    def expand(self, defined: Mapping[str, str]) -> None:
        """Put what is defined in the place of its word, from here on."""
        self._tokens[self._at :] = expand(self._tokens[self._at :], defined)

    @property
    def token(self) -> Token:
        """The token ahead."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """The token ahead, and on to the next."""
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def skip(self, text: str) -> bool:
        """Step over the token ahead if it reads so."""
        if self.token.text == text and self.token.kind != "string":
            self._at += 1
            return True
        return False

    def touches(self) -> bool:
        """Does the token ahead follow the one before it without a space?"""
        return self._at > 0 and self._tokens[self._at - 1].end == self.token.start

    def ahead(self, text: str, more: int = 1) -> bool:
        """Does the token `more` places behind the one ahead read so?"""
        at = self._at + more
        return at < len(self._tokens) and self._tokens[at].text == text

    def need(self, text: str, what: str = "") -> Token:
        """Step over a token that must read so."""
        if self.token.text != text:
            self.fail(f"{text!r}{f' {what}' if what else ''}")
        return self.take()

    def number(self, what: str) -> int:
        """A whole number, perhaps negative."""
        negative = self.skip("-")
        if self.token.kind != "number" or ("." in self.token.text):
            self.fail(what)
        value = int(self.take().text, 0)
        return -value if negative else value

    def wrong(self, expected: str) -> ScriptError:
        """What to raise when the token ahead is not what it should be."""
        return ScriptError(self.path, self.token.line, f"expected {expected}, found {self.token.text[:40]!r}")

    def fail(self, expected: str) -> NoReturn:
        """Raise it."""
        raise self.wrong(expected)
