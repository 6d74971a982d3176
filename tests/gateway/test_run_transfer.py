"""Files through `hythe run`, up and down, in every size of network: equal SHA-256 or it did not happen."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from hythe.units import GIB, MIB
from tests import needs
from tests.gateway.servers import Content, file_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway.conftest import Person

#: Whatever the seed, the blocks differ.
CONTENT_SEED = 20_260_101
BOTH_FAMILIES = pytest.mark.parametrize("family", ["-4", "-6"])


class Files:
    """A web server on loopback and the content that it gives out."""

    def __init__(self, content: Content, port: int) -> None:
        self.content = content
        self.port = port

    def url(self, size: int) -> str:
        return f"http://host.hythe.internal:{self.port}/{size}"


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    needs.program("curl")
    content = Content(random.Random(CONTENT_SEED))
    with file_server(content) as port:
        yield Files(content, port)


def write_file(folder: Path, content: Content, size: int) -> Path:
    """Write a file to send, where everybody can read it."""
    path = folder / f"file-{size}"
    if not path.exists():
        with path.open("wb") as file:
            for piece in content.pieces(size):
                file.write(piece)
        path.chmod(0o644)
    return path


def down(person: Person, files: Files, size: int, family: str, options: str = "", timeout: float = 60) -> None:
    script = f"curl -sS --fail {family} {files.url(size)} | sha256sum"
    result = person.run(f"--host-loopback {options}", "sh", "-c", script, timeout=timeout)
    assert (result.stdout.split()[:1], result.stderr) == ([files.content.sha256(size)], "")


def up(person: Person, files: Files, size: int, family: str, options: str = "", timeout: float = 60) -> None:
    path = write_file(person.folder, files.content, size)
    try:
        result = person.run(
            f"--host-loopback {options}", "curl", "-sS", "--fail", family, "-T", str(path), files.url(0), timeout=timeout
        )
    finally:
        path.unlink()
    assert (result.stdout, result.stderr) == (f"{size} {files.content.sha256(size)}\n", "")


@BOTH_FAMILIES
def test_24_mib(person: Person, files: Files, family: str) -> None:
    down(person, files, 24 * MIB, family)
    up(person, files, 24 * MIB, family)


@pytest.mark.slow
@BOTH_FAMILIES
def test_1_gib(person: Person, files: Files, family: str) -> None:
    down(person, files, GIB, family)
    up(person, files, GIB, family)


@pytest.mark.parametrize("mtu", [1280, 1500, 9000, 65_535])
@BOTH_FAMILIES
def test_any_mtu(nobody: Person, files: Files, family: str, mtu: int) -> None:
    down(nobody, files, 6 * MIB, family, f"--mtu {mtu}")
    up(nobody, files, 6 * MIB, family, f"--mtu {mtu}")


def test_the_least_mtu_of_ipv4(nobody: Person, files: Files) -> None:
    """68 bytes: 28 of payload at a time. It is slow, but it arrives."""
    down(nobody, files, MIB // 4, "-4", "-4 --mtu 68")
    up(nobody, files, MIB // 4, "-4", "-4 --mtu 68")


@pytest.mark.parametrize("size", [0, 1, 1460, 65_536])
def test_small_files(nobody: Person, files: Files, size: int) -> None:
    down(nobody, files, size, "-4")
    up(nobody, files, size, "-4")


def test_a_request_body(nobody: Person, files: Files) -> None:
    """`Expect: 100-continue` and all."""
    path = write_file(nobody.folder, files.content, 5 * MIB)
    result = nobody.run("--host-loopback", "curl", "-sS", "--data-binary", f"@{path}", files.url(0))
    assert result.stdout == f"{5 * MIB} {files.content.sha256(5 * MIB)}\n", result.stderr


def many_at_once(person: Person, files: Files, size: int, timeout: float) -> None:
    """64 clients at the same time, half of them down, half of them up, half of each over IPv6."""
    path = write_file(person.folder, files.content, size)
    script = (
        f"for i in $(seq 16); do for family in -4 -6; do "
        f"(curl -sS --fail $family {files.url(size)} | sha256sum | sed 's/ .*//; s/^/{size} /') & "
        f"curl -sS --fail $family -T {path} {files.url(0)} & done; done; wait"
    )
    result = person.run("--host-loopback", "sh", "-c", script, timeout=timeout)
    path.unlink()
    assert result.stderr == ""
    assert result.stdout.splitlines() == [f"{size} {files.content.sha256(size)}"] * 64


def test_64_at_once(person: Person, files: Files) -> None:
    many_at_once(person, files, MIB, 60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_64_at_once_of_1_gib(nobody: Person, files: Files) -> None:
    many_at_once(nobody, files, GIB, 850)
