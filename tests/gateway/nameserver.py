"""A name server outside, whose answers a test can do without guessing: what is asked decides how it behaves.

For names below ``test``: ``plain`` has an address. ``big`` has many, too many for UDP. ``forged`` is answered over UDP with
a wrong question first, then with a wrong identifier. ``silent`` and what is below it have no answer. ``failing`` is
SERVFAIL. ``hangup`` ends the TCP connection the first time.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from hythe.wire import dns

if TYPE_CHECKING:
    from types import TracebackType

PLAIN, WRONG = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 66))
BIG = [bytes((198, 51, 100, number)) for number in range(200)]


def _one_port(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a listener and a UDP socket on the same port."""
    for _ in range(20):
        listener = socket.create_server((host, port))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind(listener.getsockname())
        except OSError:
            listener.close()
            datagrams.close()
            continue
        return listener, datagrams
    raise OSError("no port is free for both TCP and UDP")


class NameServer:
    """Serves UDP and TCP on a port of `host` while the `with` lasts. `asked`: (protocol, identifier, name) of each query.

    `address`: what PLAIN is here, so that two servers can be told apart.
    """

    def __init__(self, address: bytes = PLAIN, host: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        self.asked: list[tuple[str, int, str]] = []
        self._listener, self._datagrams = _one_port(host, port)
        self.port: int = self._datagrams.getsockname()[1]
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.close()
        self._thread.join()
        for each in (self._datagrams, self._listener, self._stopped):
            each.close()

    @property
    def option(self) -> str:
        """What names it as the one resolver."""
        return f"--dns 127.0.0.1:{self.port}"

    def _serve(self) -> None:
        clients: list[socket.socket] = []
        while True:
            ready, _, _ = select.select([self._stopped, self._datagrams, self._listener, *clients], [], [])
            if self._stopped in ready:
                break
            for each in ready:
                if each is self._datagrams:
                    self._answer_datagram()
                elif each is self._listener:
                    clients.append(each.accept()[0])
                elif not self._answer_stream(each):
                    clients.remove(each)
                    each.close()
        for each in clients:
            each.close()

    def _answer_datagram(self) -> None:
        message, client = self._datagrams.recvfrom(65_535)
        query = dns.parse_query(message, len(message))
        self.asked.append(("udp", query.identifier, query.text))
        self._disturb(query, client)
        answer = self._answer(query, query.udp_max)
        if answer is not None:
            self._datagrams.sendto(answer, client)

    def _disturb(self, query: dns.Query, client: tuple[str, int]) -> None:
        """Send what comes before the answer over UDP."""
        if query.text == "forged.test":
            other = dns.Query(query.identifier, query.flags, (b"other", b"test"), query.kind, query.qclass)
            self._datagrams.sendto(dns.build_answer(other, [WRONG]), client)
            wrong = dns.build_answer(query, [WRONG])
            self._datagrams.sendto(bytes((wrong[0] ^ 1,)) + wrong[1:], client)

    def _answer_stream(self, client: socket.socket) -> bool:
        length = client.recv(2, socket.MSG_WAITALL)
        if len(length) < 2:
            return False
        message = client.recv(struct.unpack(">H", length)[0], socket.MSG_WAITALL)
        query = dns.parse_query(message, len(message))
        self.asked.append(("tcp", query.identifier, query.text))
        if query.text == "hangup.test" and sum(name == query.text for _, _, name in self.asked) == 1:
            return False
        answer = self._answer(query, dns.TCP_MAX)
        if answer is not None:
            client.sendall(struct.pack(">H", len(answer)) + answer)
        return True

    def _answer(self, query: dns.Query, limit: int) -> bytes | None:
        if query.text.endswith("silent.test"):
            return None
        if query.text == "failing.test":
            return dns.build_answer(query, rcode=dns.SERVFAIL)
        records = {"big.test": BIG, "plain.test": [self.address], "forged.test": [self.address]}.get(query.text)
        if records is None or query.kind != dns.A:
            return dns.build_answer(query, rcode=dns.NOERROR if records else dns.NXDOMAIN)
        return dns.build_answer(query, records, ttl=60, limit=limit)
