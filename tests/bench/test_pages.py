"""What the dashboard costs is measured by what works: a run with connections, a page that reads, a bulk flow beside."""

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
        [sys.executable, "-m", "bench.pages", "--connections", "50", "--seconds", "1", "--rounds", "1"],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    ).stdout
    assert len(re.findall(r"^\d+ messages a second: gateway .* dashboard \d", said, re.MULTILINE)) == 2
    bulk = re.search(r"bulk: (\S+) Gbit/s alone, (\S+) watched", said)
    assert bulk is not None
    assert min(map(float, bulk.groups())) > 0
    assert re.search(r"^both, 1000 messages a second: gateway .* dashboard .* live \d", said, re.MULTILINE)
    pairs = re.search(r"^bulk with both, to bulk without: median of 1 pairs (\S+),", said, re.MULTILINE)
    assert pairs is not None
    assert float(pairs[1]) > 0
    assert re.search(r"told after \d\.\d\d s", said)
