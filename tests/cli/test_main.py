"""The group of commands: what it says to wrong words, and what it costs to ask."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def hythe(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hythe", *words], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--host-loopbac", "x"], "Did you mean '--host-loopback'? See python -m hythe run --help"),
        (["run"], "Missing argument"),
        (["ctl", "web"], "Choose from: set, kill, publish, unpublish: see python -m hythe ctl --help"),
        (["dump", "-r"], "Option '-r' requires an argument: see python -m hythe dump --help"),
        (["nonsense"], "there is no command"),
        (["run", "--mtu", "many", "true"], "not a valid integer"),
        (["run", "--summary=pie", "--", "true"], "write --summary or --summary=json, =waterfall"),
        (["gateway", "--wg", "any.conf", "--summary=pie"], "=waterfall-json or =FILE.html"),
        (["run", "-4", "-6", "true"], "exclude each other"),
    ],
)
def test_wrong_words_get_one_sentence_and_status_2(words: list[str], sentence: str) -> None:
    ran = hythe(*words)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert sentence in ran.stderr
    assert ran.stderr.startswith("hythe: ")
    assert ran.stderr.count("\n") == 1


def test_help_names_every_command() -> None:
    ran = hythe("--help")
    assert ran.returncode == 0
    assert "run " in ran.stdout
    assert "demo " in ran.stdout


def test_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert hythe("--version").stdout.strip().endswith(version("hythe"))


def test_a_command_is_not_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, hythe.cli.group\n"
        "print(sorted(name for name in sys.modules if name.startswith('hythe.gateway') or name == 'asyncio'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ran.stdout.strip() == "[]"


def test_c_before_anything_is_read_ends_without_a_traceback() -> None:
    code = (
        "import builtins, sys\n"
        "read = builtins.__import__\n"
        "def interrupted(name, *rest, **words):\n"
        "    if name == 'click': raise KeyboardInterrupt\n"
        "    return read(name, *rest, **words)\n"
        "builtins.__import__ = interrupted\n"
        "from hythe.cli.main import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (130, "")


@pytest.mark.parametrize(
    ("where", "status", "sentence"),
    [
        (">&-", 1, "hythe: standard output cannot be written: Bad file descriptor\n"),
        (">/dev/full", 1, "hythe: standard output cannot be written: No space left on device\n"),
        (">&$1", 0, ""),
        ("<&- 2>&- >/dev/null", 0, ""),
    ],
)
def test_standard_output_that_takes_nothing(where: str, status: int, sentence: str) -> None:
    """A reader that has gone has seen enough."""
    reading, gone = os.pipe()
    os.close(reading)
    words = ["bash", "-c", f'"$0" -W error -m hythe help ps {where}', sys.executable, str(gone)]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, pass_fds=[gone])
    finally:
        os.close(gone)
    assert (ran.returncode, ran.stdout, ran.stderr) == (status, "", sentence)
