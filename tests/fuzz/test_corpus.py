"""Each parser on its corpus and on mutations of it: nothing but `ParseError` comes out, and soon.

Mutations are seeded by `rng`, so a failure repeats; its message has the input in hexadecimal. Put that into a file of the
target's folder under ``corpus/`` and it is tried first for ever after.
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Final

import pytest

from hythe.errors import ParseError
from tests.fuzz.targets import TARGETS

CORPUS: Final = Path(__file__).parent / "corpus"
#: Where parsers are wont to break: signs, ends, off by one.
_INTERESTING: Final = (0, 1, 2, 3, 4, 7, 8, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)
#: No input of a few KiB takes a parser longer, or somebody can keep us busy with it.
_SECONDS_EACH: Final = 0.25


def inputs(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def mutated(corpus: list[bytes], rng: Random) -> bytes:
    """One to four changes of the kinds that find bugs in parsers."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data) + 1)
        size = rng.choice((1, 2, 4, rng.randrange(1, 40)))
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.choice(_INTERESTING)
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = rng.randbytes(size)
        elif kind == 4:
            data[at:at] = data[at : at + size] * rng.randrange(1, 4)
        elif kind == 5:
            del data[at:]
        else:
            other = rng.choice(corpus)
            cut = rng.randrange(len(other) + 1)
            data[at:] = other[cut:]
    return bytes(data[:4_096])


def survives(target: str, data: bytes) -> bool:
    """True if the parser took it, False if it said `ParseError`."""
    begin = time.process_time()
    try:
        TARGETS[target](data)
        taken = True
    except ParseError:
        taken = False
    except Exception as error:
        raise AssertionError(f"{target} raises {error!r} on {data.hex()}") from error
    spent = time.process_time() - begin
    assert spent < _SECONDS_EACH, f"{target} takes {spent:.2f} s for {data.hex()}"
    return taken


def fuzz(target: str, tries: int, rng: Random) -> None:
    corpus = inputs(target)
    taken = sum(survives(target, mutated(corpus, rng)) for _ in range(tries))
    assert taken, f"no mutation of {target}'s corpus is well-formed: it does not reach the parser's depths"


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    assert sorted(TARGETS) == sorted(path.name for path in CORPUS.iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_read(target: str) -> None:
    """At least one input is well-formed; the others may be what once broke the parser."""
    assert any([survives(target, data) for data in inputs(target)])  # noqa: C419 - all of them, not only the first good one


@pytest.mark.parametrize("target", TARGETS)
def test_mutations(target: str, rng: Random) -> None:
    fuzz(target, 700, rng)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
def test_mutations_at_length(target: str, rng: Random) -> None:
    fuzz(target, 100_000, rng)
