"""Every Python file of the project, read and parsed once, for the rules to walk over."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "hythe"
#: The sans-I/O stack.
CORE = ("wire", "tcp", "host", "link")
#: Folders of tools and their results; so are hidden ones, but for these two.
LEFT_OUT = frozenset({"__pycache__", "results", "dist", "build"})
HIDDEN_BUT_OURS = frozenset({".ci", ".github"})


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root of the project, and its text."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.path)

    @functools.cached_property
    def nodes(self) -> list[ast.AST]:
        """All of the tree."""
        return list(ast.walk(self.tree))

    def at(self, node: ast.AST, message: str) -> str:
        """Return *message* in the form that editors can jump to."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {message}"


@functools.cache
def read(path: Path) -> Source:
    """Read one file; it is parsed once, too, when a rule asks for its tree."""
    return Source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))


def sources(*folders: str) -> Iterator[Source]:
    """Yield every Python file under *folders* (from the root of the project), in order."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if is_ours(path):
                yield read(path)


def is_ours(path: Path) -> bool:
    """Tell whether *path* is part of the project, and not something that a tool left there."""
    folders = path.relative_to(ROOT).parts[:-1]
    return not any(each in LEFT_OUT or (each[0] == "." and each not in HIDDEN_BUT_OURS) for each in folders)


def core() -> Iterator[Source]:
    """Yield every file of the sans-I/O stack."""
    return sources(*(f"src/hythe/{folder}" for folder in CORE))


def text_files() -> Iterator[Path]:
    """Yield every file of the project that people read: code, documents, configuration."""
    kinds = {".py", ".md", ".toml", ".txt", ".cfg", ".pkt", ".sh", ""}
    for path in sorted(ROOT.rglob("*")):
        if path.suffix in kinds and is_ours(path) and path.is_file():
            yield path


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a name or a chain of attributes, and an empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def imported(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names (with the names taken from them), if it is one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def report(found: list[str]) -> str:
    """Return findings as the message of a failed assertion."""
    return "\n" + "\n".join(found)
