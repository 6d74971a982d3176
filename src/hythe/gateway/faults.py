"""The faults of `hythe run`'s wire, from the words of its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Final

from hythe.errors import UsageError
from hythe.link.base import Link
from hythe.link.faults import BurstLoss, FaultLink, NthLoss, Plan, RandomLoss
from hythe.units import parse_duration, parse_rate, parse_share, parse_size
from hythe.wire.ipv4 import MTU_MIN

_PROTOCOLS: Final[Mapping[str, int]] = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
_PACKETS: Final = ("packets", "packet", "p")


@dataclass(frozen=True, slots=True)
class Faults:
    """`up`: what the command sends; `down`: what it receives. `told`: whether the user gave the seed.

    `words`: what the options said.
    """

    up: Plan
    down: Plan
    seed: int
    told: bool
    words: Mapping[str, str]

    def wrap(self, link: Link) -> FaultLink:
        """`link` with these faults; the gateway stands for the far end of every flow."""
        return FaultLink(link, self.up, self.down, seed=self.seed, far_above=True)

    @property
    def notice(self) -> str | None:
        """How to repeat what happened, where the user cannot know."""
        if self.told or not (self.up.dices or self.down.dices):
            return None
        return f"the faults of this run are those of --seed {self.seed}"


def parse(words: Mapping[str, str | None], seed: int | None) -> Faults | None:
    """What the options say, named as ``delay``, ``up_delay`` or ``down_delay``; None where they ask for no fault.

    An option for one direction goes before the one for both. Raises `UsageError` that names the option.
    """
    if all(value is None for value in words.values()):
        if seed is not None:
            raise UsageError("--seed decides what becomes of packets, but no fault is asked for: add for example --loss 1%")
        return None
    up, down = (_plan(words, direction) for direction in ("up", "down"))
    given = {name: text for name, text in words.items() if text is not None}
    return Faults(up, down, seed if seed is not None else SystemRandom().getrandbits(32), seed is not None, given)


def _plan(words: Mapping[str, str | None], direction: str) -> Plan:
    given: dict[str, Any] = {}
    for name, read in _READERS.items():
        own, spelt = words.get(f"{direction}_{name}"), name.replace("_", "-")
        text, option = (own, f"--{direction}-{spelt}") if own is not None else (words.get(name), f"--{spelt}")
        if text is not None:
            try:
                given |= read(text)
            except UsageError as error:
                raise UsageError(f"{option}: {error}") from error
            if name == "queue" and "rate" not in given and (own is not None or not _any_rate(words)):
                raise UsageError(f"{option} {text} has nothing to wait for: add a rate, for example --rate 10mbit")
    return Plan(**given)


def _any_rate(words: Mapping[str, str | None]) -> bool:
    return any(words.get(name) is not None for name in ("rate", "up_rate", "down_rate"))


def _queue(text: str) -> dict[str, Any]:
    for word in _PACKETS:
        count = text.removesuffix(word).strip()
        if count != text.strip() and count.isdecimal():
            return {"queue_packets": int(count)}
    try:
        return {"queue_bytes": parse_size(text)}
    except UsageError as error:
        raise UsageError(f"{text!r} is not a queue: write for example 64KiB or 50packets") from error


def _loss(text: str) -> dict[str, Any]:
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        return {"loss": RandomLoss(parse_share(text))}
    if kind == "burst":
        share, _, length = rest.partition(",")
        try:
            packets = float(length)
        except ValueError as error:
            raise UsageError(f"{text!r} does not say how long bursts are: write for example burst:2%,8") from error
        if not 1 <= packets < float("inf"):
            raise UsageError(f"bursts of {length} packets are not possible: write 1 or more")
        return {"loss": BurstLoss.of(parse_share(share), packets)}
    if kind == "nth":
        return {"loss": _nth(text, rest)}
    raise UsageError(f"{text!r} is not a loss: write for example 5%, burst:2%,8 or nth:3")


def _nth(text: str, rest: str) -> NthLoss:
    ordinals, _, match = rest.partition("@")
    protocol, _, port = match.partition(":")
    wrong = f"{text!r} does not say which packets: write for example nth:3, nth:1,2,5 or nth:3@tcp:443"
    numbers = [each.strip() for each in ordinals.split(",")]
    if not all(each.isdecimal() and int(each) for each in numbers):
        raise UsageError(wrong)
    if (match or rest.endswith("@")) and (protocol not in _PROTOCOLS or (port and not _is_port(port))):
        raise UsageError(wrong)
    number = _PROTOCOLS[protocol] if match else None
    return NthLoss(frozenset(map(int, numbers)), number, int(port) if port else None)


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) < 65_536


def _reorder(text: str) -> dict[str, Any]:
    share, comma, late = text.partition(",")
    return {"reorder": parse_share(share)} | ({"reorder_by": parse_duration(late)} if comma else {})


def _path_mtu(text: str) -> dict[str, Any]:
    try:
        size = parse_size(text)
    except UsageError:
        size = 0
    if size < MTU_MIN:
        raise UsageError(f"{text!r} is no MTU: write the bytes of the longest packet that passes, {MTU_MIN} or more")
    return {"mtu": size}


_READERS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "delay": lambda text: {"delay": parse_duration(text)},
    "jitter": lambda text: {"jitter": parse_duration(text)},
    "rate": lambda text: {"rate": parse_rate(text)},
    "queue": _queue,
    "loss": _loss,
    "reorder": _reorder,
    "duplicate": lambda text: {"duplicate": parse_share(text)},
    "mark": lambda text: {"mark": parse_share(text)},
    "corrupt": lambda text: {"corrupt": parse_share(text)},
    "path_mtu": _path_mtu,
}

#: Every fault by its name; with up_ or down_ before it, it is of one direction.
NAMES: Final = tuple(_READERS)
