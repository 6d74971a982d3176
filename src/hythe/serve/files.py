"""The files of a folder, over HTTP: pages, ranges, validators, and a listing where there is no index.html.

What a client can name is held to what lies in the folder. A path is normalized, resolved with all its symbolic links, and
must still be inside; nothing whose name begins with a dot is there, whether it is asked for or a link leads to it; only
regular files are sent. Whatever is refused for that is 404, as if it did not exist. Starlette answers ranges and compares
validators, with the help of `asked`; what a page of a file that changes meanwhile may say is bounded here.
"""

from __future__ import annotations

import hashlib
import html
import os
import stat
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Message, Receive, Scope, Send

from hythe.serve.asked import forbidden, with_range

#: Bytes of a file that is read at once, by the thread that looked for it.
_SMALL: Final = 64 * 1_024
METHODS: Final = ("GET", "HEAD")
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>body{{font-family:sans-serif}}td{{padding-right:2em}}td+td{{text-align:right}}</style></head>
<body><h1>{title}</h1>
<table>
{rows}</table></body></html>
"""
_ROW: Final = '<tr><td><a href="{link}">{name}</a></td><td>{size}</td><td>{time}</td></tr>\n'


class Files(StaticFiles):
    """An ASGI application. `directory` must exist."""

    def get_path(self, scope: Scope) -> str:
        """The path asked for, normalized; a name that is no UTF-8 as the file system has it."""
        return os.path.normpath(os.fsdecode(unquote_to_bytes(scope["raw_path"])).lstrip("/"))

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The answer for a normalized path; HTTPException for 403, 404 and 405."""
        check_method(scope)
        try:
            return await to_thread.run_sync(self._response, path, scope)
        except PermissionError:
            raise HTTPException(403) from None
        except (OSError, ValueError):  # vanished meanwhile, a name too long, a zero byte
            raise HTTPException(404) from None

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Where `path` is, with all links resolved, and what; (``""``, None) for what is not to be seen."""
        found, status = super().lookup_path(path)
        inside = os.path.relpath(found, os.path.realpath(str(self.directory))) if status else ""
        if _hidden(path) or _hidden(inside):
            return "", None
        return found, status

    def _response(self, path: str, scope: Scope) -> Response:
        found, status = self.lookup_path(path)
        if status is None:
            raise HTTPException(404)
        asked_folder = scope["path"].endswith("/")
        if stat.S_ISDIR(status.st_mode):
            if not asked_folder:
                return RedirectResponse(f"./{quote(os.fsencode(os.path.basename(path)))}/", 301)
            index, index_status = self.lookup_path(os.path.join(path, "index.html"))
            if index_status is None or not stat.S_ISREG(index_status.st_mode):
                return page(self._listing(found, scope["path"]), scope)
            found, status = index, index_status
        elif asked_folder or not stat.S_ISREG(status.st_mode):
            raise HTTPException(404)
        with open(found, "rb") as file:  # may we read it? Once an answer has begun it is too late to say so
            small = file.read(status.st_size) if status.st_size <= _SMALL else None
        response = self.file_response(found, status, scope)
        parts = "range" in Headers(scope=with_range(scope, status.st_size))
        if small is None or len(small) != status.st_size or response.status_code != 200 or parts:
            return response
        whole = Response(small)
        whole.raw_headers = response.raw_headers
        return whole

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, a part of it, or word that the client has it. HTTPException for one that it does not want like this."""
        response = FilePage(full_path, status_code, stat_result=stat_result)
        if forbidden(Headers(scope=scope), response.headers["etag"], response.headers["last-modified"]):
            raise HTTPException(412)
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response

    def _listing(self, folder: str, title: str) -> Response:
        rows = [] if title == "/" else [_ROW.format(link="../", name="../", size="", time="")]
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda each: (not _is_folder(each), each.name))
        rows += [self._row(each) for each in found]
        return HTMLResponse(_PAGE.format(title=html.escape(title), rows="".join(rows)))

    def _row(self, entry: os.DirEntry[str]) -> str:
        """One line of a listing; nothing for what would be 404."""
        try:
            _, status = self.lookup_path(os.path.relpath(entry.path, os.path.realpath(str(self.directory))))
        except OSError:
            return ""
        if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return ""
        slash = "/" if stat.S_ISDIR(status.st_mode) else ""
        name = os.fsencode(entry.name)
        return _ROW.format(
            link=f"./{quote(name)}{slash}",
            name=html.escape(name.decode(errors="replace")) + slash,
            size="" if slash else f"{status.st_size:,}",
            time=datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )


class FilePage(FileResponse):
    """A file as long as it was when it was looked at, whatever becomes of it while it is sent."""

    chunk_size = 256 * 1_024
    stat_result: os.stat_result

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Of a file that has grown, what was promised; one that has shrunk ends the connection short."""
        left, done = 0, False

        async def bounded(message: Message) -> None:
            nonlocal left, done
            if done:
                return
            if message["type"] == "http.response.start":
                left = int(Headers(raw=message["headers"]).get("content-length", "0"))
            elif scope["method"] != "HEAD":
                body = message.get("body", b"")[:left]
                left -= len(body)
                message = {**message, "body": body, "more_body": left > 0}
                done = not left
            await send(message)

        await super().__call__(with_range(scope, self.stat_result.st_size), receive, bounded)


class Text:
    """An ASGI application of one page of plain text, at ``/``."""

    def __init__(self, text: str) -> None:
        self._text = text if text.endswith("\n") else f"{text}\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        check_method(scope)
        if scope["path"] != "/":
            raise HTTPException(404)
        await page(PlainTextResponse(self._text), scope)(scope, receive, send)


def page(response: Response, scope: Scope) -> Response:
    """A response of which we have the whole body, with a validator: 304 where the client has it. HTTPException for 412."""
    response.headers["etag"] = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    if forbidden(Headers(scope=scope), response.headers["etag"]):
        raise HTTPException(412)
    asked = Headers(scope=scope).get("if-none-match", "")
    known = [each.strip().removeprefix("W/") for each in asked.split(",")]
    if "*" in known or response.headers["etag"] in known:
        return NotModifiedResponse(response.headers)
    return response


def check_method(scope: Scope) -> None:
    """HTTPException: nothing can be changed here."""
    if scope["method"] not in METHODS:
        raise HTTPException(405, headers={"Allow": ", ".join(METHODS)})


def _hidden(path: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.split(os.sep))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False
