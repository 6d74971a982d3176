"""What a host counts: packets it could not use and why. For views; nothing depends on the numbers."""

from __future__ import annotations


class Counters:
    """All start at zero and only grow."""

    __slots__ = (
        "bad_checksum",
        "datagrams_dropped",
        "icmp_errors_received",
        "icmp_errors_sent",
        "icmp_limited",
        "malformed",
        "martian",
        "no_route",
        "not_ours",
        "reassembled",
        "resets_sent",
        "syn_cookies_returned",
        "syn_cookies_sent",
        "unknown",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    bad_checksum: int
    datagrams_dropped: int
    icmp_errors_received: int
    icmp_errors_sent: int
    icmp_limited: int
    malformed: int
    martian: int
    no_route: int
    not_ours: int
    reassembled: int
    resets_sent: int
    syn_cookies_returned: int
    syn_cookies_sent: int
    unknown: int

    def as_dict(self) -> dict[str, int]:
        """Name and number."""
        return {name: getattr(self, name) for name in self.__slots__}
