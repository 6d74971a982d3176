"""What the help of each command says beside its own words and options: sections, examples, exit status, where to read on.

An example is a command line as it would be typed, which a test parses, and what it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

#: Of most commands.
USUAL: Final = (
    ("0", "It is done."),
    ("1", "It could not be done; one sentence on standard error says what is missing, and what to do."),
    ("2", "It was asked for wrongly; one sentence says what is wrong."),
)
_SERVER: Final = (
    ("0", "It was asked to end, by SIGINT (^C) or SIGTERM."),
    ("1", "It could not begin, or go on; one sentence on standard error says what is missing."),
    ("2", "It was asked for wrongly; one sentence says what is wrong."),
)
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FAULTS: Final = "A worse network (each also as --up-… and --down-…, for one direction)"


class Entry(NamedTuple):
    """`sections`: the option that begins one -> its title. `guide`: the page under docs that tells the whole."""

    examples: tuple[tuple[str, str], ...]
    see: tuple[str, ...] = ()
    guide: str = ""
    status: tuple[tuple[str, str], ...] = USUAL
    sections: Mapping[str, str] = _NOTHING


_RUN: Final = Entry(
    examples=(
        ("hythe run --summary -- curl -sO https://example.com/", "Whom curl talked to, how much, how long."),
        ("hythe run --summary=waterfall -- git clone https://example.com/x", "What took the time, and what for."),
        ("hythe run -p 8080:80 -- python3 -m http.server 80", "Port 80 without root; outside it is port 8080."),
        ("hythe run --delay 50ms --loss 1% --seed 7 -- ./client", "The same bad network, each time."),
        ("hythe run --capture all.pcapng --keylog -- ./client", "Every packet, with what TLS hides; Wireshark opens it."),
        ("hythe run --via ssh://office -- psql -h db.corp.example", "All of it through an SSH server, names too."),
        ("hythe run --dns none -- make test", "Tests that ask for a name fail at once."),
    ),
    see=("ps", "ctl", "why", "dump"),
    guide="run.md",
    status=(
        ("N", "COMMAND's own."),
        ("128+N", "COMMAND was ended by signal N."),
        ("126, 127", "COMMAND could not be run, or was not found."),
        ("1", "This machine does not let hythe make a network; one sentence says what to do."),
        ("2", "It was asked for wrongly; one sentence says what is wrong."),
    ),
    sections={
        "--host-loopback": "What COMMAND can reach, and who can reach it",
        "--capture": "What is seen of it",
        "--name": "The session",
        "--delay": _FAULTS,
    },
)
_DUMP: Final = Entry(
    examples=(
        ("hythe dump -n -r all.pcapng", "Every packet of a file, with numbers for names."),
        ("hythe dump -r all.pcapng 'tcp[tcpflags] & tcp-syn != 0'", "Connections as they open."),
        ("hythe dump -n --session curl udp port 53", "The names that a running program asks for; no root."),
        ("hythe dump -i any -c 10 -w ten.pcapng", "Ten packets of this machine (root), into a file."),
        ("hythe dump -r all.pcapng --count host 192.0.2.1", "How many there are to and from one host."),
    ),
    see=("layers", "why", "run", "ps"),
    guide="dump.md",
    sections={
        "--interface": "What to show",
        "--write": "Writing files",
        "-c": "How much",
        "-n": "How packets are shown",
        "--number": "How lines are shown",
    },
)

ENTRIES: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        "": Entry(
            examples=(
                ("hythe demo", "What this is about, in two seconds."),
                ("hythe run --summary -- curl -sO https://example.com/", "Run a program; see whom it talked to."),
                ("hythe help run", "All about a command; `man hythe-run` has the same."),
            ),
            guide="tour.md",
            status=(),
        ),
        "run": _RUN,
        "gateway": Entry(
            examples=(
                ("hythe wg add-peer phone server.conf", "Make a file (and QR code) for a telephone."),
                ("hythe gateway --wg server.conf", "Serve it; the telephone sees the world as this machine does."),
                ("hythe gateway --wg server.conf -p 8022:22@phone", "Port 8022 here leads to its port 22."),
            ),
            see=("wg", "run", "ps"),
            guide="vpn.md",
            status=_SERVER,
            sections={
                "--wg": "Whom it serves, and what they can reach",
                "--capture": "What is seen of it",
                "--name": "The session",
                "--delay": _FAULTS,
            },
        ),
        "ps": Entry(
            examples=(
                ("hythe ps", "What runs."),
                ("hythe ps web", "The connections of the session web, and the last that ended."),
            ),
            see=("ctl", "netstat", "run"),
            guide="session.md",
        ),
        "ctl": Entry(
            examples=(
                ("hythe ctl web set delay=100ms down-loss=2%", "Make its network worse, from now on."),
                ("hythe ctl web set delay=none down-loss=none", "And good again."),
                ("hythe ctl web kill 3", "Reset connection 3, at both ends."),
                ("hythe ctl web publish 8080:80", "Let clients reach its port 80 by port 8080."),
            ),
            see=("ps", "run"),
            guide="session.md",
        ),
        "live": Entry(
            examples=(
                ("hythe live", "The session that runs; ? shows the keys."),
                ("hythe live web", "One of several."),
                ("hythe live web --picture web.svg", "What it shows after some seconds, as an image."),
            ),
            see=("dashboard", "ps", "netstat", "ctl"),
            guide="live.md",
        ),
        "dashboard": Entry(
            examples=(
                ("hythe dashboard", "All sessions of yours."),
                ("hythe dashboard web --no-open", "One; open the address that is printed, which works once."),
            ),
            see=("live", "ps", "ctl"),
            guide="dashboard.md",
            status=_SERVER,
        ),
        "host": Entry(
            examples=(
                ("hythe host localhost", "Addresses of a name."),
                ("hythe host 127.0.0.1", "Names of an address."),
                ("hythe host -t MX example.com 192.0.2.53", "Who takes mail there; ask this server."),
            ),
            see=("services", "connect"),
            guide="host.md",
            status=(
                ("0", "Something was found."),
                ("1", "Nothing was found, or nobody could be asked."),
                ("2", "The question makes no sense."),
            ),
        ),
        "dump": _DUMP,
        "layers": Entry(
            examples=(
                ("hythe layers --demo", "A handshake as it is taught, made here."),
                ("hythe layers all.pcapng --list", "Which conversations a capture has."),
                ("hythe layers all.pcapng --stream 2 -v", "One of them, with every field of every header."),
                ("hythe layers all.pcapng udp port 53 --html dns.html", "What a filter selects, as a page."),
            ),
            see=("dump", "why"),
            guide="layers.md",
        ),
        "why": Entry(
            examples=(
                ("hythe why all.pcapng", "What limited each connection."),
                ("hythe why --problems all.pcapng", "Those alone with which something is wrong."),
                ("hythe why --session web", "A program that runs, from now on until ^C."),
            ),
            see=("plot", "dump", "run"),
            guide="why.md",
            status=(
                ("0", "The packets were read, whatever they tell."),
                ("1", "They could not be read to the end, or have no such connection."),
                ("2", "It was asked for wrongly; one sentence says what is wrong."),
            ),
        ),
        "plot": Entry(
            examples=(
                ("hythe plot all.pcapng", "The first connection with data, as plot.html: open it in a browser."),
                ("hythe plot all.pcapng --stream 0 --stream 3 -o two.svg", "Two beside each other, as an image."),
                ("hythe plot all.pcapng --kind rtt --kind throughput -o slow.png", "Other things about it."),
            ),
            see=("why", "dump"),
            guide="plot.md",
        ),
        "netstat": Entry(
            examples=(
                ("hythe netstat -tlnp", "Which program listens on which TCP port."),
                ("hythe netstat --explain", "What each is, and what nothing explains."),
                ("hythe netstat -n --session web", "The connections of one session."),
                ("hythe netstat -i", "Interfaces, with counters and MAC addresses."),
            ),
            see=("ps", "services"),
            guide="netstat.md",
        ),
        "services": Entry(
            examples=(
                ("hythe services 110", "What port 110 is for."),
                ("hythe services www", "Which port has this name."),
                ("hythe services mail", "All that have to do with mail."),
                ("hythe services 6000-6010/tcp", "A range, of one protocol."),
            ),
            see=("netstat",),
            guide="services.md",
        ),
        "connect": Entry(
            examples=(
                ("hythe connect localhost pop3", "Type at a service."),
                ("hythe connect --tls example.com 443", "The same inside TLS; the certificate is shown."),
                ("hythe connect -l 8000", "Wait for one client, and talk to it."),
                ("hythe connect --stack --trace localhost 8000", "By hythe's own TCP, every packet shown."),
            ),
            see=("serve", "host", "services"),
            guide="connect.md",
        ),
        "serve": Entry(
            examples=(
                ("hythe serve", "This folder, at http://127.0.0.1:8000/."),
                ("hythe serve --tls --bind 0.0.0.0 --port 8443 docs", "A folder by HTTPS, to everybody."),
                ("hythe serve --text 'Back at three' --port 0", "One page, at a port that is free."),
                ("hythe serve --echo --port 7007", "An echo service."),
            ),
            see=("connect", "run"),
            guide="serve.md",
            status=_SERVER,
        ),
        "wg": Entry(
            examples=(("hythe wg genkey", "A private key."), ("hythe wg show", "Who is connected to what runs here.")),
            see=("gateway", "run"),
            guide="wireguard.md",
        ),
        "wg genkey": Entry((("hythe wg genkey", "Print one; `hythe wg pubkey` reads it."),), ("wg pubkey",), "wireguard.md"),
        "wg genpsk": Entry((("hythe wg genpsk", "Print one, for both ends."),), ("wg genkey",), "wireguard.md"),
        "wg pubkey": Entry((("hythe wg pubkey", "Of the key on standard input."),), ("wg genkey",), "wireguard.md"),
        "wg check": Entry((("hythe wg check wg0.conf", "Before it is used."),), ("gateway", "run"), "wireguard.md"),
        "wg show": Entry(
            (("hythe wg show gateway", "Endpoints, handshakes, transfer."),), ("gateway", "ps"), "wireguard.md"
        ),
        "wg add-peer": Entry(
            (("hythe wg add-peer phone server.conf", "Print what the telephone needs."),), ("gateway",), "vpn.md"
        ),
        "proxy": Entry(
            examples=(
                ("hythe proxy --map 8080=intranet.example:80", "Port 8080 here leads there."),
                ("hythe proxy --socks 1080 --http 3128", "SOCKS and HTTP, to this machine's own programs."),
                ("hythe proxy --check proxy.toml", "Is a configuration right?"),
                ("hythe proxy proxy.toml", "Serve what it says."),
            ),
            see=("forward", "run"),
            guide="proxy.md",
            status=_SERVER,
        ),
        "forward": Entry(
            examples=(
                ("hythe forward -C -L 12345:localhost:110 --via ssh://mail.example", "Read mail by port 12345."),
                ("hythe forward -R 8080:localhost:80 --via ssh://outside.example", "Be reached from outside, past NAT."),
                ("hythe forward -D 1080 --via ssh://outside.example", "A SOCKS server, out of a closed network."),
                ("hythe forward -f --file tunnels.toml", "Many, in the background."),
            ),
            see=("sshd", "proxy", "ps"),
            guide="forward.md",
            status=_SERVER,
        ),
        "sshd": Entry(
            examples=(
                ("hythe sshd --listen 2222 --authorized-keys ~/.ssh/authorized_keys", "For who can log in here."),
                ("hythe sshd --listen 0.0.0.0:2222 --authorized-keys keys --idle 1h", "For others, from outside."),
            ),
            see=("forward",),
            guide="sshd.md",
            status=_SERVER,
        ),
        "pkt": Entry(
            examples=(
                ("hythe pkt tests/pkt/rfc9293", "Every script of a folder, on virtual time."),
                ("hythe pkt --against linux tests/pkt/rfc9293", "The same scripts, against this kernel."),
            ),
            guide="pkt.md",
            status=(
                ("0", "Every script holds."),
                ("1", "One does not; it is told at which line, and what came instead."),
                ("2", "It was asked for wrongly; one sentence says what is wrong."),
            ),
        ),
        "demo": Entry((("hythe demo", "It takes two seconds, and leaves nothing behind."),), ("run",), "tour.md"),
        "completion": Entry(
            examples=(
                ('eval "$(hythe completion bash)"', "In ~/.bashrc, or once to try."),
                ('eval "$(hythe completion zsh)"', "In ~/.zshrc, behind compinit."),
                ("hythe completion fish > ~/.config/fish/completions/hythe.fish", "For fish."),
            ),
        ),
        "help": Entry(
            examples=(("hythe help run", "As hythe run --help."), ("hythe help wg add-peer", "Of a command within one.")),
        ),
    }
)


def of(words: str) -> Entry:
    """Of a command, by what is typed behind `hythe`."""
    return ENTRIES[words]
