"""At a terminal: lines that are edited, prompts that do not end their line, and a telnet server that takes over the echo."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from hythe.connect.telnet import DO, DONT, ECHO, IAC, SB, SE, WILL, WONT
from tests import terminal
from tests.connect.connecting import command, read_line, server

UP, BACKSPACE, END_OF_INPUT, ESCAPE, INTERRUPT = b"\x1b[A", b"\x7f", b"\x04", b"\x1d", b"\x03"


@contextlib.contextmanager
def person(*words: str) -> Iterator[terminal.Person]:
    with terminal.person(command(*words), PROMPT_TOOLKIT_NO_CPR="1") as made:
        yield made


def test_lines_can_be_edited_and_come_back() -> None:
    lines: list[bytes] = []

    def talk(client: socket.socket) -> None:
        client.sendall(b"220 ready\r\nname? ")
        while line := read_line(client):
            lines.append(line)
            client.sendall(b"%d taken\r\nname? " % len(lines))

    with server(talk) as port, person("127.0.0.1", str(port)) as somebody:
        somebody.see(b"Connected to 127.0.0.1")
        somebody.see(b"220 ready")
        somebody.see(b"name?")
        somebody.press(b"HELX" + BACKSPACE + b"O\r")
        somebody.see(b"1 taken")
        somebody.see(b"name?")
        somebody.press(UP + b" again\r")
        somebody.see(b"2 taken")
        somebody.see(b"name?")
        somebody.press(END_OF_INPUT)
        assert somebody.end() == 0
    assert lines == [b"HELO\r\n", b"HELO again\r\n"]


def test_a_telnet_server_that_echoes_gets_every_key() -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(bytes((IAC, DO, 24, IAC, DO, 31, IAC, WILL, ECHO, IAC, WILL, 3)) + b"login: ")
        answers = bytes((IAC, WILL, 24, IAC, WILL, 31, IAC, SB, 31, 0, 80, 0, 24, IAC, SE, IAC, DO, ECHO, IAC, DO, 3))
        received = b""
        while len(received) < len(answers):
            received += client.recv(len(answers) - len(received))
        assert received == answers
        typed = b""
        while not typed.endswith(b"\r\0"):
            typed += client.recv(1)
        client.sendall(b"<" + typed[:-2] + b">\r\n" + bytes((IAC, WONT, ECHO)) + b"shell% ")
        assert client.recv(3) == bytes((IAC, DONT, ECHO))
        assert read_line(client) == b"exit\r\n"

    with server(talk) as port, person("127.0.0.1", str(port)) as somebody:
        somebody.see(b"login:")
        somebody.press(b"me" + INTERRUPT + b"\r")  # ^C is a key like others now
        somebody.see(b"<me\x03>")
        somebody.see(b"shell%")
        somebody.press(b"exit\r")
        assert somebody.end() == 0


def test_no_key_is_lost_of_many() -> None:
    pasted = b"".join(b"%d\x03\r" % number for number in range(500))  # more than one read takes, ^C among them

    def talk(client: socket.socket) -> None:
        client.sendall(bytes((IAC, WILL, ECHO)) + b"paste: ")
        wanted = bytes((IAC, DO, ECHO)) + pasted.replace(b"\r", b"\r\0")
        received = b""
        while len(received) < len(wanted):
            part = client.recv(len(wanted) - len(received))
            assert part, received
            received += part
        assert received == wanted

    with server(talk) as port, person("127.0.0.1", str(port)) as somebody:
        somebody.see(b"paste:")
        for start in range(0, len(pasted), 700):
            somebody.press(pasted[start : start + 700])
        assert somebody.end() == 0


def test_the_person_has_had_enough() -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(b"hello\r\n")
        while client.recv(100):
            pass

    def echoing(client: socket.socket) -> None:
        client.sendall(bytes((IAC, WILL, ECHO)) + b"hello\r\n")
        while client.recv(100):
            pass

    for conversation, key in ((talk, INTERRUPT), (echoing, ESCAPE)):
        with server(conversation) as port, person("127.0.0.1", str(port)) as somebody:
            somebody.see(b"hello")
            somebody.press(key)
            assert somebody.end() == 130
