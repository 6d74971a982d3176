"""Scripts that must fail: a runner that finds nothing wrong would pass everything else here."""

from __future__ import annotations

import pytest

from hythe.pkt import virtual
from hythe.pkt.compare import Flow
from hythe.pkt.parser import parse
from hythe.pkt.runner import Failure
from hythe.pkt.script import PacketEvent, ScriptError, Tcp
from hythe.pkt.settings import Settings
from hythe.pkt.wireform import Seen
from hythe.wire.segment import ACK, PROTOCOL, PSH

OPEN = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
+.05 < . 1:1(0) ack 1 win 32792
+0 accept(3, ..., ...) = 4
"""


def play(text: str) -> None:
    virtual.run(parse("a.pkt", text))


def failure(text: str) -> str:
    return mistaken(OPEN + text)


def mistaken(text: str) -> str:
    with pytest.raises(Failure) as caught:
        play(text)
    return str(caught.value)


def mistake(text: str) -> str:
    with pytest.raises(ScriptError) as caught:
        play(text)
    return str(caught.value)


def test_what_they_all_begin_with_is_right() -> None:
    play(OPEN + "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n")


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ("F. 1:101(100) ack 1", "flags P., expected F."),
        ("P. 2:102(100) ack 1", "seq 1, expected 2"),
        ("P. 1:102(101) ack 1", "length 100, expected 101"),
        ("P. 1:101(100) ack 2", "ack 1, expected 2"),
        ("P. 1:101(100) ack 1 win 5", "win 65535, expected 5"),
        ("P. 1:101(100) ack 1 <nop,nop,sackOK>", "options <>"),
        ("[ce] P. 1:101(100) ack 1", "ECN mark"),
    ],
)
def test_a_packet_that_differs(expected: str, difference: str) -> None:
    told = failure(f"+0 write(4, ..., 100) = 100\n+0 > {expected}\n")
    assert told.startswith("a.pkt:9: the packet is another: ")
    assert difference in told.splitlines()[0]


def test_both_packets_are_shown_side_by_side() -> None:
    told = failure("+0 write(4, ..., 100) = 100\n+0 > P. 2:102(100) ack 1\n").splitlines()
    assert told[1].split() == ["line", "expected", "seen"]
    left, right = "> Flags [P.], seq 2:102, ack 1, length 100", "> Flags [P.], seq 1:101, ack 1, win 65535, length 100"
    assert told[-1] == f"     9  {left:58}  {right}"


def test_a_push_may_be_missing_while_more_is_to_follow() -> None:
    play(OPEN + "+0 write(4, ..., 40000) = 40000\n+0 > P. 1:10001(10000) ack 1\n")


def test_a_missing_push() -> None:
    flow = Flow(Settings(), 8080, 9, 0)
    wanted = PacketEvent(inbound=False, what=Tcp(PSH | ACK, 0, 4, 0, None, 0, None))
    seen = Seen(0, PROTOCOL, bytes(4), bytes(4), (8080, 9), ACK, size=4)
    assert flow.differences(wanted, [seen], more=False) == ["flags ., expected P."]
    assert not flow.differences(wanted, [seen], more=True)


def test_segments_are_counted_as_linux_does() -> None:
    play(
        OPEN
        + """+0 write(4, ..., 1500) = 1500
+0 > P. 1:1501(1500) ack 1
+.02 < P. 1:101(100) ack 1501 win 32792
+.03 %{
assert (tcpi_segs_in, tcpi_segs_out, tcpi_data_segs_in, tcpi_data_segs_out) == (3, 3, 1, 2)
assert (tcpi_last_data_sent, tcpi_last_data_recv, tcpi_last_ack_recv) == (50, 30, 30)
}%
"""
    )


def test_a_packet_that_does_not_come() -> None:
    assert failure("+0 > P. 1:101(100) ack 1\n").startswith("a.pkt:8: expected a packet, but none left in time")


def test_a_packet_at_another_time() -> None:
    told = failure("+0 write(4, ..., 100) = 100\n+.1 > P. 1:101(100) ack 1\n")
    assert told.startswith("a.pkt:9: the packet left at 0.050000, expected 0.150000")


def test_our_first_number_may_be_called_as_one_likes() -> None:
    """Nobody knows it beforehand, and all others count from it."""
    play(OPEN.replace("S. 0:0(0)", "S. 7000:7000(0)") + "+0 write(4, ..., 40) = 40\n+0 > P. 1:41(40) ack 1\n")


@pytest.mark.parametrize(("option", "longest"), [("--mss=900\n", 900), ("", 1_460)])
def test_long_segments_come_in_as_pieces(option: str, longest: int) -> None:
    play(
        option
        + OPEN
        + f"""+0 < P. 1:5401(5400) ack 1 win 32792
+0 > . 1:1(0) ack 5401
+0 %{{ assert tcpi_rcv_mss == {longest}, tcpi_rcv_mss }}%
"""
    )


def test_packets_of_a_socket_before_are_let_be() -> None:
    opening = "connect({0}, ..., ...) = -1 EINPROGRESS\n+0 > S 0:0(0) <...>\n+.05 < S. 0:0(0) ack 1 win 9000 <mss 1000>\n"
    made = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = {0}\n+0 fcntl({0}, F_SETFL, O_NONBLOCK) = 0\n+0 " + opening
    both = made.format(3) + "+0 > . 1:1(0) ack 1\n+0 write(3, ..., 10) = 10\n+" + made.format(4)
    play(both + "+0 > . 1:1(0) ack 1\n")
    told = mistaken(both + "+0 > . 2:2(0) ack 1\n")
    assert "seq 1, expected 2" in told


def test_a_range_of_time() -> None:
    told = failure("+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.3~+.4 > P. 1:101(100) ack 1\n")
    assert told.startswith("a.pkt:10: the packet left at 0.300000, expected 0.350000~0.450000")


def test_a_longer_packet_wants_full_segments() -> None:
    assert "length 100, expected 200" in failure(
        "+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n"
        "+0 write(4, ..., 100) = 100\n+0 write(4, ..., 100) = 100\n+0 > P. 1:201(200) ack 1\n"
    )


def test_results_of_calls() -> None:
    assert failure("+0 write(4, ..., 100) = 99\n") == "a.pkt:8: write returned 100, expected 99"
    assert failure("+0 read(9, ..., 100) = 0\n") == "a.pkt:8: read returned -1 EBADF, expected 0"
    assert failure("+0 read(9, ..., 100) = -1 EAGAIN (x)\n") == "a.pkt:8: read returned -1 EBADF, expected -1 EAGAIN"
    assert failure("+0 ioctl(4, SIOCINQ, [5]) = 0\n") == "a.pkt:8: ioctl gave [0], expected [5]"


def test_text_that_is_read_is_compared() -> None:
    assert "gave b'hyt'" in failure('+0 < P. 1:4(3) ack 1 win 5000\n+0 read(4, "abc", 3) = 3\n')


def test_calls_that_block() -> None:
    assert failure("+0 read(4, ..., 100) = 0\n") == "a.pkt:8: read blocks, expected it to return 0"
    told = failure("+0...0.2 read(4, ..., 100) = 100\n+.1 < P. 1:101(100) ack 1 win 5000\n+.2 > . 1:1(0) ack 101\n")
    assert told == "a.pkt:8: read returned at 0.150000, expected 0.250000"
    at_once = "+0 < P. 1:101(100) ack 1 win 5000\n+0...0.2 read(4, ..., 100) = 100\n"
    assert failure(at_once) == "a.pkt:9: read returned at once, expected it to block until 0.250000"
    never = "+0...0.2 read(4, ..., 100) = 100\n"
    assert failure(never) == "a.pkt:8: read blocks, expected it to return 100"


def test_assertions() -> None:
    told = failure("+0 %{\nassert tcpi_snd_cwnd > 0\nassert tcpi_snd_cwnd == 11\n}%\n")
    assert told == "a.pkt:10: assert tcpi_snd_cwnd == 11 does not hold: tcpi_snd_cwnd = 10"
    assert failure("+0 %{ assert tcpi_snd_mss == 1, 'mss' }%").endswith("does not hold: mss")
    assert failure("+0 %{\nif tcpi_snd_cwnd:\n  assert 0, 'no'\n}%").startswith("a.pkt:9: an assertion does not hold: no")


def test_code_remembers_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    play(OPEN + "+0 %{ before = tcpi_snd_cwnd; print(before) }%\n+0 %{ assert before == max(9, tcpi_snd_cwnd);\\\n }%\n")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "10\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OPEN + "+0 %{\nimport os\n}%", "a.pkt:9: expected %{ }% without an import"),
        (OPEN + "+0 %{ assert tcpi_nonsense }%", "a.pkt:8: expected a name of tcp_info"),
        (OPEN + "+0 %{ assert ( }%", "a.pkt:8: expected Python"),
        (OPEN + "+0 %{ 1 / 0 }%", "a.pkt:8: expected Python that runs, found division by zero"),
        (OPEN + "+0 fork(1) = 0", "a.pkt:8: expected a call or a name we know, found fork"),
        (OPEN + "+0 setsockopt(4, SOL_SOCKET, SO_NONSENSE, [1], 4) = 0", "a.pkt:8: expected a call or a name we know"),
        (OPEN + "+0 read(4) = 0", "a.pkt:8: expected more arguments to read"),
        (OPEN + "+0 sendmsg(4, 5, 0) = 0", "a.pkt:8: expected arguments that sendmsg can have"),
        (OPEN + "+0 < icmp unreachable nonsense [1:1(0)]", "a.pkt:8: expected words that ICMP knows"),
        ("--nonsense=1\n" + OPEN, "a.pkt:1: expected one of --bind_port"),
        ("--remote_ip=10.0.0.1\n--ip_version=ipv6\n" + OPEN, "a.pkt:1: expected addresses of IPv6, as --ip_version says"),
        ("--mtu=big\n" + OPEN, "a.pkt:1: expected a value that --mtu can have, found 'big'"),
        ("`rm -rf x`\n" + OPEN, "a.pkt:1: expected sysctl NAME=VALUE in a shell line, found 'rm -rf x'"),
        ("\n`sysctl -q net.core.x=1`\n" + OPEN, "a.pkt:2: expected a sysctl that hythe has too"),
        ("`sysctl -q net.ipv4.tcp_sack=maybe`\n" + OPEN, "a.pkt:1: expected a value that net.ipv4.tcp_sack can have"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, message: str) -> None:
    assert mistake(text).startswith(message)
