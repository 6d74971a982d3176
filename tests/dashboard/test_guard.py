"""Who may ask the dashboard what, over real HTTP: the host, the origin, the token, the cookie, the key."""

from __future__ import annotations

import http.client
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.dashboard.conftest import Dashboard


class Caller:
    """A client that was let in, and can show or hide it."""

    def __init__(self, dashboard: Dashboard) -> None:
        address = urlsplit(dashboard.address())
        self.host, self.port = str(address.hostname), int(address.port or 0)
        self.origin = f"http://{self.host}:{self.port}"
        self.entrance = f"{address.path}?{address.query}"
        status, headers, _ = self.ask("GET", self.entrance)
        assert status == 303
        found = re.fullmatch(r"/#key=([\w-]+)&go=/", headers["location"])
        assert found
        self.key = found[1]
        self.cookie = headers["set-cookie"].partition(";")[0]
        self.attributes = headers["set-cookie"].lower()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request; underscores in names stand for hyphens."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, text in headers.items():
            if text:
                connection.putheader(name.replace("_", "-"), text)
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body or b"")
        answer = connection.getresponse()
        told = (answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())
        connection.close()
        return told

    def let_in(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """The same as our own page asks."""
        ours = {"Cookie": self.cookie, "X_Hythe_Key": self.key, "Sec_Fetch_Site": "same-origin"}
        if method != "GET":
            ours["Origin"] = self.origin
        return self.ask(method, path, body, **(ours | headers))


@pytest.fixture(scope="module")
def caller(dashboard: Dashboard) -> Caller:
    """Return one of them."""
    return Caller(dashboard)


def test_a_token_gives_a_cookie_that_stays_here(caller: Caller) -> None:
    for word in ("httponly", "samesite=strict", "path=/"):
        assert word in caller.attributes
    assert "domain" not in caller.attributes
    status, _, page = caller.ask("GET", caller.entrance)
    assert status == 403
    assert b"works once" in page
    assert caller.ask("GET", "/enter?token=wrong")[2] == caller.ask("GET", "/enter")[2] == page


def test_our_own_page_is_answered(caller: Caller) -> None:
    status, headers, page = caller.let_in("GET", "/")
    assert status == 200
    assert b'src="/js/main.js"' in page
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert not any(name.startswith("access-control") for name in headers)
    assert caller.let_in("GET", "/api/sessions")[0] == 200
    assert caller.let_in("GET", "/../pyproject.toml")[0] == 404
    assert caller.let_in("GET", "/", Sec_Fetch_Site="none")[0] == 200


FOREIGN: list[dict[str, Any]] = [
    {"Cookie": ""},
    {"Cookie": "hythe=x"},
    {"X_Hythe_Key": ""},
    {"X_Hythe_Key": "wrong"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1.evil.example"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_nobody_else_is(caller: Caller, foreign: dict[str, str]) -> None:
    for method, path in (("GET", "/api/sessions"), ("DELETE", "/api/sessions/none/connections/1")):
        status, headers, told = caller.let_in(method, path, None, **foreign)
        assert status in (403, 421), foreign
        assert not any(name.startswith("access-control") for name in headers)
        assert b"no session is called" not in told
        assert "content-security-policy" in headers


def test_changes_need_a_proof_that_our_page_asks(caller: Caller) -> None:
    path = "/api/sessions/none/faults"
    assert caller.let_in("PATCH", path, b"{}")[0] == 400  # it reached the question which session that is
    assert caller.let_in("PATCH", path, b"{}", Origin="", Sec_Fetch_Site="same-origin")[0] == 400
    assert caller.let_in("PATCH", path, b"{}", Origin="", Sec_Fetch_Site="")[0] == 403
    assert caller.let_in("PATCH", path, b"{}", Origin="", Sec_Fetch_Site="none")[0] == 403
    assert caller.let_in("OPTIONS", path, Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "sentence"),
    [
        ("GET", "/api/sessions/none/faults", b"", "no session is called 'none'"),
        ("GET", "/api/nothing", b"", "Not Found"),
        ("POST", "/api/sessions", b"", "Method Not Allowed"),
        ("PATCH", "/api/sessions/none/faults", b"[1]", "not an object"),
        ("PATCH", "/api/sessions/none/faults", b"{", "not JSON"),
        ("PATCH", "/api/sessions/none/faults", b'{"loss": 1}', "faults are texts"),
        ("POST", "/api/sessions/none/listeners", b"{}", "8080:80"),
    ],
)
def test_bad_requests_get_a_sentence(caller: Caller, method: str, path: str, body: bytes, sentence: str) -> None:
    status, headers, told = caller.let_in(method, path, body)
    assert 400 <= status < 500
    assert sentence.encode() in told
    if path.startswith("/api/"):
        assert headers["content-type"] == "application/json"


def test_it_listens_on_loopback_alone(caller: Caller) -> None:
    with open("/proc/net/tcp", encoding="ascii") as file:
        addresses = {
            words[1] for line in file if (words := line.split())[1].endswith(f":{caller.port:04X}") and words[3] == "0A"
        }
    assert addresses == {f"0100007F:{caller.port:04X}"}
    with socket.create_connection((caller.host, caller.port)):
        pass
