"""What can be asked of a session can be asked of each kind of session."""

from __future__ import annotations

import inspect

import pytest

from hythe.forward.session import ForwardResources
from hythe.gateway.api.resources import Resources
from hythe.session.routes import ROUTES


@pytest.mark.parametrize("kind", [Resources, ForwardResources])
def test_every_route_is_answered(kind: type) -> None:
    for route in ROUTES:
        answer = getattr(kind, route.operation, None)
        assert answer is not None, f"{kind.__name__} does not answer {route.method} {route.path}"
        taken = inspect.signature(answer).parameters
        assert {each.name for each in route.parameters} <= set(taken), route.operation
