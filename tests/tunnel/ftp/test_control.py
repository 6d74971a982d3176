"""A channel followed, in memory: what each side says, what the other gets, and what the shell is to do."""

from __future__ import annotations

from random import Random

import pytest

from hythe.errors import ParseError
from hythe.tunnel.ftp.control import Announced, Control, DoorWanted, Dropped, Event, Held, Notice
from hythe.tunnel.ftp.messages import LINE_MAX, Endpoint

OURS, THEIRS = "192.0.2.1", "192.0.2.9"


class Channel:
    """A control with both its sides. Each step returns what came out."""

    def __init__(self, ours: str = OURS, theirs: str = THEIRS, *, greeted: bool = True) -> None:
        self.control = Control(ours, theirs)
        if greeted:
            assert self.server(b"220 hello\r\n") == (b"220 hello\r\n", b"", [])

    def client(self, data: bytes) -> tuple[bytes, bytes, list[Event]]:
        self.control.receive_client(data)
        return self.out()

    def server(self, data: bytes) -> tuple[bytes, bytes, list[Event]]:
        self.control.receive_server(data)
        return self.out()

    def out(self) -> tuple[bytes, bytes, list[Event]]:
        control = self.control
        found = bytes(control.to_client), bytes(control.to_server), list(control.events)
        control.to_client.clear()
        control.to_server.clear()
        control.events.clear()
        return found

    def passive(self) -> None:
        """Get as far as to a passage."""
        self.client(b"EPSV\r\n")
        self.server(b"229 ok (|||5000|)\r\n")
        self.control.listening(4_000)
        self.out()

    def transfer(self, said: bytes = b"RETR a\r\n") -> None:
        """And to a transfer."""
        self.passive()
        assert self.client(said) == (b"", b"", [Held()])
        self.control.go(joined=True)
        assert self.out() == (b"", said, [])


def test_what_is_not_about_data_passes() -> None:
    channel = Channel()
    assert channel.client(b"USER me\r\nPASS secret\r\nSTAT\r\n") == (b"", b"USER me\r\nPASS secret\r\nSTAT\r\n", [])
    replies = b"331 who\r\n230 in\r\n211-status\r\n 211 not the end\r\n210 nor this\r\n211 end\r\n"
    assert channel.server(replies) == (replies, b"", [])


def test_passive_by_pasv() -> None:
    channel = Channel()
    assert channel.client(b"pasv\r\n") == (b"", b"EPSV\r\n", [])
    assert channel.server(b"229 ok (|||5000|)\r\n") == (b"", b"", [Announced(None, 5_000)])
    channel.control.listening(1_025)
    assert channel.out() == (b"227 Entering Passive Mode (192,0,2,1,4,1).\r\n", b"", [])
    assert channel.client(b"RETR a\r\n") == (b"", b"", [Held()])
    channel.control.go(joined=True)
    assert channel.out() == (b"", b"RETR a\r\n", [])
    assert channel.server(b"150 here\r\n226 done\r\n") == (b"150 here\r\n226 done\r\n", b"", [])


def test_passive_by_epsv_of_a_server_that_knows_only_pasv() -> None:
    channel = Channel()
    channel.client(b"EPSV\r\n")
    assert channel.server(b"502 What?\r\n") == (b"", b"PASV\r\n", [])
    assert channel.server(b"227 ok (10,9,8,7,4,1)\r\n") == (b"", b"", [Announced(None, 1_025)])
    channel.control.listening(4_000)
    assert channel.out() == (b"229 Entering Extended Passive Mode (|||4000|)\r\n", b"", [])
    assert channel.client(b"EPSV\r\n") == (b"", b"PASV\r\n", [])  # what it has refused it is not asked again


@pytest.mark.parametrize(
    ("said", "ours", "theirs"),
    [
        (b"PORT 192,0,2,9,4,1", OURS, THEIRS),
        (b"EPRT |1|192.0.2.9|1025|", OURS, THEIRS),
        (b"EPRT |2|2001:DB8::9|1025|", "2001:db8::1", "2001:db8::9"),
    ],
)
def test_active_is_passive_towards_the_server(said: bytes, ours: str, theirs: str) -> None:
    channel = Channel(ours, theirs)
    assert channel.client(said + b"\r\nSTOR a\r\n") == (b"", b"EPSV\r\n", [])
    answer = b"200 " + said[:4] + b" command successful.\r\n"
    announced = Announced(Endpoint(theirs, 1_025), 5_000)
    assert channel.server(b"229 ok (|||5000|)\r\n") == (answer, b"", [announced, Held()])
    channel.control.go(joined=True)
    assert channel.out() == (b"", b"STOR a\r\n", [])


def test_a_server_that_takes_nothing_passive() -> None:
    channel = Channel()
    channel.client(b"EPSV\r\n")
    channel.server(b"550 Permission denied.\r\n")
    assert channel.server(b"550 Permission denied.\r\n") == (b"", b"", [DoorWanted()])
    channel.control.door(Endpoint("198.51.100.1", 1_025))
    assert channel.out() == (b"", b"PORT 198,51,100,1,4,1\r\n", [])
    assert channel.server(b"200 ok\r\n") == (b"", b"", [Announced(None, None)])
    channel.control.listening(4_000)
    assert channel.out()[0] == b"229 Entering Extended Passive Mode (|||4000|)\r\n"
    assert channel.client(b"EPSV\r\n") == (b"", b"", [DoorWanted()])
    channel.control.door(Endpoint("2001:db8::5", 1_025))
    assert channel.out() == (b"", b"EPRT |2|2001:db8::5|1025|\r\n", [])
    assert channel.server(b"425 no\r\n") == (b"425 no\r\n", b"", [])
    channel.client(b"EPSV\r\n")
    channel.control.door(None)
    assert channel.out()[0].startswith(b"425 The server takes no passive data connections")


def test_who_is_not_logged_in_is_told_so_at_once() -> None:
    channel = Channel()
    channel.client(b"PASV\r\n")
    assert channel.server(b"530 Log in.\r\n") == (b"530 Log in.\r\n", b"", [])


def test_answers_keep_their_order() -> None:
    channel = Channel()
    assert channel.client(b"NOOP\r\nAUTH TLS\r\nNOOP\r\n")[:2] == (b"", b"NOOP\r\nNOOP\r\n")
    assert channel.server(b"200 one\r\n200 two\r\n")[0].split(b"\r\n")[1].startswith(b"534 ")
    assert channel.client(b"NOOP\r\nPASV\r\nNOOP\r\n") == (b"", b"NOOP\r\nEPSV\r\n", [])
    assert channel.server(b"200 ok\r\n229 (|||5000|)\r\n") == (b"200 ok\r\n", b"", [Announced(None, 5_000)])
    channel.control.listening(1_025)
    assert channel.out() == (b"227 Entering Passive Mode (192,0,2,1,4,1).\r\n", b"NOOP\r\n", [])


def test_replies_of_several_lines_to_what_is_changed() -> None:
    channel = Channel()
    channel.client(b"PASV\r\n")
    assert channel.server(b"229-listen\r\n here (|||5000|)\r\n229 end\r\n")[2] == [Announced(None, 5_000)]


def test_a_server_without_a_port_in_its_answer() -> None:
    channel = Channel()
    channel.client(b"PASV\r\n")
    assert channel.server(b"229 ok\r\n")[0].startswith(b"425 ")
    assert channel.client(b"NOOP\r\n") == (b"", b"NOOP\r\n", [])


def test_no_port_for_the_client() -> None:
    channel = Channel()
    channel.client(b"PASV\r\nNOOP\r\n")
    channel.server(b"229 ok (|||5000|)\r\n")
    channel.control.listening(None)
    to_client, to_server, _ = channel.out()
    assert (to_client[:4], to_server) == (b"425 ", b"NOOP\r\n")


def test_a_data_connection_that_cannot_be_made_asks_for_no_transfer() -> None:
    channel = Channel()
    channel.passive()
    channel.client(b"STOR precious\r\nNOOP\r\n")
    channel.control.go(joined=False)
    assert channel.out() == (b"425 The data connection could not be made.\r\n", b"NOOP\r\n", [])


def test_a_transfer_that_the_server_refuses_needs_no_passage() -> None:
    channel = Channel()
    channel.transfer()
    assert channel.server(b"550 No such file.\r\n") == (b"550 No such file.\r\n", b"", [Dropped()])
    channel.transfer()
    assert channel.server(b"150 here\r\n426 broken\r\n")[2] == []  # what has begun ends by itself


def test_a_passage_serves_one_transfer() -> None:
    channel = Channel()
    channel.transfer()
    assert channel.client(b"LIST\r\n") == (b"", b"LIST\r\n", [])


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"PORT 192,0,2,10,4,1", b"504"),  # another's address
        (b"PORT 192,0,2,9,0,25", b"504"),  # a service's port
        (b"EPRT |1|192.0.2.10|5000|", b"504"),
        (b"EPRT |2|::1|5000|", b"504"),
        (b"EPRT |3|x|5000|", b"522"),
        (b"PORT 1,2,3", b"501"),
        (b"EPSV 2", b"522"),
        (b"LPRT 4,4,1,2,3,4,2,5,6", b"502"),
        (b"AUTH TLS", b"534"),
        (b"AUTH SSL", b"534"),
        (b"CPSV", b"534"),
        (b"NOOP\rPORT 10,0,0,1,4,1", b"500"),
    ],
)
def test_what_is_refused_never_reaches_the_server(said: bytes, code: bytes) -> None:
    to_client, to_server, events = Channel().client(said + b"\r\n")
    assert (to_client[:4], to_server) == (code + b" ", b"")
    assert all(isinstance(each, Notice) for each in events)


def test_pasv_over_ipv6() -> None:
    assert Channel("2001:db8::1", "2001:db8::9").client(b"PASV\r\n")[0].startswith(b"501 ")


def test_features_that_are_not_to_be_had_are_not_told() -> None:
    channel = Channel()
    channel.client(b"FEAT\r\n")
    text = b"211-Features:\r\n AUTH TLS\r\n EPSV\r\n PBSZ\r\n PROT\r\n UTF8\r\n211 End\r\n"
    assert channel.server(text)[0] == b"211-Features:\r\n EPSV\r\n UTF8\r\n211 End\r\n"


def test_telnet_is_not_passed_on() -> None:
    assert Channel().client(b"\xff\xf4\xff\xf2ABOR\r\n") == (b"", b"ABOR\r\n", [])


def test_commands_wait_for_the_greeting() -> None:
    channel = Channel(greeted=False)
    assert channel.client(b"USER me\r\n") == (b"", b"", [])
    assert channel.server(b"120 soon\r\n") == (b"120 soon\r\n", b"", [])
    assert channel.server(b"220-now\r\n220 hello\r\n") == (b"220-now\r\n220 hello\r\n", b"USER me\r\n", [])


def test_what_is_not_ftp_passes_as_it_is() -> None:
    channel = Channel(greeted=False)
    channel.client(b"SSH-2.0-me\r\n\0\r")
    assert channel.server(b"SSH-2.0-you\n\0\r") == (b"SSH-2.0-you\n\0\r", b"SSH-2.0-me\r\n\0\r", [])
    assert channel.client(b"\xff\n") == (b"", b"\xff\n", [])
    assert channel.server(b"\xff\n") == (b"\xff\n", b"", [])


def test_tls_from_the_beginning_is_sent_away() -> None:
    channel = Channel(greeted=False)
    to_client, to_server, events = channel.client(b"\x16\x03\x01\x02\0\x01")
    assert (to_client[:4], to_server, len(events)) == (b"421 ", b"", 1)
    assert channel.control.over
    assert channel.server(b"220 hello\r\n") == (b"", b"", [])


def test_lines_without_an_end() -> None:
    with pytest.raises(ParseError):
        Channel().client(bytes(LINE_MAX + 1))
    with pytest.raises(ParseError):
        Channel().server(b"220 " + bytes(LINE_MAX))


def test_a_client_that_does_not_wait_is_read_no_further() -> None:
    channel = Channel()
    assert channel.client(b"NOOP\r\n" * 300)[1].count(b"NOOP") == 256
    assert not channel.control.wants
    assert channel.server(b"200 ok\r\n" * 50)[1].count(b"NOOP") == 44
    assert channel.control.wants
    channel.client(b"PASV\r\n" + b"NOOP\r\n" * 3_000)
    assert not channel.control.wants


def test_cut_anywhere_it_is_the_same(rng: Random) -> None:
    """Each side's bytes come one piece at a time; what comes out does not depend on where they are cut."""

    def run(sizes: Random | None) -> tuple[bytes, bytes]:
        channel = Channel(greeted=False)
        outs = [b"", b""]
        steps = (
            (False, b"220-hello\r\n220 there\r\n"),
            (True, b"USER me\r\n\xff\xf4\xff\xf2EPSV\r\n"),
            (False, b"331 who\r\n"),
            (False, b"229-ok\r\n229 (|||5000|)\r\n"),
            (True, b"RETR a\r\nAUTH TLS\r\nFEAT\r\n"),
            (False, b"150 here\r\n226 done\r\n211-F\r\n AUTH TLS\r\n211 End\r\n"),
        )
        for client, data in steps:
            at = 0
            while at < len(data):
                size = sizes.randrange(1, 5) if sizes is not None else len(data)
                (channel.control.receive_client if client else channel.control.receive_server)(data[at : at + size])
                at += size
                while channel.control.events:
                    event = channel.control.events.popleft()
                    if isinstance(event, Announced):
                        channel.control.listening(4_000)
                    elif isinstance(event, Held):
                        channel.control.go(joined=True)
                out = channel.out()
                outs = [outs[0] + out[0], outs[1] + out[1]]
        return outs[0], outs[1]

    whole = run(None)
    assert whole[1] == b"USER me\r\nEPSV\r\nRETR a\r\nFEAT\r\n"
    for _ in range(50):
        assert run(rng) == whole
