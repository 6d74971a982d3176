"""How tests behave: one way to skip, seeds for all dice, nothing outside the machine, no process killed by name."""

from __future__ import annotations

import ast
import re

from tests.house.source import dotted, report, sources

THE_ONLY_FILE_THAT_SKIPS = "tests/needs.py"
SKIPS = re.compile(r"^(pytest\.(skip|importorskip|xfail)|pytest\.mark\.(skip|skipif|xfail)|unittest\.skip\w*|skip|skipif)$")
MODULE_DICE = re.compile(r"^random\.(?!Random$|SystemRandom$)\w+$|^os\.urandom$|^secrets\.\w+$")


def test_only_needs_skips() -> None:
    found = []
    for source in sources("tests"):
        if source.path != THE_ONLY_FILE_THAT_SKIPS and re.search("skip|xfail", source.text):
            for node in source.nodes:
                if isinstance(node, ast.Attribute | ast.Name) and SKIPS.match(dotted(node)):
                    found.append(source.at(node, "skips; say what is missing with tests.needs instead"))
    assert not found, report(found)


def test_dice_have_seeds() -> None:
    found = [
        source.at(node, f"{dotted(node.func)} has no seed; take the `rng` fixture")
        for source in sources("tests")
        if re.search("random|secrets", source.text)
        for node in source.nodes
        if isinstance(node, ast.Call) and MODULE_DICE.match(dotted(node.func))
    ]
    assert not found, report(found)


def test_no_process_is_found_by_name() -> None:
    words = re.compile(r"""["'](pk""" + r"""ill|kill""" + r"""all)\b""")
    found = [
        f"{source.path}:{number}: {line.strip()}"
        for source in sources("src", "tests", "bench", "scoreboard")
        for number, line in enumerate(source.text.splitlines(), 1)
        if words.search(line)
    ]
    assert not found, report(found)


def test_every_test_can_fail() -> None:
    """A test asserts, expects an error, or calls something that does; an empty one proves nothing."""
    found = []
    for source in sources("tests"):
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                if not any(isinstance(inner, ast.Assert | ast.Call) for inner in ast.walk(node)):
                    found.append(source.at(node, f"{node.name} checks nothing"))
    assert not found, report(found)
