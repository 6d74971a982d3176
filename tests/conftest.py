"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import zlib
from typing import TYPE_CHECKING

import hypothesis
import pytest
from hypothesis import configuration

from tests import needs, turns

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

# `make test` tries the same examples every time; `make test-all` sets HYPOTHESIS_PROFILE=thorough: many and new ones,
# and those that fail are remembered beside the other caches.
configuration.set_hypothesis_home_dir(".cache/hypothesis")
hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=5_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure() -> None:
    """Let commands under test die of their signals, though `nohup` or a shell's `&` has these ignored by all it starts.

    A shell cannot take back what it finds ignored. What is handled, if by nothing, is at its default after an exec.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_finish() -> None:
    """Keep the thousands of tests out of every collection of garbage from here on: some tests ask for one each."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # its time is not counted before its turn has come
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run each test when it may."""
    with turns.turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of this test: its own and always the same, or HYTHE_SEED; printed, so a failure shows it."""
    value = int(os.environ.get("HYTHE_SEED", zlib.crc32(request.node.nodeid.encode())))
    print(f"seed {value} (repeat with HYTHE_SEED={value})")
    return value


@pytest.fixture
def rng(seed: int) -> random.Random:
    """Return a source of randomness that the seed determines."""
    return random.Random(seed)


@pytest.fixture(scope="session")
def public_python() -> Iterator[Path]:
    """Return a python with hythe that any user can run (`bin/hythe` beside it); put `needs.nobody()` before it."""
    folder = needs.public_folder()
    try:
        yield needs.public_python(folder / "venv")
    finally:
        shutil.rmtree(folder)
