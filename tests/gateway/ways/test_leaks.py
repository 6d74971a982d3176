"""Nothing of a command leaves beside its way: a capture of all interfaces of a network of its own shows the proxy alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests import needs

#: A network whose default route leads to a neighbor that never answers, so that whatever is sent there is seen, and whose
#: resolver is behind it. The proxy, which knows a name more than this machine, and a server are on one loopback address.
SCRIPT = r"""
set -e
cd "$1"
ip link set lo up
ip address add 192.0.2.80/32 dev lo
ip link add out type veth peer name nobody
sysctl -qw net.ipv6.conf.out.disable_ipv6=1 net.ipv6.conf.nobody.disable_ipv6=1
ip address add 10.99.0.2/24 dev out
ip link set out up && ip link set nobody up
ip neighbor add 10.99.0.1 lladdr 02:00:00:00:00:01 dev out nud permanent
ip route add default via 10.99.0.1
printf 'nameserver 10.98.0.53\noptions timeout:1 attempts:1\n' > resolv.conf && mount --bind resolv.conf /etc/resolv.conf
echo '192.0.2.80 far.test' > hosts
unshare --mount sh -c 'mount --bind hosts /etc/hosts && exec microsocks -i 127.0.0.1 -p 1080' &
nc -l -k 192.0.2.80 8080 > got &
tcpdump -n -i any --immediate-mode -U -w all.pcap 2> said &
until grep -q listening said && ss -tln | grep -q :1080 && ss -tln | grep -q :8080; do sleep 0.05; done
"$2" -m hythe run $3 sh -c '
    echo hello | nc -N -w 2 far.test 8080
    dig +tries=1 +time=1 other.test & dig +tcp +tries=1 +time=1 third.test & getent hosts fifth.test &
    dig +tries=1 +time=1 @10.97.0.53 fourth.test & ping -c 1 -W 1 10.97.0.1 &
    echo hello | nc -u -w 1 10.97.0.1 9; wait' > out.txt 2>&1 || true
sleep 0.1
kill $(jobs -p)
wait
"""


def seen(folder: Path, option: str) -> list[str]:
    """Every packet that was seen anywhere, as tcpdump tells of it; what the command said is in out.txt."""
    for each in ("microsocks", "tcpdump", "dig", "ping", "nc", "ip", "ss", "unshare"):
        needs.program(each)
    needs.root()
    needs.network()
    words = ["unshare", "--net", "--mount", "bash", "-c", SCRIPT, "leaks", str(folder), sys.executable, option]
    done = subprocess.run(words, check=False, timeout=60, env=needs.clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = ["tcpdump", "-n", "-t", "-r", str(folder / "all.pcap")]
    return subprocess.run(shown, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()


def test_all_that_leaves_goes_to_the_proxy(tmp_path: Path) -> None:
    packets = seen(tmp_path, "--via=socks5://127.0.0.1:1080")
    assert (tmp_path / "got").read_text() == "hello\n", (tmp_path / "out.txt").read_text()
    own = re.compile(r"lo +\S+ +IP (127\.0\.0\.1\.1080 > 127|127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.1080|192\.0\.2\.80\.)")
    assert [each for each in packets if own.match(each) is None] == []
    assert len(packets) > 20


def test_the_same_command_without_a_way_is_seen_to_leave(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    packets = "\n".join(seen(tmp_path, "--"))
    assert re.search(r"\S+ +Out +IP 10\.99\.0\.2\.\d+ > 10\.98\.0\.53\.53: .* other\.test", packets)
    assert re.search(r"\S+ +Out +IP 10\.99\.0\.2\.\d+ > 10\.97\.0\.53\.53: .* fourth\.test", packets)
    assert re.search(r"\S+ +Out +IP 10\.99\.0\.2\.\d+ > 10\.97\.0\.1\.9: UDP", packets)
    assert re.search(r"\S+ +Out +IP 10\.99\.0\.2 > 10\.97\.0\.1: ICMP echo request", packets)
