"""The primitives and what is built of them, on published vectors: WireGuard's construction is these and nothing else."""

from __future__ import annotations

import random
from hashlib import blake2s

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from hythe.tunnel.wireguard import noise, xchacha
from hythe.tunnel.wireguard.keys import Secret, clamp

#: RFC 8439, 2.8.2.
SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
)


def test_blake2s() -> None:
    """RFC 7693, appendix B; keyed: the reference implementation's blake2s-kat.txt, key 00..1f."""
    expected = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
    assert noise.digest(b"a", b"bc").hex() == expected
    keyed = blake2s(b"\x00", key=bytes(range(32))).hexdigest()
    assert keyed == "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"


def test_x25519() -> None:
    """RFC 7748, 6.1."""
    alice = Secret(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    bob = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    own = noise.Identity(alice)
    assert own.public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    shared = own.shared(bob)
    assert shared is not None
    assert shared.hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert own.shared(bytes(32)) is None, "a point of small order gives no secret"


def test_chacha20_poly1305() -> None:
    """RFC 8439, 2.8.2."""
    key = bytes(range(0x80, 0xA0))
    nonce = bytes.fromhex("070000004041424344454647")
    extra = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    sealed = ChaCha20Poly1305(key).encrypt(nonce, SUNSCREEN, extra)
    assert sealed[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert sealed[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"


def test_hkdf_of_blake2s() -> None:
    """Vectors that wireguard-go is tested on (device/kdf_test.go)."""
    for key, text, *expected in (
        (
            "746573742d6b6579",
            "746573742d696e707574",
            "6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
            "df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
            "fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24",
        ),
        (
            "776972656775617264",
            "776972656775617264",
            "491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
            "1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
            "31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160",
        ),
    ):
        for count in (1, 2, 3):
            found = noise.kdf(bytes.fromhex(key), bytes.fromhex(text), count)
            assert [each.hex() for each in found] == expected[:count]


def test_the_chain_begins_where_the_paper_says() -> None:
    """The construction's hash, as every implementation has it for a constant."""
    assert noise._CHAIN.hex() == "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"
    assert noise._HASH.hex() == "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3"


def test_hchacha20() -> None:
    """draft-irtf-cfrg-xchacha-03, 2.2.1."""
    found = xchacha.hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
    assert found.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"


def test_xchacha20_poly1305() -> None:
    """draft-irtf-cfrg-xchacha-03, A.3.1."""
    key = bytes(range(0x80, 0xA0))
    nonce = bytes(range(0x40, 0x58))
    extra = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    sealed = xchacha.seal(key, nonce, SUNSCREEN, extra)
    assert sealed[:16].hex() == "bd6d179d3e83d43b9576579493c0e939"
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"
    assert xchacha.unseal(key, nonce, sealed, extra) == SUNSCREEN
    assert xchacha.unseal(key, nonce, sealed[:-1] + b"\0", extra) is None


def test_clamping(rng: random.Random) -> None:
    """RFC 7748, 5."""
    assert clamp(b"\xff" * 32).reveal() == b"\xf8" + b"\xff" * 30 + b"\x7f"
    assert clamp(bytes(32)).reveal() == bytes(31) + b"\x40"
    own = clamp(rng.randbytes(32))
    assert clamp(own.reveal()) == own


def test_each_side_of_a_handshake_gets_the_others_keys(rng: random.Random) -> None:
    preshared = rng.randbytes(32)
    a, b = noise.Identity(clamp(rng.randbytes(32))), noise.Identity(clamp(rng.randbytes(32)))
    static = a.shared(b.public)
    assert static is not None
    assert static == b.shared(a.public)
    initiating = noise.Initiating(7, clamp(rng.randbytes(32)))
    message = initiating.initiate(a, b.public, static, b"twelve bytes")
    assert message is not None
    initiated = noise.Initiated.read(b, message)
    assert initiated is not None
    assert (initiated.index, initiated.remote) == (7, a.public)
    assert initiated.verify(static) == b"twelve bytes"
    made = initiated.respond(9, clamp(rng.randbytes(32)), preshared)
    assert made is not None
    response, far = made
    near = initiating.finish(a, preshared, response)
    assert near is not None
    assert (near.sending, near.receiving, near.remote_index) == (far.receiving, far.sending, 9)
    assert near.sending != near.receiving
    assert initiating.finish(a, bytes(32), response) is None
