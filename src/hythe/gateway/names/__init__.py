"""Names for the command: a few that we answer ourselves, and all others as this machine's resolvers answer them.

Theory of operation. The command's resolv.conf (resolvconf.py) names the gateway. `Names` (names.py) answers port 53 there
and at every address that this machine's own resolv.conf names, because that file may show through. A query is read far
enough to know its question (zone.py answers those about `hythe.internal`); everything else is passed on as it is, over
UDP (queries.py) or TCP (streams.py), to the first resolver that answers.

`resolvconf` is read before the first fork and imports next to nothing.
"""
