"""How code is cut: files that hold one idea, functions that fit a screen, nothing shared that can change."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.house.source import ROOT, dotted, is_ours, report, sources, text_files

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 75
MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = frozenset({"list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"})
CHANGES = frozenset(
    {"append", "add", "update", "pop", "clear", "extend", "insert", "remove", "setdefault", "popitem", "discard"}
)
#: Annotations through which mypy refuses every change.
READ_ONLY = re.compile(r"\b(Mapping|Sequence|AbstractSet|Collection|Iterable)\b")


def test_files_are_short() -> None:
    lengths = {each.path: each.text.count("\n") for each in sources("src", "bench", "scoreboard", "tests")}
    found = [f"{path}: {lines} lines, at most {FILE_LINES_MAX}" for path, lines in lengths.items() if lines > FILE_LINES_MAX]
    assert not found, report(found)


def test_functions_fit_a_screen() -> None:
    found = []
    for source in sources("src", "bench", "scoreboard", "tests"):
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(source.at(node, f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"))
    assert not found, report(found)


def test_every_file_says_what_it_is() -> None:
    found = [
        f"{each.path}: no docstring" for each in sources("src", "bench", "scoreboard") if not ast.get_docstring(each.tree)
    ]
    assert not found, report(found)


def test_no_module_level_state() -> None:
    """A table under a constant's name is no state, as long as nothing in its file changes it."""
    found = []
    for source in sources("src"):
        changed = set(_changed_names(source.tree))
        for node in source.tree.body:
            for name, annotation, value in _assignments(node):
                constant = name.isupper() and name not in changed and not _is_empty(value)
                if name != "__all__" and _is_mutable(value) and not constant and not READ_ONLY.search(annotation):
                    found.append(source.at(node, f"{name} can change; make it a tuple or frozenset, or annotate it Mapping"))
        found += [source.at(node, "global") for node in source.nodes if isinstance(node, ast.Global)]
    assert not found, report(found)


def _changed_names(tree: ast.Module) -> Iterator[str]:
    """Yield every name whose items are set or deleted, or on which a method that changes a container is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield dotted(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            yield dotted(node.func.value)


def _is_empty(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    return isinstance(value, ast.List | ast.Set) and not value.elts


def _assignments(node: ast.stmt) -> list[tuple[str, str, ast.expr]]:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [(ast.unparse(node.target), ast.unparse(node.annotation), node.value)]
    if isinstance(node, ast.Assign):
        return [(ast.unparse(target), "", node.value) for target in node.targets]
    return []


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func).rpartition(".")[2] in MUTABLE_CALLS
    return isinstance(value, MUTABLE_DISPLAYS)


def test_no_error_is_swallowed() -> None:
    found = []
    for source in sources("src", "bench", "scoreboard", "tests"):
        for node in source.nodes:
            if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and _does_nothing(node.body):
                found.append(source.at(node, "an error of any kind disappears here"))
            elif isinstance(node, ast.Call) and dotted(node.func).endswith("suppress"):
                if any(_catches_all(each) for each in node.args):
                    found.append(source.at(node, "an error of any kind disappears here"))
    assert not found, report(found)


def _catches_all(kind: ast.expr | None) -> bool:
    return kind is None or dotted(kind) in {"Exception", "BaseException"}


def _does_nothing(body: list[ast.stmt]) -> bool:
    return all(isinstance(each, ast.Pass | ast.Continue | ast.Break) for each in body)


def test_nothing_is_left_to_do_later() -> None:
    later = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{source.path}:{number}: {line.strip()}"
        for source in sources("src", "bench", "scoreboard")
        for number, line in enumerate(source.text.splitlines(), 1)
        if later.search(line)
    ]
    assert not found, report(found)


def test_no_path_or_host_of_one_machine() -> None:
    """What is committed works on any machine: no home directories, no addresses of package indexes."""
    one_machine = re.compile(
        "|".join(["/" + "home/[a-z]", "/" + "root/", "/" + "work/", "py" + r"pi\.org", "python" + "hosted"])
    )
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if one_machine.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, report(found)


def test_the_tools_see_every_file() -> None:
    """A file outside the folders that ruff, mypy and these rules walk over would go unchecked."""
    known = {"src", "tests", "bench", "scoreboard", "requirements", "examples", "docs"}
    paths = [path.relative_to(ROOT) for path in ROOT.rglob("*.py") if is_ours(path)]
    found = [str(path) for path in paths if path.parts[0] not in known]
    assert not found, report(found)
