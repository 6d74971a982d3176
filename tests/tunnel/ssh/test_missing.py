"""Without asyncssh, or what it needs, everything by SSH is one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import needs

WORDS = {
    "forward": ("forward", "-L", "0:a:1", "--via", "ssh://127.0.0.1:1"),
    "run": ("run", "--via", "ssh://127.0.0.1:1", "--", "true"),
    "connect": ("connect", "--via", "ssh://127.0.0.1:1", "a", "1"),
    "sshd": ("sshd", "--listen", "127.0.0.1:0", "--authorized-keys", "none"),
}


@pytest.mark.parametrize(("command", "missing"), [*((each, "asyncssh") for each in WORDS), ("sshd", "cryptography")])
def test_a_package_that_is_missing_is_named(tmp_path: Path, command: str, missing: str) -> None:
    code = f"import sys; sys.modules['{missing}'] = None; from hythe.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *WORDS[command]],
        env=needs.clean_environment(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr.startswith(f"hythe: SSH needs the package {missing}")
    assert done.stderr.endswith(": pip install 'hythe[tunnel]'\n")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 1
