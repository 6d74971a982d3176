"""``%{ … }%`` in a script: Python that looks at ``tcp_info``, mostly to assert something about it.

Names live on from one block to the next, as in packetdrill. The fields of ``tcp_info`` are set anew before each. What is
printed goes to standard error: the verdicts on standard output stay alone. Modules are not at hand.
"""

from __future__ import annotations

import ast
import functools
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from hythe.pkt.script import Code, ScriptError
from hythe.pkt.tcpinfo import CONSTANTS

_FUNCTIONS: Final[Mapping[str, Callable[..., object]]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            abs, all, any, bool, divmod, float, format, hex, int, len, max, min, pow, range, round, sorted, str, sum,
        )
    }
)  # fmt: skip


class Wrong(Exception):  # noqa: N818 - a verdict on the stack, no error of ours
    """An assertion does not hold, on that line of the file."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Program:
    """All the code of one script. `names`: what its statements have left."""

    def __init__(self, path: str) -> None:
        self._path = path
        shown = functools.partial(print, file=sys.stderr, flush=True)
        self._names: dict[str, object] = {"__builtins__": {**_FUNCTIONS, "print": shown}, **CONSTANTS}

    def run(self, line: int, code: Code, info: Mapping[str, int]) -> None:
        """One block, which begins on that line. Raises `Wrong`, or `ScriptError` for what is no Python that runs."""
        text = code.text.lstrip()
        first = line + code.text[: len(code.text) - len(text)].count("\n")
        try:
            tree = ast.parse(textwrap.dedent(text) + "\n\n")  # a line that ends in a backslash may be the last
        except SyntaxError as error:
            raise ScriptError(self._path, first + (error.lineno or 1) - 1, f"expected Python, found {error.msg}") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                raise ScriptError(self._path, first + node.lineno - 1, "expected %{ }% without an import")
        self._names |= info
        for statement in tree.body:
            self._statement(statement, first + statement.lineno - 1)

    def _statement(self, statement: ast.stmt, line: int) -> None:
        names = self._names
        try:
            if not isinstance(statement, ast.Assert):
                exec(compile(ast.Module([statement], []), self._path, "exec"), names)
            elif not evaluate(statement.test, names):
                told = evaluate(statement.msg, names) if statement.msg is not None else _told(statement.test, names)
                raise Wrong(line, f"assert {ast.unparse(statement.test)} does not hold: {told}")
        except NameError as error:
            raise ScriptError(self._path, line, f"expected a name of tcp_info: {error}") from error
        except AssertionError as error:  # inside an "if" or a loop
            raise Wrong(line, f"an assertion does not hold: {error}") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ScriptError(self._path, line, f"expected Python that runs, found {error}") from error


def evaluate(node: ast.expr, names: dict[str, object]) -> object:
    """The value of a Python expression."""
    return eval(compile(ast.Expression(node), "<assertion>", "eval"), names)


def _told(node: ast.expr, names: Mapping[str, object]) -> str:
    used = dict.fromkeys(each.id for each in ast.walk(node) if isinstance(each, ast.Name))
    return ", ".join(f"{name} = {names.get(name)}" for name in used)
