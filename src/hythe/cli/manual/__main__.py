"""`python -m hythe.cli.manual DOCS MAN`: write every page into both folders, and leave no other page there."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from hythe.cli.manual.markdown import index, markdown
from hythe.cli.manual.page import pages
from hythe.cli.manual.roff import roff


def documents() -> dict[str, str]:
    """Every Markdown page, by its file's name."""
    every = list(pages())
    return {"README.md": index(every), **{f"{page.name}.md": markdown(page) for page in every[1:]}}


def manuals() -> dict[str, str]:
    """Every man page, by its file's name."""
    return {f"{page.name}.1": roff(page, version("hythe")) for page in pages()}


def main(docs: str, man: str) -> None:
    """Write them."""
    for folder, files in ((Path(docs), documents()), (Path(man), manuals())):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if old.name not in files:
                old.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
