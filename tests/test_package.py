"""The names of `import hythe`: all there, loaded late, and known to mypy."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import hythe

NAMES = [
    "Host",
    "HostConfig",
    "HytheError",
    "MachineError",
    "ParseError",
    "Server",
    "TcpConfig",
    "Tun",
    "UsageError",
    "pair",
]


def test_every_public_name_is_there() -> None:
    for name in NAMES:
        assert getattr(hythe, name).__name__ == name
    assert set(NAMES) <= set(dir(hythe))
    assert hythe.__version__ == version("hythe")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hythe.nothing


def test_importing_hythe_loads_nothing_else() -> None:
    program = "import sys; import hythe; print(*sys.modules)"
    python = [sys.executable, "-I", "-c", program]
    loaded = set(subprocess.run(python, capture_output=True, text=True, check=True, timeout=30).stdout.split())
    assert "hythe" in loaded
    assert not {each for each in loaded if each.startswith("hythe.")} | loaded & {"asyncio", "dataclasses", "socket"}
