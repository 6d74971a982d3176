"""What a request asks for, made fit for those who answer it.

Starlette answers ranges (RFC 9110, 14) and says what has not changed (13.1.2 and 13.1.3). It refuses a Range that is to be
ignored, one that asks for a part that there is beside one that there is not, and it knows no precondition that forbids. So a
Range reaches it only as what of it can be had, and the rest is here.
"""

from __future__ import annotations

import re
from email.utils import parsedate
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Scope

#: ``first-last``, ``first-`` or ``-suffix``. No file is longer than these numbers can say.
_PART: Final = re.compile(r"(\d{0,40})-(\d{0,40})", re.ASCII)
_SCHEMES: Final = (b"http", b"https")


def in_origin_form(scope: Scope) -> Scope:
    """``GET http://host/path`` is a request for ``/path`` (RFC 9112, 3.2.2)."""
    scheme, found, rest = scope["raw_path"].partition(b"://")
    if not found or scheme.lower() not in _SCHEMES:
        return scope
    raw_path = b"/" + rest.partition(b"/")[2]
    return {**scope, "raw_path": raw_path, "path": unquote(raw_path.decode("ascii"))}


def with_range(scope: Scope, size: int) -> Scope:
    """The request with its Range as what of it a page of `size` bytes has; without, where it is to be ignored.

    That is for another method than GET, another unit than bytes, and what is none (RFC 9110, 14.2).
    """
    asked = Headers(scope=scope).get("range")
    if asked is None:
        return scope
    parts = _parts(asked, size) if scope["method"] == "GET" else None
    headers = MutableHeaders(raw=[field for field in scope["headers"] if field[0] != b"range"])
    if parts is not None:  # none of them within the page: 416, which one beyond its end gets
        headers["range"] = "bytes=" + ",".join(f"{first}-{last}" for first, last in parts or [(size, size)])
    return {**scope, "headers": headers.raw}


def forbidden(headers: Headers, etag: str, modified: str | None = None) -> bool:
    """Does a precondition fail of a page with this validator, a strong one, and this date (RFC 9110, 13.1.1 and 13.1.4)?"""
    wanted = headers.get("if-match")
    if wanted is not None:
        known = [each.strip() for each in wanted.split(",")]
        return "*" not in known and etag not in known
    since, last = (parsedate(each or "") for each in (headers.get("if-unmodified-since"), modified))
    return since is not None and last is not None and last > since


def _parts(field: str, size: int) -> list[tuple[int, int]] | None:
    """First and last byte of each part that the page has; None for a field that is no range of bytes."""
    unit, equals, written = field.partition("=")
    specs = [each.strip(" \t") for each in written.split(",") if each.strip(" \t")]
    if not equals or unit.strip().lower() != "bytes" or not specs:
        return None
    parts = []
    for spec in specs:
        found = _PART.fullmatch(spec)
        if found is None or spec == "-":
            return None
        first, last = (int(each) if each else None for each in found.groups())
        if first is None:
            assert last is not None
            first, last = max(0, size - last), size - 1
        elif last is None:
            last = size - 1
        elif last < first:
            return None
        if first < size:
            parts.append((first, min(last, size - 1)))
    return parts
