"""What TAB offers: asked as the shells' scripts ask, and in real shells, with a session that runs."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hythe.cli.completing import answer
from hythe.cli.group import COMMANDS
from hythe.session import places
from tests import needs, terminal

#: Ends what a shell prints when it is ready, and nothing else does.
PROMPT = "ready> "


def offered(line: str, cuts: str = "") -> list[tuple[str, str]]:
    """Kind and value of each offer for the last word of a line; `cuts`: characters at which the shell cuts words."""
    words = (
        [part for word in line.split(" ") for part in re.split(f"([{cuts}]+)", word) if part] if cuts else line.split(" ")
    )
    if cuts and line[-1] == " ":
        words.append("")
    kinds = [tuple(each.split("\t")[:2]) for each in answer(words[1:], line).splitlines()]
    return [(kind, value) for kind, value in kinds]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for sessions where no other test's are."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(places, "directories", lambda: [f"{tmp_path}/hythe"])
    return tmp_path


@pytest.mark.parametrize(
    ("line", "kind", "values"),
    [
        ("hythe net", "plain", ["netstat"]),
        ("hythe help net", "plain", ["netstat"]),
        ("hythe wg add", "plain", ["add-peer"]),
        ("hythe run --host", "plain", ["--host-loopback"]),
        ("hythe run --via wg", "open", ["wg:"]),
        ("hythe run --via=wg", "open", ["--via=wg:"]),
        ("hythe run --", "plain", None),
        ("hythe run --summary=waterfall-", "plain", ["--summary=waterfall-json"]),
        ("hythe plot --kind r", "plain", ["rtt"]),
        ("hythe ctl web un", "plain", ["unpublish"]),
        ("hythe ctl web set up-l", "open", ["up-loss="]),
        ("hythe serve --port submissions", "plain", ["submissions"]),
        ("hythe connect localhost pop3s", "plain", ["pop3s"]),
        ("hythe connect local", "plain", []),
        ("hythe connect -U ./so", "file", [""]),
        ("hythe dump -i an", "plain", ["any"]),
        ("hythe dump -w ", "file", [""]),
        ("hythe why ", "file", [""]),
        ("hythe serve ", "dir", [""]),
        ("hythe run -- git ch", "command", ["3"]),
        ("hythe run git --he", "command", ["2"]),
        ("hythe run ", "command", ["2"]),
        ("hythe nonsense ", "plain", None),
    ],
)
def test_what_is_offered(line: str, kind: str, values: list[str] | None) -> None:
    found = offered(line)
    assert {each for each, _ in found} <= {kind}
    assert values is None or [value for _, value in found] == values


def test_commands_and_options_come_with_their_help() -> None:
    lines = answer([""], "hythe ").splitlines()
    assert [line.split("\t") for line in lines] == [["plain", name, line] for name, (_, line) in COMMANDS.items()]
    assert "plain\t--tls\tServe HTTPS, with a certificate made on the spot unless --cert names one." in answer(
        ["serve", "--t"], "hythe serve --t"
    )


def test_what_bash_has_cut_is_put_together_and_cut_again() -> None:
    assert offered("hythe run --via ssh:", ":=") == [("open", "//")]
    assert offered("hythe run --via socks5://a git ch", ":=") == [("command", "6")]
    assert offered("hythe run --via=socks5", ":=") == [("open", "socks5://")]
    assert offered("hythe run -p 8080:80 -- curl ", ":=") == [("command", "7")]
    assert offered("hythe plot --kind=th", ":=") == [("plain", "throughput")]
    assert answer(["run", "--via", "ssh:", ":x", "ls", ""], "1") == "command\t4\t"  # from zsh, which cuts nothing


@contextlib.contextmanager
def session(name: str, runtime: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "hythe", "run", "-q", "--name", name, "-p", "0:80", "--", "sleep", "600"]
    process = subprocess.Popen(command, env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)}, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (runtime / "hythe" / f"{name}.sock").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_real_shells_know_the_sessions_that_run(runtime: Path) -> None:
    needs.network()
    shells = {name: needs.program(name) for name in ("bash", "zsh", "fish")}
    path = f"{runtime}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    (runtime / "notes.pcapng").touch()
    (runtime / "zanzibar").touch(mode=0o755)
    with session("harbour", runtime):
        assert offered("hythe ctl har") == [("plain", "harbour")]
        assert [kind for kind, _ in offered("hythe ctl harbour unpublish ")] == ["plain"]
        asked = "\n".join(
            f"complete -C {shlex.quote(line)}; echo ." for line in ("hythe ctl har", "hythe run -- hythe wg che")
        )
        said = subprocess.run(
            [shells["fish"], "--no-config", "-c", f"hythe completion fish | source\n{asked}"],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        assert said == "harbour\n.\ncheck\tTell what the configuration FILE means, or what is wrong in which line.\n.\n"
        begin = {
            "bash": ["--norc", "--noprofile", "-i"],
            "zsh": ["-f", "-i"],
        }
        load = {
            "bash": 'eval "$(hythe completion bash)"',
            "zsh": 'autoload -U compinit; compinit -u -D; eval "$(hythe completion zsh)"',
        }
        for shell, words in begin.items():
            with terminal.person([shells[shell], *words], PATH=path, PS1="", HOME=str(runtime)) as somebody:
                somebody.press(f"cd {runtime}; {load[shell]}; PS1='{PROMPT[:3]}'{shlex.quote(PROMPT[3:])}\n".encode())
                somebody.see(PROMPT.encode())
                for typed, completed in (
                    ("hythe ctl har", "bour"),
                    ("hythe ctl harbour set path-", "mtu="),
                    ("hythe why no", "tes.pcapng"),
                    ("hythe run --via ssh", "://"),
                    ("hythe run -- zanz", "ibar"),
                    *([("hythe run -- hythe nets", "tat")] if shell == "zsh" else []),
                ):
                    somebody.press(f"{typed}\t".encode())
                    somebody.see(typed.encode())
                    somebody.see(completed.encode())
                    somebody.press(b"\x15")  # ^U: the line away
