"""In which order connections are shown, and which of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hythe.errors import UsageError
from hythe.session.model import End
from hythe.view.watch.model import Watched


def _text(end: End) -> tuple[str, int]:
    return end.address, end.port


def far(watched: Watched) -> End:
    """The end that is not the command's, as the world has it."""
    return watched.connection.outside or watched.connection.remote


#: What can be sorted by: the key, and whether the highest is wanted first.
ORDERS: Final[Mapping[str, tuple[Callable[[Watched], Any], bool]]] = MappingProxyType(
    {
        "id": (lambda each: each.connection.id, False),
        "rate": (lambda each: each.up + each.down, True),
        "up": (lambda each: each.connection.bytes_up, True),
        "down": (lambda each: each.connection.bytes_down, True),
        "rtt": (lambda each: each.connection.rtt or 0.0, True),
        "resent": (lambda each: each.connection.retransmits, True),
        "state": (lambda each: each.connection.state, False),
        "owner": (lambda each: (each.owner is None, each.owner.program if each.owner else ""), False),
        "to": (lambda each: _text(far(each)), False),
    }
)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`order`: of `ORDERS`; `reversed`: the other way about. `wanted`: a test, or None for all."""

    order: str = "id"
    reversed: bool = False
    wanted: Callable[[Watched], bool] | None = None

    def of(self, found: Iterable[Watched]) -> Sequence[Watched]:
        """Those that are wanted, in order; equals stay as they came."""
        key, falling = ORDERS[self.order]
        rows = filter(self.wanted, found) if self.wanted is not None else found
        return sorted(rows, key=key, reverse=falling != self.reversed)


#: What a word of a filter may be about.
_ABOUT: Final[Mapping[str, Callable[[Watched], str]]] = MappingProxyType(
    {
        "proto": lambda each: each.connection.protocol,
        "from": lambda each: _ends(each.connection.inside),
        "to": lambda each: f"{_ends(each.connection.remote)} {_ends(far(each))}",
        "name": lambda each: each.connection.name or "",
        "state": lambda each: f"{each.connection.state} {each.connection.error or ''}",
        "owner": lambda each: f"{each.owner.pid}/{each.owner.program}" if each.owner else "",
        "via": lambda each: each.connection.via or "",
    }
)


def _ends(end: End) -> str:
    return f"{end.address}:{end.port}"


def wanted(text: str) -> Callable[[Watched], bool] | None:
    """The test that `text` describes; None for none.

    Words that all have to be found in what is shown, great and small letters alike; ``-word`` must not be found;
    ``state:est``, ``owner:curl``, ``to::443`` look in one place. Raises `UsageError` for a place that there is not.
    """
    tests = [_test(word) for word in text.lower().split()]
    if not tests:
        return None
    return lambda watched: all(test(watched) for test in tests)


def _test(word: str) -> Callable[[Watched], bool]:
    unwanted = word.startswith("-") and len(word) > 1
    word = word[unwanted:]
    about, colon, value = word.partition(":")
    if colon and about in _ABOUT:
        place = _ABOUT[about]
        return lambda watched: (value in place(watched).lower()) != unwanted
    if colon and about.isalpha() and not all(each in "abcdef" for each in about):  # which may be an address
        raise UsageError(f"{about}: is no place to look in: {', '.join(_ABOUT)}")
    return lambda watched: (word in shown(watched)) != unwanted


def shown(watched: Watched) -> str:
    """All that a word may be found in, in small letters."""
    return " ".join(place(watched) for place in _ABOUT.values()).lower()
