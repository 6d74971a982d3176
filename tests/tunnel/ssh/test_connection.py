"""What asyncssh's connections get wrong, and ours do not."""

from __future__ import annotations

import pytest
from asyncssh.constants import MSG_KEXINIT
from asyncssh.packet import Boolean, Byte, NameList, UInt32

from hythe.tunnel.ssh.connection import guessed_wrong


def kexinit(exchanges: str, host_keys: str, *, follows: bool = False) -> bytes:
    lists = [exchanges.encode().split(b","), host_keys.encode().split(b","), *([[b"any"]] * 6), [], []]
    return Byte(MSG_KEXINIT) + bytes(16) + b"".join(map(NameList, lists)) + Boolean(follows) + UInt32(0)


@pytest.mark.parametrize(
    ("theirs", "follows", "wrong"),
    [
        (("x25519,dh14", "ed25519,rsa"), True, False),
        (("x25519,dh14", "ed25519,rsa"), False, False),
        (("dh14,x25519", "ed25519,rsa"), True, True),
        (("dh14,x25519", "ed25519,rsa"), False, False),
        # Dropbear's client and a server with a key of RSA: what was agreed on was guessed, and does not count.
        (("x25519", "rsa,ed25519"), True, True),
    ],
)
def test_a_guess_is_wrong_unless_both_sides_prefer_the_same(theirs: tuple[str, str], follows: bool, wrong: bool) -> None:
    """RFC 4253, 7."""
    assert guessed_wrong(kexinit(*theirs, follows=follows), kexinit("x25519,dh14", "ed25519")) is wrong
