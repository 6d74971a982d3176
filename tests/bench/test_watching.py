"""What the live view costs is measured by what works: a run with connections, the view on a pty, a bulk flow beside."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests import needs


@pytest.mark.slow
def test_it_measures_something() -> None:
    needs.network()
    said = subprocess.run(
        [sys.executable, "-m", "bench.watching", "--connections", "50", "--seconds", "1", "--rounds", "1"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    assert len(re.findall(r"messages a second: gateway .* view \d", said)) == 2
    pairs = re.search(r"^bulk with it, to bulk without: median of 1 pairs (\S+),", said, re.MULTILINE)
    assert pairs is not None
    assert float(pairs[1]) > 0
    assert re.search(r"shown after \d\.\d\d s", said)
