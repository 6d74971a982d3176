"""A command's page in Markdown, for docs/commands."""

from __future__ import annotations

from collections.abc import Iterator

from hythe.cli.manual.page import Page

_MADE = "<!-- Made by `make pages` from the command's own help: change that. -->"


def markdown(page: Page) -> str:
    """The whole page."""
    return "\n".join(_lines(page)) + "\n"


def index(pages: list[Page]) -> str:
    """The page that leads to all of them."""
    whole, *rest = pages
    lines = {page.words[1]: page for page in rest if len(page.words) == 2}
    out = ["# Commands", "", _MADE, "", *(f"{each.text}\n" for each in whole.text)]
    for title, commands in whole.commands:
        out += [f"## {title}", "", "| command | what it does |", "|---|---|"]
        out += [f"| [`hythe {name}`]({lines[name].name}.md) | {_cell(line)} |" for name, line in commands]
        out += [""]
    return "\n".join([*out, *_options(whole), *_examples(whole)]).rstrip() + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield from (f"# {' '.join(page.words)}", "", _MADE, "", "```text", page.usage, "```", "")
    for each in page.text:
        yield from ("```text", each.text, "```", "") if each.verbatim else (each.text, "")
    for title, commands in page.commands:
        yield from (f"## {title}", "", "| command | what it does |", "|---|---|")
        for name, line in commands:
            yield f"| [`{' '.join((*page.words, name))}`]({page.name}-{name}.md) | {_cell(line)} |"
        yield ""
    yield from _options(page)
    yield from _examples(page)
    yield from ("## Exit status", "", "| status | when |", "|---|---|")
    yield from (f"| {status} | {_cell(when)} |" for status, when in page.entry.status)
    yield from ("", "## See also", "")
    if page.entry.guide:
        yield f"- [docs/{page.entry.guide}](../{page.entry.guide}): the whole, with examples that are run."
    for name in page.entry.see:
        yield f"- [`hythe {name}`](hythe-{name.replace(' ', '-')}.md)"
    yield "- [every command](README.md)"


def _options(page: Page) -> Iterator[str]:
    for title, records in page.options:
        yield from (f"## {title}", "", "| option | what it does |", "|---|---|")
        yield from (f"| {_code(written)} | {_cell(what)} |" for written, what in records)
        yield ""


def _examples(page: Page) -> Iterator[str]:
    if page.entry.examples:
        yield from ("## Examples", "")
        for line, what in page.entry.examples:
            yield from (what, "", "```text", line, "```", "")


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*").replace("<", r"\<")
