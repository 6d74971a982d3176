"""From TOML to a configuration. A mistake is one sentence: file, line, key, what is wrong, and what is allowed."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from hythe.errors import MachineError, UsageError
from hythe.proxy.config import ProxyConfig
from hythe.proxy.kinds import Kind
from hythe.proxy.lines import Path, line_of, lines
from hythe.proxy.sense import Mistake, check

T = TypeVar("T")
#: Characters of a value in a message.
_SHOWN = 60
_AT = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")


def read(path: str) -> ProxyConfig:
    """The configuration in a file. UsageError, MachineError."""
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors put a BOM in front
            text = file.read()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not TOML: it is not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise MachineError(f"{path} cannot be read ({error.strerror}): name a file that can") from error
    return parse(text, path)


def parse(text: str, path: str) -> ProxyConfig:
    """The same of its text; `path` stands in messages. UsageError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _AT.search(str(error))
        line = match["line"] if match is not None and match["line"] else text.count("\n") + 1
        raise UsageError(f"{path}:{line}: this is not TOML: {_AT.sub('', str(error))}") from error
    reader = _Reader(path, lines(text))
    config = reader.table(ProxyConfig, values, ())
    try:
        check(config)
    except Mistake as mistake:
        raise reader.wrong(mistake.path, str(mistake)) from None
    return config


class _Reader:
    def __init__(self, file: str, found: dict[Path, int]) -> None:
        self._file = file
        self._lines = found

    def wrong(self, path: Path, sentence: str) -> UsageError:
        shown = "".join(f"[{each + 1}]" if isinstance(each, int) else f".{each}" for each in path).lstrip(".")
        return UsageError(f"{self._file}:{line_of(self._lines, path)}: {shown + ': ' if shown else ''}{sentence}")

    def table(self, kind: type[T], values: Mapping[str, Any], path: Path) -> T:
        """An object of a dataclass from a table."""
        known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]  # of settings they all are
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f": did you mean {near[0]}?" if near else f": allowed are {', '.join(known)}"
                raise self.wrong((*path, key), f"there is no such setting{hint}")
        made = {}
        for name, each in known.items():
            if name in values:
                made[name] = self._value(each.metadata["kind"], values[name], (*path, name))
            elif each.default is MISSING and each.default_factory is MISSING:
                raise self.wrong(path, f"{name} is missing: {each.metadata['kind'].what}")
        return kind(**made)

    def _value(self, kind: Kind, value: Any, path: Path) -> Any:
        if kind.table is not None and kind.many:
            if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
                raise self.wrong(path, f"this is not several tables: begin each with [[{path[-1]}]]")
            return tuple(self.table(kind.table, each, (*path, number)) for number, each in enumerate(value))
        if kind.table is not None:
            if not isinstance(value, dict):
                raise self.wrong(path, f"this is not a table: begin it with [{path[-1]}]")
            return self.table(kind.table, value, path)
        if not fits(value, kind.schema):
            for key, each in value.items() if isinstance(value, dict) else ():
                if not isinstance(each, str):  # and the others are shown to nobody: they may be secrets
                    raise self.wrong((*path, key), "this is not a text: write one")
            raise self.wrong(path, f"{_shown(value)} is not allowed: write {kind.what}")
        try:
            return kind.read(value)
        except UsageError as error:
            raise self.wrong(path, str(error)) from error


def _shown(value: Any) -> str:
    """As TOML has it, or as much of it as a sentence can bear."""
    found = repr(value) if isinstance(value, str | list | dict) else str(value).lower()
    return found if len(found) <= _SHOWN else f"{found[:_SHOWN]}…"


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Has a value the type that a schema wants? The few words of JSON schema that settings use."""
    if "oneOf" in schema:
        return any(fits(value, each) for each in schema["oneOf"])
    match schema["type"]:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list) and bool(value) and all(fits(each, schema["items"]) for each in value)
        case "object":
            return isinstance(value, dict) and all(fits(each, schema["additionalProperties"]) for each in value.values())
        case unknown:
            raise AssertionError(unknown)
