"""Data classes to JSON's plain values and back, by the annotations of their fields."""

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


@cache
def hints(kind: type) -> Mapping[str, Any]:
    """The fields of a data class with their annotations."""
    return get_type_hints(kind)
