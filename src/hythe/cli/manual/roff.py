"""A command's page as man(1) shows it: roff, with the macros of man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hythe.cli.manual.page import Page

_SECTION = 1
#: What stands for itself in text and means something to roff.
_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", "…": r"\&...", '"': r"\(dq"}
#: In a form: names of options are typed as they are, words in capitals stand for something.
_WORD = re.compile(r"(?<![A-Za-z0-9-])(--?[A-Za-z0-9#][A-Za-z0-9-]*)|\b([A-Z]{2,}|[A-Z])\b")
_CODE = re.compile(r"`([^`]+)`")


def roff(page: Page, version: str) -> str:
    """The whole page."""
    return "\n".join(_lines(page, version)) + "\n"


def _lines(page: Page, version: str) -> Iterator[str]:
    yield r".\" Made by `make pages` from the command's own help: change that."
    yield f'.TH {page.name.upper()} {_SECTION} "" "hythe {version}" "hythe"'
    yield ".SH NAME"
    yield f"{_text(page.name)} \\- {_text(page.line.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f"\\fB{_text(' '.join(page.words))}\\fR {_form(page.usage.removeprefix(' '.join(page.words)).strip())}".rstrip()
    yield ".SH DESCRIPTION"
    for number, each in enumerate(page.text):
        if each.verbatim:
            yield from (".PP", ".nf", *map(_line, each.text.splitlines()), ".fi")
        else:
            yield from ((".PP",) if number else ())
            yield _line(each.text)
    for title, commands in page.commands:
        yield _heading(title)
        for name, line in commands:
            yield from (".TP", f".BR {_text(page.name)}\\-{_text(name)} ({_SECTION})", _line(line))
    for title, records in page.options:
        yield _heading(title)
        for written, what in records:
            yield from (".TP", _form(written), _line(what))
    if page.entry.examples:
        yield ".SH EXAMPLES"
        for line, what in page.entry.examples:
            yield from (".TP", f"\\fB{_text(line)}\\fR", _line(what))
    if page.entry.status:
        yield ".SH EXIT STATUS"
        for status, when in page.entry.status:
            yield from (".TP", _form(status), _line(when))
    yield ".SH SEE ALSO"
    names = [f"hythe-{each.replace(' ', '-')}" for each in page.entry.see] or (["hythe"] if len(page.words) > 1 else [])
    for name in names:
        yield f".BR {_text(name)} ({_SECTION}){',' if name != names[-1] or page.entry.guide else ''}"
    if page.entry.guide:
        yield f"docs/{_text(page.entry.guide)} in the source of hythe"


def _heading(title: str) -> str:
    return f".SH {_text(title.upper() if title.isascii() else title)}"


def _line(text: str) -> str:
    """A line of running text; one that begins like a request is none."""
    shown = _CODE.sub(lambda found: f"\0B{found[1]}\0R", text)
    shown = _text(shown).replace("\0", "\\f")
    return f"\\&{shown}" if shown.startswith((".", r"\(aq")) else shown


def _form(text: str) -> str:
    """Options and what goes with them."""
    out, place = [], 0
    for found in _WORD.finditer(text):
        out += [_text(text[place : found.start()]), f"\\f{'B' if found[1] else 'I'}{_text(found[0])}\\fR"]
        place = found.end()
    return "".join([*out, _text(text[place:])])


def _text(text: str) -> str:
    return "".join(_SPECIAL.get(each, each) for each in text)
