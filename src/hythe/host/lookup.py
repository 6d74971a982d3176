"""Looking a name up: which names to ask for, along the search list and along aliases. Sans-I/O.

Theory of operation. A lookup wants the records of one name of one or more types (A and AAAA, for a connection). It yields
rounds of questions (`questions`), learns what came of each (`learn`), and ends with a `Found`. Candidates are the name as
it is and below each domain of the search list (RFC 1535; `candidates`); the first that has any of the records wins, so
that both families belong to the same host. Within an answer CNAMEs are followed from the question's name, whatever the
order of the records (RFC 1034, 3.6.2); where the chain leaves the answer its end is asked for. Chains are
bounded and a name in them is visited once. Records that are not on the chain are not believed (RFC 2181, 5.4.1).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hythe.config import ResolverConfig
from hythe.host.inquiry import Outcome
from hythe.wire import dns
from hythe.wire.dnsmessage import AUTHENTIC, CNAME, Message, Question, Record, lower
from hythe.wire.dnstext import name_text, parse_name_text, rcode_name

_ALIASED_NOT: Final = frozenset({CNAME, dns.ANY})


class Status(Enum):
    """How a lookup ended, best first."""

    FOUND = "found"
    NO_DATA = "no such records"
    SERVER_FAILED = "the servers could not answer"
    NO_SUCH_NAME = "no such name"
    UNREACHABLE = "no server could be reached"


@dataclass(slots=True)
class Found:
    """What is known of `name`, as asked. `canonical`: the name that has the records, at the end of `aliases`.

    `records`: those of the wanted types; for any other status than FOUND none. `rcode` as the server gave it, -1 where none
    did. `outcomes`: each question that was asked and what came of it. `source`: ``dns``, or the file it is from.
    """

    name: str
    status: Status
    rcode: int = -1
    canonical: str = ""
    aliases: list[Record] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    outcomes: list[tuple[Question, Outcome]] = field(default_factory=list)
    source: str = "dns"
    authentic: bool = False
    #: Why it is not found, in words, where it is not the name's fault.
    reason: str = ""

    def addresses(self) -> list[bytes]:
        """Packed, in the order of the answers."""
        return [record.data for record in self.records if record.kind in (dns.A, dns.AAAA)]

    def pointers(self) -> list[str]:
        """The names that PTR records point to."""
        return [name_text(record.target()) for record in self.records if record.kind == dns.PTR]


def candidates(text: str, config: ResolverConfig) -> list[dns.Name]:
    """The names to try for `text`, in order. A dot at its end says that it is whole. Raises ValueError for no name."""
    name = parse_name_text(text)
    if text.endswith(".") or not name:
        return [name]
    below = []
    for domain in config.search:
        longer = name + parse_name_text(domain)
        if sum(map(len, longer)) + len(longer) < dns.NAME_MAX:
            below.append(longer)
    # RFC 1535: what has dots may well be whole, and is tried as it is before anybody's domain is hung onto it.
    return [name, *below] if len(name) - 1 >= config.ndots else [*below, name]


class _Chain:
    """One type of one candidate: where its aliases have led."""

    __slots__ = ("aliases", "asked", "found", "kind", "name", "problem", "visited")

    def __init__(self, name: dns.Name, kind: int) -> None:
        self.name = name
        self.kind = kind
        self.asked = False
        self.visited = {lower(name)}
        self.aliases: list[Record] = []
        self.found: list[Record] = []
        self.problem: tuple[Status, int, str] | None = None

    def follow(self, message: Message, limit: int) -> bool:
        """Take what the answer says; True when the chain leads out of it."""
        moved = False
        by_name: defaultdict[dns.Name, list[Record]] = defaultdict(list)
        for record in message.answers:
            if record.rclass == dns.IN:
                by_name[lower(record.name)].append(record)
        while True:
            of_name = by_name[lower(self.name)]
            self.found = [each for each in of_name if each.kind == self.kind or self.kind == dns.ANY]
            alias = next((each for each in of_name if each.kind == CNAME), None)
            if self.found or alias is None or self.kind in _ALIASED_NOT:
                # With an SOA the server says that there is nothing at the chain's end (RFC 2308, 2.2).
                ended = message.rcode or any(each.kind == dns.SOA for each in message.authorities)
                return moved and not self.found and not ended
            target = alias.target()
            self.aliases.append(alias)
            if lower(target) in self.visited:
                self.problem = Status.SERVER_FAILED, message.rcode, f"its aliases lead back to {name_text(target)}"
                return False
            if len(self.aliases) > limit:
                self.problem = Status.SERVER_FAILED, message.rcode, f"it has more than {limit} aliases in a row"
                return False
            self.visited.add(lower(target))
            self.name = target
            moved = True


class Lookup:
    """`kinds`: types of records, asked together. Raises ValueError for what is no name."""

    __slots__ = ("_candidate", "_candidates", "_chains", "_config", "_kept", "_kinds", "found")

    def __init__(self, text: str, kinds: tuple[int, ...], config: ResolverConfig) -> None:
        self._config = config
        self._kinds = kinds
        self._candidates = candidates(text, config)
        self._candidate = 0
        self._chains = self._begin()
        self._kept: tuple[Status, int, str] | None = None
        #: The result; final when `questions` is empty.
        self.found = Found(text, Status.UNREACHABLE)

    def _begin(self) -> list[_Chain]:
        name = self._candidates[self._candidate]
        return [_Chain(name, kind) for kind in self._kinds]

    def questions(self) -> list[Question]:
        """What to ask now, all at the same time; empty at the end."""
        return [Question(chain.name, chain.kind) for chain in self._chains if not chain.asked]

    def learn(self, question: Question, outcome: Outcome) -> None:
        """What came of one of the questions."""
        chain = next(each for each in self._chains if not each.asked and each.kind == question.kind)
        chain.asked = True
        self.found.outcomes.append((question, outcome))
        message = outcome.message
        if message is None:
            why = "; ".join(f"{_server(self._config, number)} {words}" for number, words in outcome.failures.items())
            chain.problem = Status.UNREACHABLE, -1, why
        elif message.rcode not in (dns.NOERROR, dns.NXDOMAIN):
            by = _server(self._config, outcome.server)
            chain.problem = Status.SERVER_FAILED, message.rcode, f"{by} answered {rcode_name(message.rcode)}"
        elif chain.follow(message, self._config.aliases_max):
            chain.asked = False
        elif chain.problem is None and not chain.found:
            gone = message.rcode == dns.NXDOMAIN
            chain.problem = Status.NO_SUCH_NAME if gone else Status.NO_DATA, message.rcode, ""
        if all(each.asked for each in self._chains):
            self._conclude()

    def _conclude(self) -> None:
        """Every type of this candidate is known: is it the one?"""
        best = max(self._chains, key=lambda chain: len(chain.found) > 0)
        if best.found:
            self._found(best)
            return
        problem = _gravest([chain.problem for chain in self._chains if chain.problem])
        kept = self._kept
        self._kept = problem if kept is None else _gravest([kept, problem])
        self._candidate += 1
        # No answer at all will be none for the next name either; any other failure may be that name's alone.
        if self._candidate < len(self._candidates) and problem[0] is not Status.UNREACHABLE:
            self._chains = self._begin()
            return
        found = self.found
        found.status, found.rcode, found.reason = self._kept
        found.canonical = name_text(best.name)
        found.aliases = best.aliases

    def _found(self, best: _Chain) -> None:
        found = self.found
        found.status, found.rcode = Status.FOUND, dns.NOERROR
        found.canonical, found.aliases = name_text(best.name), best.aliases
        found.records = [record for chain in self._chains for record in chain.found]
        messages = [outcome.message for _, outcome in found.outcomes]
        believed = self._config.trust_ad
        found.authentic = believed and all(message is not None and message.flags & AUTHENTIC for message in messages)


def _gravest(problems: list[tuple[Status, int, str]]) -> tuple[Status, int, str]:
    """Of several failures the one to tell: who could not be reached, then failures, then what exists without data."""
    order = (Status.UNREACHABLE, Status.SERVER_FAILED, Status.NO_DATA, Status.NO_SUCH_NAME)
    return min(problems, key=lambda problem: order.index(problem[0]))


def _server(config: ResolverConfig, number: int) -> str:
    address, port = config.servers[number]
    return f"{address}#{port}"
