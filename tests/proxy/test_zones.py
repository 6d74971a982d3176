"""Where ports may be opened."""

from __future__ import annotations

import pytest

from hythe.errors import MachineError, UsageError
from hythe.proxy.kinds import listen, zone
from hythe.proxy.zones import Zones


def places(
    text: str, *, internal: str = "", external: str = "", expose: bool = False, login: bool = False
) -> tuple[str, ...]:
    zones = Zones([zone(each) for each in internal.split()], [zone(each) for each in external.split()])
    return zones.places(listen(text), expose=expose, login=login)


def test_loopback_is_inside_in_any_case() -> None:
    assert places("1080") == ("127.0.0.1", "::1")
    assert places("1080", internal="10.0.0.0/8") == ("127.0.0.1", "::1")
    assert places("lo:1080", internal="lo") == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("text", "zones", "words"),
    [
        ("*:1080", {}, "0.0.0.0 is open to everyone, and nobody has to log in"),
        ("[::]:1080", {}, ":: is open to everyone"),
        ("8.8.8.8:1080", {}, "8.8.8.8 is public, and nobody has to log in"),
        ("*:1080", {"internal": "10.0.0.0/8", "login": True}, "external ones included"),
        ("10.0.0.1:1080", {"internal": "192.168.0.0/16"}, "10.0.0.1 is not internal"),
        ("10.0.0.1:1080", {"external": "10.0.0.0/24"}, "10.0.0.1 is external"),
        ("10.0.0.1:1080", {"internal": "10.0.0.0/8", "external": "10.0.0.0/24"}, "10.0.0.1 is external"),
    ],
)
def test_refused_unless_exposed(text: str, zones: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=f'{words}.*write expose = "yes, to everyone"'):
        places(text, **zones)  # type: ignore[arg-type]
    assert places(text, **{**zones, "expose": True})  # type: ignore[arg-type]


def test_allowed() -> None:
    assert places("10.0.0.1:1080") == ("10.0.0.1",)
    assert places("10.0.0.1:1080", internal="10.0.0.0/8") == ("10.0.0.1",)
    assert places("8.8.8.8:1080", login=True) == ("8.8.8.8",)
    assert places("*:1080", login=True) == ("0.0.0.0", "::")


def test_an_interface_that_is_not_there() -> None:
    with pytest.raises(MachineError, match="there is no interface 'nowhere0'"):
        places("nowhere0:1080")
