"""`hythe.host.control`: echo, the errors a host sends and keeps to itself, and the errors it believes."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, IPOption_RR, UDPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrFragment,
)
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from hythe.host.udp import Complaint
from hythe.tcp.connection import Connection
from hythe.tcp.states import CLOSED, ESTABLISHED, SYN_SENT
from hythe.units import SECOND
from hythe.wire import udp
from hythe.wire.packet import PARTIAL, VNET_SIZE
from tests.host.hosts import LEFT4, LEFT6, RIGHT4, RIGHT6, Lone, packed

US4 = IP(src=RIGHT4, dst=LEFT4)
US6 = IPv6(src=RIGHT6, dst=LEFT6)


# --- Echo


@pytest.mark.parametrize("size", [0, 1, 56, 1472, 1473, 20_000, 65_507], ids=str)
def test_echo_is_answered_whatever_its_size(size: int) -> None:
    data = bytes(i & 255 for i in range(size))
    lone = Lone()
    whole = bytes(US4 / ICMP(id=7, seq=9) / Raw(data))
    pieces = [US4 / ICMP(id=7, seq=9) / Raw(data)] if len(whole) <= 1500 else fragments(whole)
    answers = lone.send(*pieces)
    assert reassembled(answers) == bytes(ICMP(type="echo-reply", id=7, seq=9) / Raw(data))


def fragments(whole: bytes) -> list[bytes]:
    head, data = IP(whole[:20]), whole[20:]
    del head.chksum, head.len
    return [
        bytes(
            IP(src=head.src, dst=head.dst, proto=head.proto, id=5, frag=at // 8, flags="MF" if at + 1480 < len(data) else 0)
            / Raw(data[at : at + 1480])
        )
        for at in range(0, len(data), 1480)
    ]


def reassembled(packets: list[Scapy]) -> bytes:
    parts = sorted((packet.frag, bytes(packet.payload)) for packet in packets)
    assert all(len(packet) <= 1500 for packet in packets)
    return b"".join(part for _, part in parts)


def test_echo_over_ipv6() -> None:
    (answer,) = Lone().send(US6 / ICMPv6EchoRequest(id=7, seq=9, data=b"hello"))
    assert (
        answer.src,
        answer.dst,
        answer[ICMPv6EchoReply].id,
        answer[ICMPv6EchoReply].seq,
        answer[ICMPv6EchoReply].data,
    ) == (LEFT6, RIGHT6, 7, 9, b"hello")


def test_rfc1122_3_2_2_6_an_echo_reply_records_the_way_as_the_request_did() -> None:
    request = IP(src=RIGHT4, dst=LEFT4, options=[IPOption_RR(routers=["198.51.100.1", "0.0.0.0"], pointer=8)]) / ICMP(id=3)
    (answer,) = Lone().send(request / Raw(b"abc"))
    assert (answer[ICMP].type, answer[Raw].load) == (0, b"abc")
    assert (answer.options[0].routers, answer.options[0].pointer) == (["198.51.100.1", LEFT4], 12)


@pytest.mark.rfc("1349", "5.1")
@pytest.mark.parametrize("tos", [0x10, 0xB8, 0xBB])
def test_an_echo_reply_has_the_requests_type_of_service(tos: int) -> None:
    """Not its ECN field, which is what routers said on the way."""
    (answer,) = Lone().send(IP(src=RIGHT4, dst=LEFT4, tos=tos) / ICMP())
    assert answer.tos == tos & 0xFC
    (answer,) = Lone().send(IPv6(src=RIGHT6, dst=LEFT6, tc=tos) / ICMPv6EchoRequest())
    assert answer.tc == tos & 0xFC


@pytest.mark.rfc("4443", "4.2", "SHOULD")
@pytest.mark.parametrize("destination", ["ff02::1", "ff02::1:ff00:1"])
def test_an_echo_to_a_group_is_answered_by_each(destination: str) -> None:
    lone = Lone()
    request = IPv6(src=RIGHT6, dst=destination) / ICMPv6EchoRequest(id=7, seq=9, data=b"hello")
    (answer,) = lone.send(request)
    assert (answer.src, answer.dst, answer[ICMPv6EchoReply].data) == (LEFT6, RIGHT6, b"hello")
    assert len(lone.send(*[request] * 1_000)) < 100  # one question has many answers: there is a limit
    assert lone.host.counters.icmp_limited > 900


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(src=RIGHT6, dst="ff02::2") / ICMPv6EchoRequest(),
        IPv6(src=RIGHT6, dst="ff02::1:ff00:7") / ICMPv6EchoRequest(),
        IPv6(src="::", dst="ff02::1") / ICMPv6EchoRequest(),
        IPv6(src="ff02::1", dst="ff02::1") / ICMPv6EchoRequest(),
        IPv6(src=RIGHT6, dst="ff02::1") / ICMPv6EchoReply(),
    ],
    ids=lambda packet: f"{packet.src}-{packet.dst}-{packet.lastlayer().name}".replace(" ", ""),
)
def test_not_every_echo_to_a_group_is(packet: Scapy) -> None:
    assert Lone().send(packet) == []


def test_an_error_to_a_group_is_not_believed() -> None:
    lone = Lone()
    end = lone.host.bind(None, 5_000)
    lone.send(
        IPv6(src=RIGHT6, dst="ff02::1") / ICMPv6DestUnreach(code=4) / IPv6(src=LEFT6, dst=RIGHT6) / UDP(sport=5_000, dport=6)
    )
    assert end.take_complaints() == []


@pytest.mark.parametrize("destination", ["192.0.2.255", "255.255.255.255", "224.0.0.1", "192.0.2.9"])
def test_echo_to_many_or_to_others_is_not_answered(destination: str) -> None:
    assert Lone().send(IP(src=RIGHT4, dst=destination) / ICMP()) == []


def test_echo_replies_are_for_nobody() -> None:
    lone = Lone(any_destination=True)
    lone.host.pings.owner = lone
    assert lone.send(US4 / ICMP(type="echo-reply"), IP(src=RIGHT4, dst="203.0.113.1") / ICMP(type="echo-reply")) == []
    assert lone.host.pings.take() == []


def test_a_gateway_is_asked_to_ping_others() -> None:
    lone = Lone(any_destination=True, datagram_buffer=1000)
    asked = IP(src=RIGHT4, dst="203.0.113.1") / ICMP(id=3, seq=4) / Raw(b"data")
    assert lone.send(asked) == []
    assert lone.host.pings.take() == []  # nobody owns the queue
    lone.host.pings.owner = type("Owner", (), {})()
    lone.send(asked, *[asked] * 10)
    requests = lone.host.pings.take()
    assert len(requests) == 3  # what the buffer has room for
    first = requests[0]
    assert (first.source, first.destination, first.identifier, first.sequence, first.data) == (
        packed(RIGHT4),
        packed("203.0.113.1"),
        3,
        4,
        b"data",
    )
    lone.host.control.echo_reply(first.destination, first.source, 3, 4, b"data", 0)
    (answer,) = lone.run()
    assert (answer.src, answer.dst, answer[ICMP].type, answer[Raw].load) == ("203.0.113.1", RIGHT4, 0, b"data")


# --- Errors sent


def test_port_unreachable_quotes_the_datagram() -> None:
    (error,) = Lone().send(US4 / UDP(sport=1234, dport=5678) / Raw(b"z" * 1000))
    assert (error.src, error.dst, error[ICMP].type, error[ICMP].code) == (LEFT4, RIGHT4, 3, 3)
    assert (error[IPerror].src, error[UDPerror].sport, error[UDPerror].dport) == (RIGHT4, 1234, 5678)
    assert len(error) == 576
    (error,) = Lone().send(US6 / UDP(sport=1234, dport=5678) / Raw(b"z" * 1400))
    assert (error.src, error[ICMPv6DestUnreach].code, len(error)) == (LEFT6, 4, 1280)


@pytest.mark.parametrize("gso_size", [0, 100])
def test_what_is_quoted_is_the_packet_of_a_wire(gso_size: int) -> None:
    """Of a batch the first, and with the checksum that its sender had left to the device."""
    lone = Lone()
    size = 250 if gso_size else 100
    head = udp.Envelope4(packed(RIGHT4), packed(LEFT4), 1234, 5678).head(size, gso_size)[VNET_SIZE:]
    lone.side.link.deliver((head, bytes(size)), gso_size, PARTIAL)
    (error,) = lone.run()
    datagram = udp.Envelope4(packed(RIGHT4), packed(LEFT4), 1234, 5678).packet(bytes(100))
    assert bytes(error[IPerror]) == datagram


@pytest.mark.parametrize("mtu", [68, 100, 575])
def test_a_quote_fits_a_narrow_link(mtu: int) -> None:
    (error,) = Lone(mtu).send(US4 / UDP(sport=1234, dport=5678) / Raw(b"z" * (mtu - 28)))
    assert (len(error), error[UDPerror].dport) == (mtu, 5678)


@pytest.mark.parametrize(
    "packet",
    [
        IP(src=RIGHT4, dst="192.0.2.255") / UDP(dport=9),
        IP(src=RIGHT4, dst="224.0.0.9") / UDP(dport=9),
        IP(src=RIGHT4, dst="255.255.255.255") / UDP(dport=9),
        IP(src="224.0.0.1", dst=LEFT4) / UDP(dport=9),
        IP(src="127.0.0.1", dst=LEFT4) / UDP(dport=9),
        IP(src="0.0.0.0", dst=LEFT4) / UDP(dport=9),
        IP(src=RIGHT4, dst=LEFT4, proto=200),
        IP(src=RIGHT4, dst=LEFT4) / ICMP(type=3, code=3) / IP(src=LEFT4, dst=RIGHT4) / UDP(sport=5, dport=6),
        IPv6(src=RIGHT6, dst="ff02::1") / UDP(dport=9),
        IPv6(src="::", dst=LEFT6) / UDP(dport=9),
        IPv6(src="ff02::1", dst=LEFT6) / UDP(dport=9),
        IPv6(src=RIGHT6, dst=LEFT6) / ICMPv6DestUnreach(code=4) / IPv6(src=LEFT6, dst=RIGHT6) / UDP(sport=5, dport=6),
    ],
    ids=lambda packet: f"{packet.src}-{packet.dst}-{packet.lastlayer().name}".replace(" ", ""),
)
def test_errors_answer_one_host_and_never_an_error(packet: Scapy) -> None:
    """RFC 1122, 3.2.2; RFC 4443, 2.4(e). Protocol 200 shows that the host does answer at all."""
    answers = Lone(any_destination=True).send(packet)
    assert len(answers) == (1 if packet.fields.get("proto") == 200 else 0)


def test_fragments_other_than_the_first_get_no_error() -> None:
    lone = Lone(fragment_timeout4=1 * SECOND, fragment_timeout6=1 * SECOND)
    assert (
        lone.send(
            IP(src=RIGHT4, dst=LEFT4, proto=17, frag=10) / Raw(bytes(64)),
            US6 / IPv6ExtHdrFragment(nh=17, offset=10, m=0, id=3) / Raw(bytes(64)),
        )
        == []
    )
    assert lone.run(after=2 * SECOND) == []
    assert lone.host.input.reassembler.held == 0


def test_time_exceeded_tells_who_sent_the_first_fragment() -> None:
    lone = Lone(fragment_timeout4=1 * SECOND, fragment_timeout6=2 * SECOND)
    lone.send(
        IP(src=RIGHT4, dst=LEFT4, flags="MF", id=8) / UDP(sport=1, dport=2, chksum=1, len=100) / Raw(bytes(64)),
        US6 / IPv6ExtHdrFragment(nh=17, m=1, id=3) / UDP(sport=1, dport=2, chksum=1, len=99) / Raw(bytes(64)),
    )
    assert lone.run(after=SECOND // 2) == []
    (error,) = lone.run(after=SECOND)
    assert (error[ICMP].type, error[ICMP].code, error[IPerror].id) == (11, 1, 8)
    (error,) = lone.run(after=SECOND)
    assert (error[ICMPv6TimeExceeded].code, error.src) == (1, LEFT6)


def test_errors_are_rate_limited() -> None:
    lone = Lone(icmp_errors_per_second=10)
    asked = US4 / UDP(sport=1, dport=9)
    assert len(lone.send(*[asked] * 30)) == 10
    assert lone.host.counters.icmp_limited == 20
    assert len(lone.send(*[asked] * 30, after=SECOND // 2)) == 5
    assert len(lone.send(*[asked] * 30, after=10 * SECOND)) == 10


@pytest.mark.parametrize(
    ("number", "code4", "code6"),
    [(errno.EHOSTUNREACH, 1, 3), (errno.ENETUNREACH, 0, 0), (errno.EACCES, 13, 1), (errno.ECONNREFUSED, 3, 4)],
)
def test_a_gateway_tells_why(number: int, code4: int, code6: int) -> None:
    lone = Lone(any_destination=True)
    for us, other, code in ((RIGHT4, "203.0.113.1", code4), (RIGHT6, "2001:db8:1::1", code6)):
        key = packed(us) + packed(other) + bytes((0, 1, 0, 2))
        lone.host.control.unreachable(key, 100, number, 0)
        (error,) = lone.run()
        assert (error.payload.type, error.payload.code) == (3 if code is code4 and ":" not in us else 1, code)
        assert error.src == (other if number == errno.ECONNREFUSED else LEFT4 if "." in us else LEFT6)


def test_no_route_back_means_no_answer() -> None:
    lone = Lone()
    assert lone.send(IP(src="203.0.113.9", dst=LEFT4) / UDP(dport=9), IP(src="203.0.113.9", dst=LEFT4) / ICMP()) == []
    assert lone.host.counters.no_route == 2


# --- Errors received


def opening(lone: Lone, version: int = 4) -> tuple[Connection, Scapy]:
    """A connection in SYN-SENT, and its SYN."""
    connection = lone.host.connect(packed(RIGHT4 if version == 4 else RIGHT6), 80, lone.now)
    (syn,) = lone.run()
    assert connection.state == SYN_SENT
    return connection, syn


def establish(lone: Lone) -> tuple[Connection, Scapy]:
    """An established connection with 100 bytes outstanding, and the segment that they left in."""
    connection, syn = opening(lone)
    lone.send(US4 / TCP(sport=80, dport=syn[TCP].sport, flags="SA", seq=1000, ack=syn[TCP].seq + 1, window=65000))
    assert connection.state == ESTABLISHED
    connection.write(bytes(100))
    (data,) = lone.run()
    return connection, data


@pytest.mark.parametrize(
    ("kind", "code", "number"),
    [
        (3, 0, errno.ENETUNREACH),
        (3, 1, errno.EHOSTUNREACH),
        (3, 2, errno.ENOPROTOOPT),
        (3, 3, errno.ECONNREFUSED),
        (3, 13, errno.EHOSTUNREACH),
        (3, 200, errno.EHOSTUNREACH),
        (11, 0, errno.EHOSTUNREACH),
        (12, 0, errno.EPROTO),
    ],
)
def test_an_error_ends_a_connection_that_is_opening(kind: int, code: int, number: int) -> None:
    lone = Lone()
    connection, syn = opening(lone)
    lone.send(US4 / ICMP(type=kind, code=code) / bytes(syn)[:28])
    assert (connection.state, connection.error) == (CLOSED, number)
    assert lone.host.connections == {}


@pytest.mark.parametrize(
    ("layer", "number"),
    [
        (ICMPv6DestUnreach(code=0), errno.ENETUNREACH),
        (ICMPv6DestUnreach(code=1), errno.EACCES),
        (ICMPv6DestUnreach(code=4), errno.ECONNREFUSED),
        (ICMPv6TimeExceeded(), errno.EHOSTUNREACH),
    ],
    ids=["no-route", "prohibited", "port", "time"],
)
def test_the_same_over_ipv6(layer: Scapy, number: int) -> None:
    lone = Lone()
    connection, syn = opening(lone, 6)
    lone.send(US6 / layer / bytes(syn)[:48])
    assert (connection.state, connection.error) == (CLOSED, number)


def test_an_established_connection_survives_and_remembers() -> None:
    """RFC 1122, 4.2.3.9; RFC 5927, 5.2."""
    lone = Lone()
    connection, data = establish(lone)
    lone.send(US4 / ICMP(type=3, code=3) / bytes(data)[:28])
    assert (connection.state, connection.pending_error) == (ESTABLISHED, errno.ECONNREFUSED)


def other_port(packet: Scapy) -> Scapy:
    packet[TCP].sport ^= 1
    return packet


def sequence(step: int) -> Callable[[Scapy], Scapy]:
    def change(packet: Scapy) -> Scapy:
        packet[TCP].seq = (packet[TCP].seq + step) & 0xFFFFFFFF
        return packet

    return change


@pytest.mark.parametrize(
    "change", [other_port, sequence(-1), sequence(100), sequence(1 << 31)], ids=["port", "acknowledged", "unsent", "far"]
)
def test_an_error_about_what_is_not_outstanding_is_not_believed(change: Callable[[Scapy], Scapy]) -> None:
    """RFC 5927, 4.1."""
    lone = Lone()
    connection, data = establish(lone)
    lone.send(US4 / ICMP(type=3, code=3) / bytes(change(data.copy()))[:28])
    assert connection.pending_error == 0


def test_a_quote_too_short_for_a_sequence_number_is_not_believed() -> None:
    lone = Lone()
    connection, syn = opening(lone)
    lone.send(US4 / ICMP(type=3, code=3) / bytes(syn)[:24])
    assert connection.state == SYN_SENT


def test_source_quench_is_ignored() -> None:
    """RFC 6633."""
    lone = Lone()
    connection, syn = opening(lone)
    lone.send(US4 / ICMP(type=4, code=0) / bytes(syn)[:28])
    assert (connection.state, connection.pending_error) == (SYN_SENT, 0)


def test_a_datagrams_error_goes_to_its_endpoint() -> None:
    lone = Lone()
    end = lone.host.bind(None, 5000)
    end.send(0, b"x", packed(RIGHT4), 9)
    (sent,) = lone.run()
    lone.send(US4 / ICMP(type=3, code=1) / bytes(sent)[:28])
    assert end.take_complaints() == [Complaint(errno.EHOSTUNREACH, packed(RIGHT4), 9)]
    sent[UDP].sport = 5001
    lone.send(US4 / ICMP(type=3, code=1) / bytes(sent)[:28])
    assert end.take_complaints() == []
