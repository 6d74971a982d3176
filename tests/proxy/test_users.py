"""Passwords: hashes, who is let in, and how those are slowed down who guess."""

from __future__ import annotations

import asyncio

import pytest

from hythe.errors import UsageError
from hythe.proxy.users import Users, hash_password, parse_hash
from hythe.units import SECOND

WORD = hash_password("sécret")


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def test_a_hash_fits_its_password_alone() -> None:
    found = parse_hash(WORD)
    assert found.fits("sécret")
    assert not found.fits("secret")
    assert hash_password("sécret") != WORD


@pytest.mark.parametrize(
    "text",
    [
        *("", "secret", "scrypt:1:2:3", "md5" + WORD[6:], WORD + "!", WORD.replace(":8:", ":-8:")),
        *(WORD.replace("16384", "16383"), WORD.replace("16384", "1073741824")),
    ],
    ids=["empty", "word", "short", "other", "longer", "negative", "no-power", "huge"],  # its salt is another each time
)
def test_what_is_no_hash(text: str) -> None:
    with pytest.raises(UsageError, match="hythe proxy --hash-password"):
        parse_hash(text)


def test_who_is_let_in() -> None:
    async def main() -> None:
        users = Users({"me": WORD}, Clock())
        assert await users.check("192.0.2.1", "me", "sécret")
        assert await users.check("192.0.2.1", "me", "sécret")
        assert not await users.check("192.0.2.1", "me", "wrong")
        assert not await users.check("192.0.2.1", "you", "sécret")

    asyncio.run(main())


def test_who_fails_has_to_wait_and_longer_each_time() -> None:
    async def main() -> None:
        clock = Clock()
        users = Users({"me": WORD}, clock)
        for _ in range(4):
            assert not await users.check("192.0.2.1", "me", "wrong")
        assert not await users.check("192.0.2.1", "me", "sécret")  # is not looked at
        assert await users.check("192.0.2.2", "me", "sécret")  # another is not concerned
        clock.now += 2 * SECOND
        assert not await users.check("192.0.2.1", "me", "wrong")
        clock.now += 1 * SECOND
        assert not await users.check("192.0.2.1", "other", "sécret")
        clock.now += 2 * SECOND
        fresh = Users({"me": WORD}, clock)
        assert await fresh.check("192.0.2.1", "me", "sécret")

    asyncio.run(main())


def test_many_addresses_cannot_guess_one_users_password() -> None:
    async def main() -> None:
        users = Users({"me": WORD}, Clock())
        for number in range(21):
            assert not await users.check(f"192.0.2.{number}", "me", "wrong")
        assert not await users.check("198.51.100.1", "me", "sécret")

    asyncio.run(main())
