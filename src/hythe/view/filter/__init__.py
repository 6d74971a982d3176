"""tcpdump's filter language: read once, then a function or a kernel's program for each link type.

`lexer` finds the words, `parser` makes a tree of them (`syntax`), `meaning` knows what the tree says about the bytes of one
link layer (`layers`) and tells it in `checks`; `predicate` makes Python of these, `bpf` a program for a socket.
"""

from __future__ import annotations

from hythe.view.filter.bpf import Instruction, program
from hythe.view.filter.checks import Check
from hythe.view.filter.layers import LINKTYPES, Layer
from hythe.view.filter.lexer import FilterError, tokens
from hythe.view.filter.meaning import checks
from hythe.view.filter.names import Names
from hythe.view.filter.parser import parse
from hythe.view.filter.predicate import Predicate, predicate

__all__ = ["LINKTYPES", "Filter", "FilterError", "Names", "Predicate"]


class Filter:
    """An expression. Raises `FilterError`, pointing at the word, for one that means nothing.

    `text` may be empty: then every packet passes. `names` looks up hosts and services.
    """

    __slots__ = ("_names", "_tree", "text")

    def __init__(self, text: str, names: Names | None = None) -> None:
        self.text = text
        self._tree = parse(text)
        self._names = names or Names()

    def __bool__(self) -> bool:
        """Does it choose at all?"""
        return self._tree is not None

    def mentions(self, word: str) -> bool:
        """Is this one of its words?"""
        return any(token.text == word for token in tokens(self.text))

    def predicate(self, linktype: int, order: str = "<") -> Predicate:
        """A function of a packet's bytes and its length, for packets of a link type.

        `order`: the byte order of the capture, which matters to LINKTYPE_NULL. Raises `FilterError` for what packets of
        this type do not have.
        """
        return predicate(self._checks(linktype, order))

    def program(self, linktype: int) -> list[Instruction]:
        """The same for SO_ATTACH_FILTER. Raises `UsageError` too where a kernel could not run it."""
        return program(self._checks(linktype, "<"))

    def _checks(self, linktype: int, order: str) -> Check:
        return checks(self._tree, self.text, Layer(linktype, order), self._names)
