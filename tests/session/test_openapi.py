"""The description of the API: complete, consistent, and true of the server."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hythe.gateway.api.resources import Resources
from hythe.session.openapi import document
from hythe.session.routes import ROUTES, Route


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_is_json_and_refers_to_what_is_there() -> None:
    found = json.loads(json.dumps(document()))
    assert found["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(found["info"])
    schemas = found["components"]["schemas"]
    used = {each.removeprefix("#/components/schemas/") for each in references(found)}
    assert used <= set(schemas)
    assert set(schemas) <= used | {"Event"}
    for name, schema in schemas.items():
        assert schema["description"], name
        if schema["type"] == "array":
            assert len({each["title"] for each in schema["prefixItems"]}) == schema["minItems"] > 1, name
        else:
            assert set(schema["required"]) <= set(schema["properties"]), name


def test_every_operation_is_complete() -> None:
    seen = set()
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["operationId"] not in seen, where
            seen.add(operation["operationId"])
            assert {"200", "default"} <= set(operation["responses"]), where
            in_path = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path)), where
            for each in operation["responses"].values():
                assert each["description"], where
                assert each["content"], where
            assert ("requestBody" in operation) == (method in ("post", "put", "patch")), where


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_the_server_knows_every_route_as_described(route: Route) -> None:
    signature = inspect.signature(getattr(Resources, route.operation))
    parameters = list(signature.parameters.values())[1:]
    positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    keywords = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert len(positional) == ("{id}" in route.path) + (route.body is not None)
    assert keywords == {each.name for each in route.parameters}
    assert all(each.default is not each.empty for each in parameters if each.name in keywords)
