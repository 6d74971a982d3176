"""What the rules have read is forgotten after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.house.source import read

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="package", autouse=True)
def forgetful() -> Iterator[None]:
    """The trees of all files are millions of objects, through which every later collection of garbage would go."""
    yield
    read.cache_clear()
