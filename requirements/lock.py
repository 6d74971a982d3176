"""Write requirements/dev.txt: the exact version of everything that `make install` installs.

    python3 requirements/lock.py        (or: make lock)

Reads the run-time dependencies, every extra and the `dev` group from pyproject.toml, lets pip resolve them
in an empty environment with whatever index this machine is set up to use, and writes the answer down. No
address of an index goes into the file, so that it can be installed from any mirror.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "requirements" / "dev.txt"
HEADER = """\
# Every version that `make install` installs. Written by `make lock`; do not edit by hand.
"""


def wanted() -> list[str]:
    """Return what pyproject.toml asks for, without the package's references to its own extras."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        document = tomllib.load(file)
    project = document["project"]
    requirements: list[str] = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        requirements += extra
    requirements += document["dependency-groups"]["dev"]
    return sorted({each for each in requirements if not each.startswith("hythe[")})


def resolve(requirements: list[str]) -> dict[str, str]:
    """Return {name: version} of the requirements and all they need, as pip resolves them today."""
    with tempfile.TemporaryDirectory(prefix="hythe-lock-") as folder:
        venv.create(folder, with_pip=True)
        report = Path(folder) / "report.json"
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*pip, "--report", str(report), *requirements], check=True, stdout=sys.stderr)
        installs = json.loads(report.read_text())["install"]
    return {each["metadata"]["name"].lower(): each["metadata"]["version"] for each in installs}


def main() -> None:
    """Resolve and write."""
    versions = resolve(wanted())
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    TARGET.write_text(HEADER + "".join(lines))
    print(f"{TARGET.relative_to(ROOT)}: {len(lines)} packages")


if __name__ == "__main__":
    main()
