"""A session by its name: what does not answer, or does not know the question, is told of."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hythe.errors import UsageError
from hythe.session.client import Session
from hythe.view.watch.source import Contact

if TYPE_CHECKING:
    from pathlib import Path


def test_a_session_of_an_earlier_version_says_that_it_does_not_know(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sock")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(65_536)
                body = b'{"error": "there is no /changes"}'
                caller.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        contact = Contact("old", lambda name: Session(name, path))
        assert contact.changes(0) is None
        thread.join()
        assert contact.trouble == "the session 'old' is of another version of hythe (there is no /changes)"
        assert contact.session is not None
    assert contact.changes(0) is None
    assert contact.trouble == "the session 'old' has ended"
    assert contact.session is None
    assert not contact.holders()


def test_who_is_not_there_to_begin_with_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(UsageError, match="no session is called 'web'"):
        Contact("web")
