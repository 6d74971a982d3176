"""RFC 7413: TCP Fast Open, both sides. The section stands in each test's name."""

from __future__ import annotations

import errno
from random import Random

import pytest

from hythe.config import TcpConfig
from hythe.tcp.fastopen import FastOpen
from hythe.tcp.states import State
from hythe.units import NEVER, SECOND
from tests.tcp.harness import OUR_PORT, PEER_PORT, PEERS, PLAIN, Peer, ms
from tests.tcp.network import App, Faults, Network

COOKIE = b"12345678"


def server(pending: int = 2) -> Peer:
    """A listener that offers Fast Open."""
    peer = Peer()
    peer.listener = peer.host.listen(None, OUR_PORT, 16, fast_open=pending)
    peer.listener.owner = peer
    return peer


def good(peer: Peer) -> bytes:
    assert peer.host.around.fast_open is not None
    return peer.host.around.fast_open.cookie(peer.key)


def client(*, cookie: bytes = b"", data: bytes = b"", mss: int = 1_460, with_cookies: bool = True) -> Peer:
    """Our side opens; `cookie` is known already, `data` is written before the SYN leaves."""
    peer = Peer(PLAIN, fast_open=True, fast_open_cookies=with_cookies)
    cookies = peer.host.around.fast_open
    assert cookies is not None
    if cookie:
        cookies.learn(peer.key, cookie, mss)
    connection = peer.host.connect(PEERS, PEER_PORT, peer.now, local_port=OUR_PORT)
    peer.connection = connection
    connection.owner = peer
    peer.iss = connection.iss
    connection.write(data)
    peer.turn()
    return peer


def known(peer: Peer) -> bytes | None:
    cookies = peer.host.around.fast_open
    assert cookies is not None
    found = cookies.known(peer.key, peer.now)
    return found.cookie if found is not None else None


# --- Server


def test_4_2_1_a_server_gives_a_cookie_to_who_asks() -> None:
    peer = server()
    peer.inject("S", fast_open=b"", mss=1_460)
    assert peer.expect("S.", ack=1).options.fast_open == good(peer)


def test_4_1_2_a_cookie_is_of_one_address_whatever_the_port() -> None:
    peer = server()
    peer.inject("S", fast_open=b"", port=5)
    first = peer.expect("S.").options.fast_open
    peer.inject("S", seq=0, fast_open=b"", port=6)
    assert peer.expect("S.").options.fast_open == first
    assert FastOpen(bytes(15) + b"x", 1).cookie(peer.key) != first


def test_4_2_2_text_of_a_syn_is_read_before_the_handshake_ends() -> None:
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", seq=0, ack=6, window=65_535 - 5)
    assert peer.state is State.SYN_RECEIVED
    assert peer.received == b"GET /"
    peer.inject(".", seq=6, ack=1)
    assert peer.state is State.ESTABLISHED
    peer.inject("P.", seq=6, data=b" more")
    assert peer.received == b"GET / more"
    assert peer.listener is not None
    assert (peer.listener.pending, peer.listener.early, peer.listener.arrivals) == (0, 0, [])


def test_4_2_2_the_answer_does_not_wait_for_the_handshake() -> None:
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.write(b"200 OK")
    peer.expect(".", seq=1, ack=6, data=b"200 OK")
    peer.inject(".", seq=6, ack=7)
    assert peer.state is State.ESTABLISHED
    assert peer.connection.snd_una == peer.connection.snd_nxt
    peer.tick(10 * SECOND)
    peer.expect_nothing()


def test_4_2_2_the_answer_may_be_a_whole_initial_window() -> None:
    """RFC 6928, 2: ten segments of what the SYN has told, not of the default."""
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.write(bytes(20_000))
    peer.expect(".", seq=1, ack=6, size=10 * 1_460)
    peer.expect_nothing()


def test_4_2_2_a_lost_answer_is_resent_after_the_handshake() -> None:
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.write(b"200 OK")
    peer.expect(".", data=b"200 OK")
    peer.tick(ms(30))
    peer.inject(".", seq=6, ack=1)
    peer.tick(2 * SECOND)
    peer.expect(".", seq=1, data=b"200 OK")


def test_4_2_2_a_whole_dialogue_may_end_before_its_handshake() -> None:
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.connection.write(b"200 OK")
    peer.shutdown()
    peer.expect("F.", seq=1, data=b"200 OK")
    peer.inject("F.", seq=6, ack=8)
    peer.expect(".", ack=7)
    assert peer.state is State.TIME_WAIT


def test_4_2_2_the_syn_comes_again() -> None:
    """Whoever missed the SYN-ACK repeats a plain SYN; it is told once more what was taken, which is read only once."""
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.inject("S", seq=0, mss=1_460)
    peer.expect("S.", seq=0, ack=6)
    peer.tick(ms(1_000))
    peer.expect("S.", seq=0, ack=6)
    assert peer.received == b"GET /"


@pytest.mark.parametrize("cookie", [b"", b"abcd", b"12345678", bytes(16)])
def test_4_2_1_without_a_good_cookie_text_is_left_out_and_a_cookie_given(cookie: bytes) -> None:
    peer = server()
    peer.inject("S", data=b"GET /", fast_open=cookie, mss=1_460)
    assert peer.expect("S.", ack=1).options.fast_open == good(peer)
    peer.inject(".", seq=1, ack=1)
    peer.inject("P.", seq=1, data=b"GET /")
    assert peer.received == b"GET /"


def test_5_1_pending_requests_are_limited() -> None:
    peer = server(pending=1)
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.inject("S", seq=0, data=b"GET /", fast_open=good(peer), port=5)
    peer.expect("S.", ack=1)
    peer.inject(".", seq=6, ack=1)
    peer.inject("S", seq=0, data=b"GET /", fast_open=good(peer), port=6)
    peer.expect("S.", ack=6)


def test_5_1_one_that_times_out_makes_room_again() -> None:
    peer = server(pending=1)
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.tick(300 * SECOND)
    assert peer.connection.error == errno.ETIMEDOUT
    assert peer.listener is not None
    assert (peer.listener.early, peer.listener.pending) == (0, 0)


def test_5_1_one_that_is_reset_goes_on_being_counted_for_a_minute() -> None:
    peer = server(pending=1)
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    peer.expect("S.", ack=6)
    peer.inject("R", seq=6)
    assert peer.connection.error == errno.ECONNRESET
    assert peer.listener is not None
    assert peer.listener.pending == 0
    peer.tick(59 * SECOND)
    peer.inject("S", seq=0, data=b"GET /", fast_open=good(peer), port=5)
    peer.expect("S.", ack=1)
    peer.tick(1 * SECOND)
    peer.sent()
    peer.inject("S", seq=0, data=b"GET /", fast_open=good(peer), port=6)
    peer.expect("S.", ack=6)


def test_4_2_1_a_server_that_does_not_offer_it_says_nothing_of_it() -> None:
    peer = Peer().listen()
    peer.inject("S", data=b"GET /", fast_open=good(peer), mss=1_460)
    assert peer.expect("S.", ack=1).options.fast_open is None
    assert peer.received == b""


# --- Client


def test_4_1_2_it_is_off_unless_asked_for() -> None:
    peer = Peer().connect()
    assert peer.expect("S").options.fast_open is None


def test_4_2_1_a_client_asks_and_remembers() -> None:
    peer = client(data=b"GET /")
    out = peer.expect("S", size=0)
    assert out.options.fast_open == b""
    peer.inject("S.", ack=1, mss=1_400, fast_open=COOKIE)
    peer.expect(".", seq=1, data=b"GET /")
    assert known(peer) == COOKIE


def test_4_2_2_text_leaves_in_the_syn() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    assert peer.expect("S", seq=0, data=b"GET /").options.fast_open == COOKIE
    peer.inject("S.", ack=6, mss=1_460)
    peer.expect(".", seq=6, ack=1, size=0)
    assert peer.state is State.ESTABLISHED
    assert (len(peer.connection.sendq), peer.connection.bytes_sent) == (0, 5)
    peer.write(b"more")
    peer.expect(".", seq=6, data=b"more")
    peer.tick(5 * SECOND)


def test_4_2_2_what_the_server_did_not_take_leaves_again() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S", data=b"GET /")
    peer.inject("S.", ack=1, mss=1_460, fast_open=b"87654321")
    peer.expect(".", seq=1, ack=1, data=b"GET /")
    assert known(peer) == b"87654321"
    peer.inject(".", seq=1, ack=6)
    assert peer.connection.snd_una == peer.connection.snd_nxt


def test_4_2_2_what_the_server_took_in_part_is_resent_without_blame() -> None:
    """New text leaves behind it: Nagle's algorithm does not take the rest for a small segment that is outstanding."""
    peer = client(cookie=COOKIE, data=bytes(1_400))
    peer.expect("S", size=1_400)
    peer.connection.write(b"more")
    peer.inject("S.", ack=401, mss=1_460)
    first, second = peer.sent()
    assert (first.seq, first.size, second.seq, second.size) == (401, 1_000, 1_401, 4)
    assert (peer.connection.retransmits, peer.connection.early, peer.connection.scoreboard.recovering) == (1, 0, False)
    peer.inject(".", seq=1, ack=1_405)
    assert (peer.connection.flight, peer.connection.scoreboard.lost, peer.connection.rto_at) == (0, 0, NEVER)


def test_7_3_text_goes_without_a_cookie_where_that_is_configured() -> None:
    peer = client(data=b"GET /", with_cookies=False)
    assert peer.expect("S", seq=0, data=b"GET /").options.fast_open is None
    peer.inject("S.", ack=6, mss=1_000, fast_open=COOKIE)
    peer.expect(".", seq=6, size=0)
    assert known(peer) == b""


def test_4_2_2_only_what_fits_one_packet() -> None:
    peer = client(cookie=COOKIE, data=bytes(3_000), mss=1_000)
    out = peer.expect("S")
    assert 900 < out.size <= 1_000
    peer.inject("S.", ack=1 + out.size, mss=1_460)
    rest = peer.sent()
    assert (rest[0].seq, sum(each.size for each in rest)) == (1 + out.size, 3_000 - out.size)


def test_4_2_2_an_answer_with_the_syn_ack_is_read() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S")
    peer.inject("S.", ack=6, data=b"200 OK", mss=1_460)
    assert peer.received == b"200 OK"
    peer.expect(".", ack=7)


def test_4_1_3_1_the_syn_that_is_sent_again_is_a_plain_one() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S", data=b"GET /")
    peer.tick(ms(1_000))
    again = peer.expect("S", seq=0, size=0)
    assert again.options.fast_open is None
    peer.inject("S.", ack=1, mss=1_460)
    peer.expect(".", seq=1, data=b"GET /")


def test_4_1_3_1_a_late_answer_to_the_first_syn_counts() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S", data=b"GET /")
    peer.tick(ms(1_000))
    peer.expect("S", size=0)
    peer.inject("S.", ack=6, mss=1_460)
    peer.expect(".", seq=6, size=0)


def test_4_1_3_1_a_path_that_swallows_it_twice_is_let_be() -> None:
    peer = client(cookie=COOKIE, data=b"x")
    cookies = peer.host.around.fast_open
    assert cookies is not None
    cookies.swallowed(peer.key, peer.now)
    assert known(peer) == COOKIE
    cookies.swallowed(peer.key, peer.now)
    assert known(peer) is None
    peer.now += 239 * SECOND
    assert known(peer) is None
    peer.now += SECOND
    assert known(peer) == COOKIE
    cookies.learn(peer.key, b"", 1_460)
    cookies.swallowed(peer.key, peer.now)
    assert known(peer) == COOKIE


def test_4_1_3_1_a_cookie_that_comes_after_all_is_used_at_once() -> None:
    """The answer to a plain SYN brought it, so the option does get through."""
    peer = client(cookie=COOKIE, data=b"x")
    cookies = peer.host.around.fast_open
    assert cookies is not None
    cookies.swallowed(peer.key, peer.now)
    cookies.swallowed(peer.key, peer.now)
    assert known(peer) is None
    cookies.learn(peer.key, b"another", 1_460)
    assert known(peer) == b"another"


def test_4_1_3_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    cookies = FastOpen(bytes(16), 3)
    keys = [bytes([10, 0, 0, each]) + bytes(8) for each in range(5)]
    for key in keys:
        cookies.learn(key, COOKIE, 1_460)
    assert len(cookies) == 3
    assert [found.cookie if (found := cookies.known(key, 0)) else None for key in keys] == [b"", b"", *[COOKIE] * 3]


def test_4_2_2_a_refusal_is_a_refusal() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S")
    peer.inject("R.", ack=6)
    assert peer.connection.error == errno.ECONNREFUSED


def test_4_2_2_simultaneous_open_starts_over() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S", data=b"GET /")
    peer.inject("S", mss=1_460)
    peer.expect("S.", seq=0, ack=1, size=0)
    peer.inject(".", seq=1, ack=1)
    peer.expect(".", seq=1, data=b"GET /")


def test_4_2_2_simultaneous_open_in_which_the_peer_took_our_text() -> None:
    peer = client(cookie=COOKIE, data=b"GET /")
    peer.expect("S", data=b"GET /")
    peer.inject("S", mss=1_460)
    peer.expect("S.", seq=0, ack=1, size=0)
    peer.inject("S.", seq=0, ack=6, mss=1_460)
    peer.expect(".", seq=6, ack=1, size=0)
    assert (peer.state, len(peer.connection.sendq)) == (State.ESTABLISHED, 0)


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
def test_4_2_2_every_byte_arrives_once_on_a_bad_network(loss: float, rng: Random) -> None:
    """Two hosts: the first connection fetches the cookie, the others use it."""
    network = Network(rng, Faults(loss=loss, jitter=ms(20)), config=TcpConfig(fast_open=True, time_wait=SECOND))
    network.listener.fast_open = 5
    for _ in range(12):
        client, server = App(rng.randbytes(rng.randrange(1, 5_000)), 1 << 30), App(rng.randbytes(700), 1 << 30)
        network.serve(lambda server=server: server)  # type: ignore[misc]
        network.connect(client)
        network.run(400 * SECOND, lambda client=client, server=server: client.ended and server.ended)  # type: ignore[misc]
        assert (server.received, client.received) == (client.data, server.data)
    assert network.listener.early == network.listener.pending == 0
    if not loss:
        network.run(20 * SECOND)
        assert network.packets < 12 * 20
