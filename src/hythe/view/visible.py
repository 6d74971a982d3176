"""Text from elsewhere, as it may stand in a table: whoever names a process moves no cursor and adds no lines."""

from __future__ import annotations


def visible(text: str) -> str:
    """`text` with whatever is not printable (control characters, bytes that are no UTF-8) escaped as Python writes it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
