"""Every limit and default in one place: frozen dataclasses, each field with its unit and where the figure comes from.

Where the RFCs leave a choice the default is Linux's (6.x), named as its sysctl or constant. Times are nanoseconds,
sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hythe.units import KIB, MIB, MILLISECOND, SECOND


@dataclass(frozen=True, slots=True)
class TcpConfig:
    """What one TCP connection does; a host has one for all, a listener or a connect may bring its own."""

    # Buffers. The window is 512 KiB at first: as fast as 4 MiB where a super-segment is a system call away (measured).
    # It grows with what the reader takes in a round trip (`tcp.sizing`), to what 650 Mbit/s need at 200 ms; Linux's
    # tcp_rmem is 6 MiB, half of it window. A maximum not above `receive_buffer`: it stays as it is.
    receive_buffer: int = 512 * KIB
    receive_buffer_max: int = 16 * MIB
    #: Least and most unacknowledged plus unsent bytes held for the application; between them they follow the congestion
    #: window (see `sendq`; Linux's tcp_wmem is 4 MiB).
    send_buffer_min: int = 128 * KIB
    send_buffer_max: int = 16 * MIB

    # Opening. RFC 6298 (2.1): 1 s before the first sample; Linux tcp_syn_retries 6, tcp_synack_retries 5.
    rto_initial: int = 1 * SECOND
    syn_retries: int = 6
    synack_retries: int = 5
    window_scaling: bool = True
    timestamps: bool = True
    sack: bool = True
    #: Ask servers for Fast Open cookies, and put text into the SYN where we have one. Off: a SYN's text may arrive twice
    #: (RFC 7413, 2.1), so programs must opt in, as with Linux (MSG_FASTOPEN, though its tcp_fastopen is 1).
    fast_open: bool = False
    #: Off: the SYN bears text without any cookie, for networks of one's own, whose servers are known not to want one
    #: (RFC 7413, 7.3; bit 4 of Linux's tcp_fastopen).
    fast_open_cookies: bool = True
    #: Largest MSS ever announced; the link's MTU lowers it. 65535 - 40.
    mss_max: int = 65_495
    #: What to send when the peer announces no MSS: RFC 9293, 3.7.1 (536 for IPv4, 1220 for IPv6).
    mss_default4: int = 536
    mss_default6: int = 1_220

    # Sending. RFC 6928: ten segments (Linux TCP_INIT_CWND).
    initial_window: int = 10
    congestion: str = "cubic"
    nagle: bool = True
    #: Shrink the window that rested longer than an RTO (RFC 2861; RFC 5681, 4.1): Linux tcp_slow_start_after_idle 1.
    idle_restart: bool = True
    #: RFC 6298 (2.4) says 1 s; Linux TCP_RTO_MIN 200 ms, TCP_RTO_MAX 120 s.
    rto_min: int = 200 * MILLISECOND
    rto_max: int = 120 * SECOND
    #: Retransmissions of data before giving up: Linux tcp_retries2 15 (RFC 9293, 3.8.3: R2 at least 100 s).
    retries: int = 15
    #: Retransmissions once the owner has closed and nobody waits for the data: Linux tcp_orphan_retries 8.
    orphan_retries: int = 8
    #: Duplicate ACKs that mean a loss: RFC 5681, 3.2.
    dup_threshold: int = 3
    #: Loss detection by time (RFC 8985; Linux tcp_recovery 1), tail loss probes (tcp_early_retrans 3), F-RTO (RFC 5682).
    rack: bool = True
    tail_probes: bool = True
    frto: bool = True
    #: Spread a window over its round trip instead of sending it at once: for links with queues (see `tcp.pace`).
    pacing: bool = False
    #: Explicit congestion notification (RFC 3168): "on" asks for it, "accept" agrees if the peer asks (Linux tcp_ecn 2),
    #: "off".
    ecn: str = "accept"
    #: Try 1024-byte segments when three time-outs in a row say that long ones vanish: Linux tcp_mtu_probing 1 (it has 0,
    #: too).
    mtu_probing: bool = False

    # Acknowledging. Linux TCP_DELACK_MIN 40 ms, TCP_DELACK_MAX 200 ms; TCP_MAX_QUICKACKS 16.
    delayed_ack_min: int = 40 * MILLISECOND
    delayed_ack_max: int = 200 * MILLISECOND
    quick_acks: int = 16
    #: Acknowledge what is owed before the driver sleeps instead of after `delayed_ack_min`: for a link that is a system
    #: call away, where an ACK costs less than the stall of a peer that waits for it (Nagle's).
    eager_ack: bool = False

    # Keeping. RFC 9293, 3.8.4: off unless asked for; Linux tcp_keepalive_time / intvl / probes.
    keepalive: bool = False
    keepalive_idle: int = 7_200 * SECOND
    keepalive_interval: int = 75 * SECOND
    keepalive_probes: int = 9
    #: How long what was sent may stay unacknowledged; 0: as long as `retries` last (RFC 9293, 3.10.8; Linux
    #: TCP_USER_TIMEOUT 0). With the option both ends tell each other (RFC 5482, 3.1: off unless asked for).
    user_timeout: int = 0
    user_timeout_option: bool = False

    # Closing. Linux TCP_TIMEWAIT_LEN 60 s (2 MSL) and tcp_fin_timeout 60 s.
    time_wait: int = 60 * SECOND
    fin_wait_2: int = 60 * SECOND

    #: RFC 5961, 7: challenge ACKs are throttled; Linux tcp_invalid_ratelimit 500 ms per connection.
    challenge_ack_interval: int = 500 * MILLISECOND

    @property
    def window_max(self) -> int:
        """The largest window that may ever be offered: what the window scale is chosen by."""
        return max(self.receive_buffer, self.receive_buffer_max)


@dataclass(frozen=True, slots=True)
class EthernetConfig:
    """What a host with a MAC address does on its segment."""

    # Neighbors: RFC 4861, 10, for IPv6 and, as in Linux, for ARP alike.
    reachable_time: int = 30 * SECOND
    retransmit_time: int = 1 * SECOND
    first_probe_delay: int = 5 * SECOND
    multicast_solicits: int = 3
    unicast_solicits: int = 3
    #: Neighbors remembered at most (Linux gc_thresh3), and packets that wait for one (RFC 4861, 7.2.2: at least one).
    neighbors: int = 1_024
    neighbor_queue: int = 16

    # Duplicate addresses, IPv6: RFC 4862, 5.1 (0 transmits: none) and RFC 4861, 10.
    dad_transmits: int = 1
    dad_delay: int = 1 * SECOND
    #: Other interface identifiers that are tried after a duplicate: RFC 7217, 7 (IDGEN_RETRIES).
    dad_retries: int = 3
    # Duplicate addresses, IPv4: RFC 5227, 1.1 has 1 s, 3 probes 1 to 2 s apart and 2 s, made for networks with loops being
    # found out. Like NetworkManager (ipv4.dad-timeout 200 ms) we do not keep the user waiting for that. 0 probes: none.
    arp_probes: int = 3
    arp_probe_wait: int = 20 * MILLISECOND
    arp_probe_min: int = 50 * MILLISECOND
    arp_probe_max: int = 70 * MILLISECOND
    arp_announce_wait: int = 60 * MILLISECOND
    #: RFC 5227, 1.1: announcements, their distance, and how often an address is defended.
    arp_announces: int = 2
    arp_announce_interval: int = 2 * SECOND
    arp_defend_interval: int = 10 * SECOND

    # Routers: RFC 4861, 10. Linux accept_ra_rt_table has no limit of its own; ours are for who floods the segment.
    router_solicits: int = 3
    router_solicit_interval: int = 4 * SECOND
    router_solicit_delay: int = 1 * SECOND
    routers: int = 8
    prefixes: int = 16
    redirects: int = 256

    #: Spread of DHCP's first message and of its retransmissions (RFC 2131, 4.1 and 4.4.1), and the time after a declined
    #: address or a refusal (3.1, 5).
    dhcp_delay: int = 1 * SECOND
    dhcp_first_timeout: int = 4 * SECOND
    dhcp_last_timeout: int = 64 * SECOND
    dhcp_spread: int = 1 * SECOND
    dhcp_pause: int = 10 * SECOND
    #: The least time between two attempts to renew: RFC 2131, 4.4.5.
    dhcp_renew_min: int = 60 * SECOND


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What one host does."""

    tcp: TcpConfig = field(default_factory=TcpConfig)
    ethernet: EthernetConfig = field(default_factory=EthernetConfig)
    #: RFC 6335, 6 (IANA's dynamic range); Linux's own default is 32768-60999.
    ephemeral_ports: tuple[int, int] = (49_152, 65_535)
    allow_privileged_ports: bool = False
    #: IPv4 TTL and IPv6 hop limit of what we send: RFC 1122, 3.2.1.7 / Linux ip_default_ttl.
    ttl: int = 64
    #: Half-open and not yet accepted connections of a listener: Linux somaxconn.
    backlog: int = 4_096
    #: Answer SYNs beyond the backlog by SYN cookies instead of dropping them: Linux tcp_syncookies 1.
    syn_cookies: bool = True
    #: Servers whose Fast Open cookies are kept: RFC 7413, 4.1.3 wants a limit; Linux's tcp_metrics holds some thousands.
    fast_open_servers: int = 1_024
    #: Challenge ACKs of all connections together: RFC 5961, 7; Linux tcp_challenge_ack_limit (1000 until 6.2).
    challenge_acks_per_second: int = 1_000
    #: TIME-WAIT records kept at most, the oldest making room: Linux tcp_max_tw_buckets is 262144 at most.
    time_wait_limit: int = 16_384
    #: Memory for data waiting to be sent or acknowledged, of all connections together (see `SendPool`).
    send_pool: int = 256 * MIB
    #: The same for what was received and not yet taken: beyond it windows shut (see `ReceiveMemory`; Linux tcp_mem).
    receive_memory: int = 256 * MIB
    #: Accept packets for any destination address and connections to any port: what a gateway needs.
    any_destination: bool = False
    #: Datagrams an endpoint holds for its owner: RFC has no say; Linux rmem_default is 208 KiB.
    datagram_buffer: int = 256 * KIB
    #: ICMP errors a second: RFC 4443, 2.4(f); Linux icmp_msgs_per_sec 1000.
    icmp_errors_per_second: int = 1_000
    #: And to one peer: RFC 4443, 2.4(f); Linux's icmp_ratelimit is 1 a second behind the first six.
    icmp_errors_per_peer: int = 100
    #: Reassembly: bytes held of all datagrams together (Linux ipfrag_high_thresh 4 MiB) and how long (Linux 30 s for
    #: IPv4; RFC 8200, 4.5: 60 s).
    fragment_memory: int = 4 * MIB
    fragment_timeout4: int = 30 * SECOND
    fragment_timeout6: int = 60 * SECOND
    #: How long a path MTU learned by ICMP is believed: RFC 1191, 6.3; Linux mtu_expires 600 s.
    path_mtu_expires: int = 600 * SECOND


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """How a gateway keeps what has no beginning and no end: datagrams and pings on their way out."""

    #: Idle time of a UDP mapping: RFC 4787, REQ-5 (at least 2 min, 5 min recommended).
    udp_idle: int = 300 * SECOND
    #: The same once a DNS server (port 53) has answered: nothing more will come (REQ-5 allows well-known ports less).
    dns_idle: int = 30 * SECOND
    #: Socket pairs, and mappings (sockets), kept at most; the least recently used makes room.
    udp_flows: int = 4_096
    udp_mappings: int = 1_024
    #: Idle time of an ICMP query mapping: RFC 5508, REQ-2 (at least 60 s); and how many are kept.
    ping_idle: int = 60 * SECOND
    ping_mappings: int = 256
    #: Flows through a tunnel that are known at a time, of TCP, of UDP and of all else: they cost memory, no descriptor.
    tunnel_flows: int = 16_384


@dataclass(frozen=True, slots=True)
class ResolverConfig:
    """Whom a resolver asks, and how patiently. Defaults are resolv.conf(5)'s where it has them."""

    #: (address, perhaps with a zone; port), in order.
    servers: tuple[tuple[str, int], ...] = ()
    #: Domains in which a name with fewer than `ndots` dots is looked for first, any other last (RFC 1535).
    search: tuple[str, ...] = ()
    ndots: int = 1
    #: How long a server is waited for in the first round; twice as long, shared by the servers, in each that follows.
    timeout: int = 5 * SECOND
    attempts: int = 2
    #: Begin with another server each time.
    rotate: bool = False
    use_tcp: bool = False
    #: What we take over UDP: what fits into IPv6's least MTU, 1280 less 48, so that nothing is cut; 0 for no EDNS.
    edns_size: int = 1_232
    #: Believe a server that says it has verified an answer (AD): for one that is reached by a trusted path.
    trust_ad: bool = False
    #: CNAMEs followed in all (RFC 1034, 3.6.2 has chains followed and loops be an error); BIND's limit is 16.
    aliases_max: int = 16
    #: Answers over UDP with a wrong identifier or question after which TCP is taken: somebody is guessing (RFC 5452, 9.3).
    forgeries_max: int = 16
    #: Answers kept, and how long at most: RFC 8767, 4 (a week at most; many cap at a day); negative ones RFC 2308, 5 (3 h).
    cache: int = 1_024
    ttl_max: int = 86_400 * SECOND
    negative_ttl_max: int = 10_800 * SECOND


@dataclass(frozen=True, slots=True)
class WireguardConfig:
    """WireGuard's timers and limits. The paper's section 6 has the constants; tests shorten them."""

    #: A session's initiator makes a new one after so long or so many messages; nobody uses it after these others.
    rekey_after: int = 120 * SECOND
    rekey_after_messages: int = 1 << 60
    reject_after: int = 180 * SECOND
    reject_after_messages: int = (1 << 64) - (1 << 13) - 1
    #: An initiation is sent again after this and up to `rekey_jitter` more, and given up after `rekey_attempts`.
    rekey_timeout: int = 5 * SECOND
    rekey_jitter: int = 333 * MILLISECOND
    rekey_attempts: int = 90 * SECOND
    #: Who has received but not sent for this long sends an empty message.
    keepalive_timeout: int = 10 * SECOND
    #: What a cookie is made of changes after this, and a cookie received is used no longer.
    cookie_lifetime: int = 120 * SECOND
    #: Packets, and their bytes, that wait for a session; of a peer. Linux MAX_STAGED_PACKETS is 128.
    staged_packets: int = 128
    staged_bytes: int = 1 * MIB
    #: Initiations of one peer are heard at most once in this; its time stamps tell no finer steps either (Linux
    #: INITIATIONS_PER_SECOND 50).
    initiation_interval: int = 20 * MILLISECOND
    #: More handshake messages than this in a second are a load under which cookies are asked for; and for how long.
    load_handshakes: int = 100
    load_lasts: int = 1 * SECOND
    #: Handshakes a second that one source may have under load, though it has a cookie (wireguard-go 20); and all together.
    source_handshakes: int = 20
    all_handshakes: int = 1_000
    #: Cookies sent in a second, however many ask for one: so much of the time is for those who have a session.
    all_cookies: int = 1_000
    #: Addresses inside the tunnel whose peer is remembered.
    destinations: int = 4_096


@dataclass(frozen=True, slots=True)
class FtpConfig:
    """FTP whose data ports are mapped."""

    #: How long a data connection may take to be made, at either end. vsftpd accept_timeout, connect_timeout.
    data_wait: int = 60 * SECOND
    #: First and last port for clients' passive data connections; 0: any that the kernel picks.
    data_ports: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class SocksConfig:
    """A SOCKS server and its clients."""

    #: All at once; each has two descriptors, of which a machine may give 20,000.
    clients: int = 9_000
    #: Those of them whose request is not read yet, and how long that may take in all.
    greeting: int = 1_000
    handshake: int = 15 * SECOND
    #: How long the far end may take: a little more than Linux's own connect does (tcp_syn_retries 6: 127 s).
    connect: int = 130 * SECOND
    #: UDP associations; each has three descriptors.
    associations: int = 1_000
