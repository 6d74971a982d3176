"""A folder to serve, and a server of it on either stack."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.serving import STACKS, Served, serving

MIB = 1_024 * 1_024


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind, beside one that is not to be seen."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("outside\n")
    folder = outside / "served"
    folder.mkdir()
    (folder / "a.txt").write_text("hello\n")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "blob.bin").write_bytes(random.Random(3).randbytes(3 * MIB))
    words = [f"{number}" for number in range(50_000)]
    (folder / "middling.txt").write_text("\n".join(words))
    (folder / "long.txt").write_text("\n".join(words * 8))
    (folder / 'odd "<n>é.txt').write_text("odd\n")
    (folder / "sub").mkdir()
    (folder / "index").mkdir()
    (folder / "index" / "index.html").write_text("<p>index</p>\n")
    (folder / ".hidden").write_text("hidden\n")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("hidden\n")
    (folder / "inside.txt").symlink_to("a.txt")
    (folder / "outside.txt").symlink_to(outside / "secret.txt")
    (folder / "outside").symlink_to(outside)
    (folder / "shown.txt").symlink_to(".hidden")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(scope="module", params=STACKS, ids=["kernel", "stack"])
def served(request: pytest.FixtureRequest, folder: Path) -> Iterator[Served]:
    """A web server of the folder, on the kernel's stack and on ours."""
    with serving(str(folder), *request.param) as running:
        yield running
