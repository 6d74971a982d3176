"""FTP through `hythe forward -L`: its data connections, too, go by SSH."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests import needs
from tests.forward.forwarding import forwarding, home
from tests.tunnel.ssh.peers import openssh
from tests.via.ftpserver import CONTENT, vsftpd


def test_active_and_passive(tmp_path: Path) -> None:
    local = tmp_path / "up"
    local.write_bytes(CONTENT)
    with openssh(tmp_path) as server, vsftpd() as ftp:
        words = ["-L", f"0:localhost:{ftp.port}/ftp", "--via", "ssh://box", "--name", "files"]
        with forwarding(home(tmp_path, server), *words) as forward:
            port = forward.port(f"localhost:{ftp.port}")
            curl = [needs.program("curl"), "--silent", "--show-error", "--max-time", "20"]
            for host, manner in (
                ("127.0.0.1", []),
                ("127.0.0.1", ["--ftp-port", "-"]),
                ("[::1]", []),
                ("[::1]", ["-P", "-"]),
            ):
                url = f"ftp://{host}:{port}"
                got = subprocess.run([*curl, *manner, f"{url}/file"], capture_output=True, check=True, timeout=30)
                assert got.stdout == CONTENT
                subprocess.run([*curl, *manner, "-T", str(local), f"{url}/in/new"], check=True, timeout=30)
                assert (ftp.put / "new").read_bytes() == CONTENT
                (ftp.put / "new").unlink()
            secret = subprocess.run(
                [*curl, "--ssl-reqd", f"ftp://127.0.0.1:{port}/file"], capture_output=True, timeout=30, check=False
            )
            assert secret.returncode == 64  # CURLE_USE_SSL_FAILED
            forward.said("cannot be encrypted", told=True)
            rows = forward.hythe("ps", "files")
            assert rows.count("500.0 KiB") == 8, rows  # each data connection is a stream of its own
