"""Data classes to JSON's plain values and back, by the annotations of their fields.

A NamedTuple is an array: a row of a long table, which is not worth an object.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hythe.errors import UsageError

T = TypeVar("T")


def plain(value: Any) -> Any:
    """`value`, which is made of data classes, lists, mappings and what JSON knows, as JSON knows it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in hints(type(value))}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def build(kind: type[T], value: Any) -> T:
    """The data class `kind` out of what JSON knows. Fields that are not ours are left out: they are a later version's.

    Raises `UsageError`, naming the field, for what does not fit.
    """
    made: T = _build(kind, value, kind.__name__)
    return made


def optional(hint: Any) -> tuple[Any, bool]:
    """The annotation without its `| None`, and whether it had one."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [each for each in get_args(hint) if each is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return hint, False


def _build(hint: Any, value: Any, where: str) -> Any:
    hint, may_be_none = optional(hint)
    if value is None and may_be_none:
        return None
    if is_dataclass(hint):
        return _object(hint, value, where)
    if is_row(hint):
        return _row(hint, value, where)
    if get_origin(hint) is list and isinstance(value, list):
        (inner,) = get_args(hint)
        return [_build(inner, each, f"{where}[{number}]") for number, each in enumerate(value)]
    if get_origin(hint) is dict and isinstance(value, dict):
        _, inner = get_args(hint)
        return {str(key): _build(inner, each, f"{where}.{key}") for key, each in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise UsageError(f"{where} cannot be {value!r}: {getattr(hint, '__name__', hint)} is what belongs there")


def _object(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise UsageError(f"{where} cannot be {value!r}: an object is what belongs there")
    given = {}
    wanted = hints(kind)
    for field in fields(kind):
        if field.name in value:
            given[field.name] = _build(wanted[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"{where} lacks {field.name!r}")
    return kind(**given)


def is_row(hint: Any) -> bool:
    """Is it a NamedTuple?"""
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _row(kind: Any, value: Any, where: str) -> Any:
    """There may be thousands: one look at each field, and nothing called for it."""
    allowed = _allowed(kind)
    if not isinstance(value, (list, tuple)) or len(value) < len(allowed):
        raise UsageError(f"{where} cannot be {value!r}: an array of {len(allowed)} is what belongs there")
    for place, types_ in enumerate(allowed):
        if type(value[place]) not in types_:
            raise UsageError(f"{where}.{kind._fields[place]} cannot be {value[place]!r}: it is of another type")
    return kind._make(value[: len(allowed)])


@cache
def _allowed(kind: Any) -> tuple[frozenset[type], ...]:
    """Of each field, what it may be."""
    found = []
    for hint in hints(kind).values():
        inner, may_be_none = optional(hint)
        found.append(frozenset({inner, *((int,) if inner is float else ()), *((type(None),) if may_be_none else ())}))
    return tuple(found)


@cache
def hints(kind: type) -> Mapping[str, Any]:
    """The fields of a data class (or NamedTuple) with their annotations."""
    return get_type_hints(kind)
