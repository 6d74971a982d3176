"""What the stack may touch: nothing but the standard library, and none of its clocks, sockets or dice.

Time reaches the stack as `now`, randomness as a `random.Random`, packets through a link. That is what lets the same
objects run behind a TUN device, in a test and on a simulated clock.
"""

from __future__ import annotations

import ast
import sys

from tests.house.source import PACKAGE, Source, core, dotted, imported, report, sources

#: Called or imported nowhere in the stack, links included.
BANNED_EVERYWHERE = (
    "time.",
    "random.",
    "secrets.",
    "os.urandom",
    "os.environ",
    "os.getenv",
    "datetime.",
    "asyncio.",
    "threading.",
    "logging.",
    "subprocess.",
    "uuid.",
)
#: A link may hold a descriptor; what stands to its left may not.
BANNED_LEFT_OF_LINK = ("socket.", "select.", "selectors.", "fcntl.", "os.")
BANNED_BUILTINS = frozenset({"print", "input", "open", "breakpoint"})
#: The type is welcome in a signature; its module-level functions are a hidden global.
ALLOWED = frozenset({"random.Random"})


#: WireGuard's protocol stands by the same rules, on `cryptography`; these stand around it.
WIREGUARD = "src/hythe/tunnel/wireguard"
AROUND_WIREGUARD = frozenset({f"{WIREGUARD}/{name}.py" for name in ("config", "link", "outer", "endpoints")})


def wireguard() -> list[Source]:
    return [source for source in sources(WIREGUARD) if source.path not in AROUND_WIREGUARD]


def banned(source: Source) -> tuple[str, ...]:
    if source.path.startswith("src/hythe/link/"):
        return BANNED_EVERYWHERE
    return BANNED_EVERYWHERE + BANNED_LEFT_OF_LINK


def is_banned(name: str, prefixes: tuple[str, ...]) -> bool:
    return name not in ALLOWED and any((name + ".").startswith(prefix.rstrip(".") + ".") for prefix in prefixes)


def type_checking_imports(tree: ast.Module) -> set[ast.AST]:
    """Return the imports made only for annotations."""
    guarded = [node for node in tree.body if isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")]
    return {inner for node in guarded for inner in ast.walk(node)}


def test_the_stack_imports_only_the_standard_library() -> None:
    found = []
    for source in core():
        for node in source.nodes:
            for name in imported(node):
                top = name.split(".")[0]
                if top != "hythe" and top not in sys.stdlib_module_names:
                    found.append(source.at(node, f"imports {top}"))
    assert not found, report(found)


def test_the_stack_reads_no_clock_throws_no_dice_opens_no_socket() -> None:
    found = []
    for source in (*core(), *wireguard()):
        prefixes = banned(source)
        for_types = type_checking_imports(source.tree)
        runtime = [node for node in source.nodes if node not in for_types and imported(node)]
        # A parameter may bear the name of a module: `random.randrange()` on a Random that was handed in is welcome.
        modules = {name.split(".")[0] for node in runtime if isinstance(node, ast.Import) for name in imported(node)}
        for node in source.nodes:
            names = imported(node) if node in runtime else []
            if isinstance(node, ast.Call) and dotted(node.func).split(".")[0] in modules:
                names = [dotted(node.func)]
            found += [source.at(node, f"uses {name}") for name in names if is_banned(name, prefixes)]
    assert not found, report(found)


def test_the_stack_neither_prints_nor_opens_files() -> None:
    found = [
        source.at(node, f"calls {node.func.id}")
        for source in (*core(), *wireguard())
        for node in source.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_BUILTINS
    ]
    assert not found, report(found)


def test_objects_of_the_stack_have_slots() -> None:
    found = [
        source.at(node, f"{node.name} has no __slots__")
        for source in sources("src/hythe/wire", "src/hythe/tcp")
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and not _has_slots(node)
    ]
    assert not found, report(found)


def _has_slots(node: ast.ClassDef) -> bool:
    """Tell whether instances have no dictionary, or whether it would not matter (enums, protocols, errors)."""
    exempt = ("Enum", "Flag", "Protocol", "NamedTuple", "TypedDict", "Error", "Exception", "ABC")
    if any(dotted(base).endswith(exempt) or ast.unparse(base).startswith("Protocol[") for base in node.bases):
        return True
    if any("slots=True" in ast.unparse(each) for each in node.decorator_list):
        return True
    return any(isinstance(each, ast.Assign | ast.AnnAssign) and "__slots__" in ast.unparse(each) for each in node.body)


def test_folders_have_a_docstring_each() -> None:
    folders = [path for path in PACKAGE.rglob("*") if path.is_dir() and any(path.glob("*.py"))]
    found = [str(path.relative_to(PACKAGE)) for path in folders if not (path / "__init__.py").is_file()]
    assert not found, report(found)
