"""Which connection to draw where none is named: the first that carries data.

The very first ones are often attempts that were refused, by the other family of addresses. Points are kept while packets are
read, so it has to be said of a connection, when it begins, whether it may be the one.
"""

from __future__ import annotations

from typing import Final

from hythe.view.analysis.conversation import Conversation, Conversations

#: Connections that are looked at for data when another begins: attempts do not last, and so are soon behind.
_LATEST: Final = 64


class First:
    """The numbers of those connections that have begun before any had data: what `Conversations` keeps points of."""

    def __init__(self) -> None:
        self.conversations = Conversations()
        self._found = False

    def __contains__(self, number: object) -> bool:
        self._found = self._found or any(map(_has_data, self.conversations.all[-_LATEST:]))
        return not self._found

    @property
    def number(self) -> int:
        """The first of them with data; 0 where there is none."""
        kept = (each for each in self.conversations.all if each.ways[0].series is not None)
        return next((each.number for each in kept if _has_data(each)), 0)


def _has_data(conversation: Conversation) -> bool:
    return any(way.octets for way in conversation.ways)
