"""What every request has to show before anything is answered, and what every answer says to the browser.

The host it was sent to is one of ours, or a name of somebody else's leads here (DNS rebinding). It does not come from a page
of another origin: browsers say so by Sec-Fetch-Site and Origin, and a form or a link of another site is another origin, too.
It has the cookie, and for anything but the page's own files the key (`admission`). What changes something has to prove that
it is from our page: a browser that says nothing is not enough.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hythe.dashboard.admission import Admission

#: The header that has the key.
KEY: Final = "x-hythe-key"
#: Where the token is given.
ENTRANCE: Final = "/enter"
_READS: Final = frozenset({"GET", "HEAD"})
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
#: Of every answer.
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>hythe dashboard</title></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body>
</html>
"""
_AGAIN: Final = "Press Enter where <code>hythe dashboard</code> runs, and open the address that it prints."


class Guard:
    """An ASGI application around another. `hosts`: as which it may be asked; `name`: of the session to show first."""

    def __init__(self, app: ASGIApp, admission: Admission, hosts: Collection[str], cookie: str, name: str | None) -> None:
        self._app = app
        self._admission = admission
        self._hosts = frozenset(hosts)
        self._cookie = cookie
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, text in HEADERS.items():
                    headers[name] = text
            await send(message)

        headers = Headers(scope=scope)
        answer = self._foreign(scope, headers)
        if answer is None:
            answer = self._enter(scope) if scope["path"] == ENTRANCE else self._stranger(scope, headers)
        await (answer or self._app)(scope, receive, marked)

    def _foreign(self, scope: Scope, headers: Headers) -> Response | None:
        """An answer to a request that is not from our own page."""
        host, origin, site = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")
        if headers.getlist("host") != [host] or host not in self._hosts:
            return _refusal(421, "This address is not the dashboard's", "Open the address that it printed, as it is.")
        ours = origin == f"http://{host}"
        reads = scope["method"] in _READS
        typed = site == "none" and reads
        if (origin is not None and not ours) or not (site in (None, "same-origin") or typed):
            return _refusal(
                403, "Another site asked", "Pages of other sites cannot use the dashboard: type or paste its address."
            )
        if not reads and not (ours or site == "same-origin"):
            return _refusal(403, "Who asks?", "Only the dashboard's own page may change anything.")
        return None

    def _enter(self, scope: Scope) -> Response:
        """What a token gives."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        admitted = self._admission.enter(query.get("token", "")) if scope["method"] == "GET" else None
        if admitted is None:
            return _refusal(403, "This address does not work, or no more", f"It works once. {_AGAIN}")
        cookie, key = admitted
        place = f"/s/{quote(self._name, safe='')}" if self._name is not None else "/"
        answer = RedirectResponse(f"/#key={key}&go={place}", 303)
        answer.set_cookie(self._cookie, cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """An answer to who was not let in."""
        cookies = _cookies(headers.getlist("cookie"), self._cookie)
        if not any(map(self._admission.knows, cookies)):
            return _refusal(403, "This browser was not let in", _AGAIN)
        key = headers.get(KEY, "")
        if scope["path"].startswith("/api/") and not any(self._admission.opens(each, key) for each in cookies):
            return JSONResponse({"error": "this page was not let in: open a new address of hythe dashboard"}, 403)
        return None


def _cookies(headers: Sequence[str], name: str) -> list[str]:
    """The values of all cookies of this name."""
    found = []
    for header in headers:
        try:
            morsel = SimpleCookie(header).get(name)
        except CookieError:
            continue  # not one of ours
        if morsel is not None:
            found.append(morsel.value)
    return found


def _refusal(status: int, title: str, text: str) -> Response:
    return HTMLResponse(_PAGE.format(title=title, text=text), status)
