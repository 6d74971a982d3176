"""The ``tcpi_…`` names of assertions: hythe's connections told in Linux's units, and Linux's own ``struct tcp_info``."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hythe.tcp.connection import Connection
from hythe.tcp.states import State
from hythe.units import MICROSECOND

#: include/net/tcp_states.h and the TCP_CA_… of linux/tcp.h; options bits of the same.
_STATES: Final[Mapping[State, int]] = MappingProxyType(
    {
        State.ESTABLISHED: 1,
        State.SYN_SENT: 2,
        State.SYN_RECEIVED: 3,
        State.FIN_WAIT_1: 4,
        State.FIN_WAIT_2: 5,
        State.TIME_WAIT: 6,
        State.CLOSED: 7,
        State.CLOSE_WAIT: 8,
        State.LAST_ACK: 9,
        State.LISTEN: 10,
        State.CLOSING: 11,
    }
)
CONSTANTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "TCP_ESTABLISHED": 1, "TCP_SYN_SENT": 2, "TCP_SYN_RECV": 3, "TCP_FIN_WAIT1": 4, "TCP_FIN_WAIT2": 5,
        "TCP_TIME_WAIT": 6, "TCP_CLOSE": 7, "TCP_CLOSE_WAIT": 8, "TCP_LAST_ACK": 9, "TCP_LISTEN": 10, "TCP_CLOSING": 11,
        "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4,
        "TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16,
        "TCPI_OPT_SYN_DATA": 32, "TCP_INFINITE_SSTHRESH": 0x7FFFFFFF,
    }
)  # fmt: skip
_INFINITE: Final = 0x7FFFFFFF

_BYTES: Final = (
    "tcpi_state", "tcpi_ca_state", "tcpi_retransmits", "tcpi_probes", "tcpi_backoff", "tcpi_options", "tcpi_wscales",
    "tcpi_flags",
)  # fmt: skip
_WORDS: Final = (
    "tcpi_rto", "tcpi_ato", "tcpi_snd_mss", "tcpi_rcv_mss", "tcpi_unacked", "tcpi_sacked", "tcpi_lost", "tcpi_retrans",
    "tcpi_fackets", "tcpi_last_data_sent", "tcpi_last_ack_sent", "tcpi_last_data_recv", "tcpi_last_ack_recv", "tcpi_pmtu",
    "tcpi_rcv_ssthresh", "tcpi_rtt", "tcpi_rttvar", "tcpi_snd_ssthresh", "tcpi_snd_cwnd", "tcpi_advmss", "tcpi_reordering",
    "tcpi_rcv_rtt", "tcpi_rcv_space", "tcpi_total_retrans",
)  # fmt: skip
_LONGS: Final = ("tcpi_pacing_rate", "tcpi_max_pacing_rate", "tcpi_bytes_acked", "tcpi_bytes_received")
_MORE: Final = (
    "tcpi_segs_out", "tcpi_segs_in", "tcpi_notsent_bytes", "tcpi_min_rtt", "tcpi_data_segs_in", "tcpi_data_segs_out",
)  # fmt: skip
_TIMES: Final = ("tcpi_delivery_rate", "tcpi_busy_time", "tcpi_rwnd_limited", "tcpi_sndbuf_limited")
_COUNTS: Final = ("tcpi_delivered", "tcpi_delivered_ce")
_OCTETS: Final = ("tcpi_bytes_sent", "tcpi_bytes_retrans")
_LAST: Final = (
    "tcpi_dsack_dups", "tcpi_reord_seen", "tcpi_rcv_ooopack", "tcpi_snd_wnd", "tcpi_rcv_wnd", "tcpi_rehash",
    "tcpi_total_rto", "tcpi_total_rto_recoveries", "tcpi_total_rto_time",
)  # fmt: skip
_LAYOUT: Final = struct.Struct("=8B24I4Q6I4Q2I2Q6I2HI")
#: What getsockopt(TCP_INFO) is asked for: the fields above.
SIZE: Final = _LAYOUT.size


def linux(raw: bytes) -> dict[str, int]:
    """The fields of a ``struct tcp_info`` (linux/tcp.h), as far as they are told here."""
    names = (*_BYTES, *_WORDS, *_LONGS, *_MORE, *_TIMES, *_COUNTS, *_OCTETS, *_LAST)
    found = dict(zip(names, _LAYOUT.unpack(raw[:SIZE].ljust(SIZE, b"\0")), strict=True))
    scales = found.pop("tcpi_wscales")
    app_limited = found.pop("tcpi_flags") & 1
    found["tcpi_delivery_rate_app_limited"] = app_limited
    return found | {"tcpi_snd_wscale": scales & 15, "tcpi_rcv_wscale": scales >> 4}


def _delivered(connection: Connection, size: int, mss: int) -> int:
    """Segments, our SYN one of them, whatever text it bore."""
    own = 0 if connection.passive else max(connection.early - 1, 0)
    return -(-(size - own) // mss) + (connection.snd_una > connection.iss)


def hythe(connection: Connection, now: int) -> dict[str, int]:
    """The same of a connection of ours: segments, microseconds, and Linux's numbers of the states."""
    info, board, mss = connection.info(now), connection.scoreboard, max(connection.snd_mss, 1)
    if board.recovering:
        recovery = 4 if board.by_timeout else 3
    elif info.ecn and connection.ecn_point > connection.snd_una:
        recovery = 2
    else:
        recovery = 1 if board.sacked or board.dup_acks else 0
    acked = max(0, min(connection.snd_una, connection.sendq.end) - connection.iss - 1)
    options = connection.ts_on * 1 | connection.sack_on * 2 | info.ecn * 8 | (connection.early > 1) * 32
    options |= bool(connection.rcv_scale or connection.snd_scale) * 4
    return {
        "tcpi_state": _STATES[info.state],
        "tcpi_ca_state": recovery,
        "tcpi_retransmits": connection.tries,
        "tcpi_probes": connection.unanswered,
        "tcpi_backoff": info.backoff,
        "tcpi_options": options,
        "tcpi_snd_wscale": connection.snd_scale,
        "tcpi_rcv_wscale": connection.rcv_scale,
        "tcpi_rto": info.rto // MICROSECOND,
        "tcpi_ato": connection.ato // MICROSECOND,
        "tcpi_snd_mss": info.mss,
        "tcpi_rcv_mss": info.receive_mss,
        "tcpi_unacked": -(-info.unacknowledged // mss),
        "tcpi_sacked": -(-info.sacked // mss),
        "tcpi_lost": -(-info.lost // mss),
        "tcpi_retrans": -(-info.resent // mss),
        "tcpi_rtt": info.rtt // MICROSECOND,
        "tcpi_rttvar": info.rtt_variance // MICROSECOND,
        "tcpi_snd_ssthresh": min(info.ssthresh // mss, _INFINITE),
        "tcpi_snd_cwnd": info.cwnd // mss,
        "tcpi_advmss": connection.mss_local,
        "tcpi_reordering": max(connection.config.dup_threshold, -(-info.reordering // mss)),
        "tcpi_min_rtt": info.rtt_min // MICROSECOND,
        "tcpi_pacing_rate": info.pacing_rate,
        "tcpi_rcv_rtt": info.rcv_rtt // MICROSECOND,
        "tcpi_rcv_space": info.rcv_space,
        "tcpi_rcv_ssthresh": info.rcv_ssthresh,
        "tcpi_total_retrans": info.retransmits,
        "tcpi_bytes_acked": acked,
        "tcpi_bytes_received": info.bytes_received,
        "tcpi_notsent_bytes": info.unsent,
        "tcpi_busy_time": info.busy_time // MICROSECOND,
        "tcpi_rwnd_limited": info.rwnd_limited // MICROSECOND,
        "tcpi_sndbuf_limited": info.sndbuf_limited // MICROSECOND,
        "tcpi_delivered": _delivered(connection, info.delivered, mss),
        "tcpi_bytes_sent": info.bytes_sent,
        "tcpi_dsack_dups": info.dsacks,
        "tcpi_reord_seen": int(info.reordering > 0),
        "tcpi_pmtu": connection.mss_path + connection.envelope.header_size,
        "tcpi_max_pacing_rate": 0xFFFFFFFFFFFFFFFF,
        "tcpi_last_ack_sent": 0,  # Linux does not keep it
        "tcpi_rcv_wnd": info.receive_window,
        "tcpi_total_rto": info.timeouts,
        "tcpi_fackets": 0,  # no longer told by Linux either
        "tcpi_snd_wnd": info.send_window,
    }
