"""A mail server as one finds it: SMTP by aiosmtpd, and RFC 1939's POP3 for what it has taken."""

from __future__ import annotations

import asyncio
import contextlib
import email.message
import queue
import socketserver
import threading
from collections.abc import Iterator

from aiosmtpd.smtp import SMTP, Envelope, Session

GREETING = b"+OK POP3 mail.test ready"


class Box:
    """One user's mails; aiosmtpd's handler. `lines`: commands of POP3 that were given."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.lines: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        return "250 taken"


@contextlib.contextmanager
def smtp(box: Box) -> Iterator[int]:
    """The port of an SMTP server that puts what it gets into `box`."""
    begun: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = queue.Queue()

    async def main() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(box, hostname="mail.test", loop=loop), "127.0.0.1", 0)
        async with server:
            begun.put((loop, ended, server.sockets[0].getsockname()[1]))
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    loop, ended, port = begun.get(timeout=20)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)


class _Pop3(socketserver.StreamRequestHandler):
    """The commands that poplib gives: USER, PASS, STAT, LIST, RETR, DELE, QUIT (RFC 1939, 4 to 6)."""

    server: _Pop3Server

    def handle(self) -> None:
        self._say(GREETING)
        mails = self.server.box.mails
        deleted: set[int] = set()
        for line in self.rfile:
            assert line.endswith(b"\r\n")
            self.server.box.lines.append(line)
            word, _, number = line.strip().partition(b" ")
            match word:
                case b"USER" | b"PASS":
                    self._say(b"+OK")
                case b"STAT":
                    self._say(b"+OK %d %d" % (len(mails), sum(map(len, mails))))
                case b"LIST":
                    self._say(b"+OK", b"".join(b"%d %d\r\n" % (at, len(mail)) for at, mail in enumerate(mails, 1)))
                case b"RETR":
                    self._say(b"+OK", mails[int(number) - 1])
                case b"DELE":
                    deleted.add(int(number) - 1)
                    self._say(b"+OK")
                case b"QUIT":
                    mails[:] = [mail for at, mail in enumerate(mails) if at not in deleted]
                    self._say(b"+OK Sayonara")
                    return
                case _:
                    self._say(b"-ERR")

    def _say(self, line: bytes, text: bytes | None = None) -> None:
        self.wfile.write(line + b"\r\n")
        if text is not None:  # RFC 1939, 3: a line that begins with a dot gets one more
            stuffed = [b"." + each if each.startswith(b".") else each for each in text.splitlines(keepends=True)]
            self.wfile.write(b"".join([*stuffed, b".\r\n"]))


class _Pop3Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, box: Box) -> None:
        super().__init__(("127.0.0.1", 0), _Pop3)
        self.box = box


@contextlib.contextmanager
def pop3(box: Box) -> Iterator[int]:
    """The port of a POP3 server of what is in `box`."""
    with _Pop3Server(box) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(20)


def letter(subject: str, text: str) -> email.message.EmailMessage:
    """From one to the other."""
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@mail.test", "b@mail.test", subject
    made.set_content(text)
    return made
