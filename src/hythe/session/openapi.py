"""The OpenAPI description of a session's API, made of its routes and classes."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, get_args, get_origin

from hythe.session import model
from hythe.session.plain import hints, is_row, optional
from hythe.session.routes import API, JSON, ROUTES, Parameter, Route

_PRIMITIVES: Final[types.MappingProxyType[Any, str]] = types.MappingProxyType(
    {str: "string", int: "integer", float: "number", bool: "boolean"}
)


def document() -> dict[str, Any]:
    """OpenAPI 3.1, as JSON knows it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "A session of hythe",
            "version": str(API),
            "description": "HTTP on the Unix socket of a running hythe run.",
        },
        "paths": paths,
        "components": {"schemas": dict(_components())},
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.operation, "summary": route.text}
    parameters = [_parameter(each) for each in route.parameters]
    if "{id}" in route.path:
        number = {"type": "integer", "minimum": 0}
        parameters.append({"name": "id", "in": "path", "required": True, "schema": number})
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(route.body)}}}
    answer = {"type": "string"} if route.answer is None else _schema(route.answer)
    problem = {"description": "What is wrong.", "content": {JSON: {"schema": _schema(model.Problem)}}}
    operation["responses"] = {
        "200": {"description": "Done.", "content": {route.media.partition(";")[0]: {"schema": answer}}},
        "default": problem,
    }
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.text,
        "schema": {"type": _PRIMITIVES[parameter.kind]},
    }


def _components() -> list[tuple[str, dict[str, Any]]]:
    """Every class of the model."""
    found = [each for each in vars(model).values() if isinstance(each, type) and (is_dataclass(each) or is_row(each))]
    return [(each.__name__, _component(each)) for each in found]


def _component(kind: Any) -> dict[str, Any]:
    wanted = hints(kind)
    description = " ".join((kind.__doc__ or "").split())
    if is_row(kind):
        items = [{"title": name} | _schema(hint) for name, hint in wanted.items()]
        return {"type": "array", "description": description, "prefixItems": items, "minItems": len(items)}
    return {
        "type": "object",
        "description": description,
        "properties": {name: _schema(hint) for name, hint in wanted.items()},
        "required": [each.name for each in fields(kind) if each.default is MISSING],
    }


def _schema(hint: Any) -> dict[str, Any]:
    hint, may_be_none = optional(hint)
    if may_be_none:
        return {"anyOf": [_schema(hint), {"type": "null"}]}
    if hint in _PRIMITIVES:
        return {"type": _PRIMITIVES[hint]}
    if isinstance(hint, type) and (is_dataclass(hint) or is_row(hint)):
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    arguments = get_args(hint)
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if get_origin(hint) is dict and arguments[1] is not Any:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return {"type": "object"}
