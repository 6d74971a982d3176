"""vsftpd on loopback, with a file to fetch and a folder to put files into."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests import needs
from tests.gateway.servers import closed_port
from tests.via.proxies import program

if TYPE_CHECKING:
    from collections.abc import Iterator

CONF = """
{listen}=YES
{address}={host}
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
anon_root={root}
no_anon_password=YES
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
chown_uploads=NO
connect_from_port_20=NO
ftp_username=ftp
nopriv_user=nobody
secure_chroot_dir={empty}
seccomp_sandbox=NO
accept_timeout=5
connect_timeout=5
"""
#: What stands in the file `file`.
CONTENT = bytes(range(256)) * 2_000


class FtpServer(NamedTuple):
    """`put`: the folder for uploads, which is /in to clients."""

    port: int
    put: Path


@contextmanager
def vsftpd(*lines: str, host: str = "127.0.0.1") -> Iterator[FtpServer]:
    """Run vsftpd until the `with` ends."""
    needs.root()
    place = needs.public_folder()
    root, empty = place / "root", place / "empty"
    try:
        for each in (root, root / "in", empty):
            each.mkdir(mode=0o755)
        (root / "in").chmod(0o777)
        (root / "file").write_bytes(CONTENT)
        port = closed_port()
        six = ":" in host
        names = {"listen": "listen_ipv6" if six else "listen", "address": "listen_address6" if six else "listen_address"}
        conf = CONF.format(host=host, port=port, root=root, empty=empty, **names) + "\n".join(lines) + "\n"
        (place / "vsftpd.conf").write_text(conf)
        words = (needs.program("vsftpd"), str(place / "vsftpd.conf"))
        with program(*words, port=port, cwd=place, host=host):
            yield FtpServer(port, root / "in")
    finally:
        shutil.rmtree(place)
