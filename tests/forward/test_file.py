"""A file of tunnels."""

from __future__ import annotations

from pathlib import Path

import pytest

from hythe.errors import MachineError, UsageError
from hythe.forward.file import read
from hythe.forward.specs import parse

GOOD = """
[tunnel.mail]
via = "ssh://me@mail.example"
local = ["12345:localhost:110", "2525:localhost:25"]
remote = "8080:localhost:80"
compress = true
identity = "~/.ssh/mail"
keepalive = 5

[tunnel.socks]
via = "wg:work.conf"
dynamic = ["1080"]
"""


def test_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "tunnels.toml"
    path.write_text(GOOD)
    mail, socks = read(str(path))
    assert (mail.name, mail.via, mail.compress, mail.identities, mail.keepalive) == (
        "mail",
        "ssh://me@mail.example",
        True,
        ("~/.ssh/mail",),
        5,
    )
    assert mail.forwards == (
        parse("-L", "12345:localhost:110"),
        parse("-L", "2525:localhost:25"),
        parse("-R", "8080:localhost:80"),
    )
    assert (socks.name, socks.forwards) == ("socks", (parse("-D", "1080"),))
    assert read(str(path)) == (mail, socks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is not TOML"),
        ("", "names no tunnel"),
        ("[other]", "has 'other', which is none"),
        ("tunnel = 3", "names no tunnel"),
        ('[tunnel.a]\nlocal = ["1:a:1"]', r"\[tunnel.a\] has no via"),
        ('[tunnel.a]\nvia = "ssh://a"', r"\[tunnel.a\] forwards nothing"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocal = [1]', r"\[tunnel.a\]: local is not a text or a list of texts"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocals = []', r"\[tunnel.a\] has 'locals', which is not known"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocal = "x"', r"\[tunnel.a\]: -L x does not say"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocal = "1:a:1"\ncompress = 1', "compress is true or false"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocal = "1:a:1"\nkeepalive = -1', "keepalive a number of seconds"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocal = "1:a:1"\nkeepalive = nan', "keepalive a number of seconds"),
        ('[tunnel.a]\nvia = "ssh://a"\nlocal = "1:a:1"\nidentity = 3', r":1: \[tunnel.a\]: identity is not a text"),
        ('\n[ tunnel."a.b" ]\nvia = "ssh6://a"\nlocal = "1:a:1"', r":2: \[tunnel.a.b\]: 'ssh6://a' is not a way"),
        ('tunnel.a.via = "ssh://a"', r", \[tunnel.a\] forwards nothing"),
    ],
)
def test_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tunnels.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"tunnels.toml.*{said}"):
        read(str(path))


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "tunnels.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not TOML, for it is no text"):
        read(str(path))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot be read"):
        read(str(tmp_path / "nowhere"))
