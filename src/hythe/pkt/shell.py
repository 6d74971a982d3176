"""Shell lines of a script, as far as they set sysctls. Nothing is run: the words are read.

Understood are ``sysctl NAME=VALUE``, ``echo VALUE > /proc/sys/NAME``, packetdrill's own ``set_sysctls.py``, and calls of
shell scripts beside the packet script (``../common/defaults.sh``) that hold no more than these. A few commands that such
scripts begin with change nothing in a fresh namespace or a fresh host: those go unheeded. All others are errors.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple

from hythe.pkt.script import Script, ScriptError, Shell

_PRODUCT: Final = re.compile(r"\$\(\(\s*(\d+(?:\s*\*\s*\d+)*)\s*\)\)")
_REDIRECTION: Final = re.compile(r"\s*(?:&|[12])?>{1,2}\s*(&[12]|[^\s;&|]+)")
_SEPARATOR: Final = re.compile(r"(;|&&|\|\|)")  # of alternatives both are taken
_FLUSH: Final = re.compile(r"ip tcp_metrics (flush|del|delete)( all| \S+)?")
_PROC: Final = "/proc/sys/"
#: What neither a new namespace nor a new host has any of, and how the device queues and cuts.
_UNHEEDED: Final = re.compile(
    r"tc qdisc (add|replace|change|del|delete) dev \S+ root( pfifo| pfifo_fast| fq)?"
    r"|ethtool -K \S+( (tso|gso|gro|tx|rx|sg) (on|off))+"
    r"|\S*/sysctl_restore_\S+\.sh"
    r"|grep .* /proc/net/tcp\b.*"
    r"|echo \d+ > /sys/module/tcp_cubic/parameters/hystart_detect"
    r"|nstat( -\S+)*( \| grep( -\S+)* (\S+|\"[^\"]*\"))*|set -\S+|true|exit 0"
)
#: Scripts that call scripts: as deep as this.
_DEPTH: Final = 4


#: Not a sysctl but an order: forget what was learned of peers, their Fast Open cookies above all.
METRICS: Final = "tcp_metrics"


class Setting(NamedTuple):
    """A sysctl, and the line of the file that sets it; or `METRICS`. `perhaps`: it need not be there to be set."""

    path: str
    line: int
    name: str
    value: str
    perhaps: bool = False


def settings_of(script: Script, line: int, shell: Shell) -> Iterator[Setting]:
    """What a shell line sets, in order. Raises `ScriptError` for a line that does anything else."""
    return _lines(script.path, line, shell.text, os.path.dirname(script.path), 0, one_line=True)


def initial(script: Script) -> Iterator[Setting]:
    """What a script sets before anything happens."""
    for event in script.events:
        if not isinstance(event.action, Shell):
            return
        yield from settings_of(script, event.line, event.action)


def check(script: Script) -> None:
    """Raises `ScriptError` for the first shell line that does anything but set sysctls."""
    for event in script.events:
        if isinstance(event.action, Shell):
            for _ in settings_of(script, event.line, event.action):
                pass


def _lines(path: str, first: int, text: str, folder: str, depth: int, *, one_line: bool = False) -> Iterator[Setting]:
    """`one_line`: a shell line of a packet script is called by the line it begins on."""
    text = re.sub(r"(?m)(^|(?<=\s))#.*$", "", text)
    text = _PRODUCT.sub(lambda match: str(math.prod(map(int, match[1].split("*")))), text)
    line = first
    for row in text.replace("\\\n", " \v").split("\n"):  # \v: a line that goes on
        parts = _SEPARATOR.split(row)
        for part, separator in zip(parts[::2], [*parts[1::2], ""], strict=True):
            command = " ".join(part.split())
            perhaps = separator == "||" or not one_line
            for setting in _command(path, line, command, folder, depth) if command else ():
                yield setting._replace(perhaps=setting.perhaps or perhaps)
        line += 0 if one_line else 1 + row.count("\v")


def _command(path: str, line: int, command: str, folder: str, depth: int) -> Iterator[Setting]:
    into = [target for target in _REDIRECTION.findall(command) if target.startswith(_PROC)]
    plain = _REDIRECTION.sub("", command).strip()
    if not plain or _UNHEEDED.fullmatch(plain) or _UNHEEDED.fullmatch(command):
        return
    if _FLUSH.fullmatch(plain):
        yield Setting(path, line, METRICS, "")
        return
    try:
        words = shlex.split(plain)
    except ValueError as error:
        raise ScriptError(path, line, f"expected a shell line whose quotes end, found {command!r}") from error
    name = os.path.basename(words[0])
    if name == "sysctl" or name == "set_sysctls.py":
        given = [word for word in words[1:] if not word.startswith("-")]
        if not given:
            raise ScriptError(path, line, f"expected NAME=VALUE behind {name}, found {command!r}")
        yield from (_setting(path, line, name, word) for word in given)
    elif name == "echo" and into:
        yield Setting(path, line, _dotted(into[0]), " ".join(words[1:]))
    elif name.endswith(".sh") and len(words) == 1 and depth < _DEPTH:
        yield from _called(path, line, _beside(folder, words[0]), folder, depth)
    else:
        raise ScriptError(path, line, f"expected sysctl NAME=VALUE in a shell line, found {command!r}")


def _beside(folder: str, name: str) -> str:
    """Where a script is that is called: seen from the folder of the packet script, or from one that this stands in."""
    above = os.path.abspath(folder)
    while not os.path.isfile(os.path.join(above, name)) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    found = os.path.join(above, name)
    return found if os.path.isfile(found) else os.path.join(folder, name)


def _called(path: str, line: int, called: str, folder: str, depth: int) -> Iterator[Setting]:
    try:
        with open(called, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(path, line, f"expected a shell script that can be read: {called} ({error})") from error
    yield from _lines(called, 1, text, folder, depth + 1)


def _setting(path: str, line: int, command: str, word: str) -> Setting:
    name, equals, value = word.partition("=")
    if not equals:
        raise ScriptError(path, line, f"expected NAME=VALUE behind {command}, found {word!r}")
    return Setting(path, line, _dotted(name), value.strip())


def _dotted(name: str) -> str:
    return name.strip().removeprefix(_PROC).replace("/", ".")
