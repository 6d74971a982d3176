"""`hythe run --via` for ways of streams (`hythe.via`): SOCKS, HTTP, SSH, chains and rules.

Theory of operation. Such a way is told a name and a port, and looks the name up at its far end; but a command asks for the
name first, and then connects to an address. So the gateway answers with a *stand-in* (`standins`), an address that belongs
to nobody, and when the command comes back with it knows the name again (`destinations`). No name is asked anywhere else,
neither here nor at the far end, until something is to be connected (`zone`). What is to go directly, by a rule, is asked
and reached as without ``--via``.

A SYN is held until the way has opened (`streams`); then its socket is spliced as any other. Datagrams go where the way has
them (`datagrams`), else they are refused at once, as pings are, by ICMP "administratively prohibited". A way that fails is
"network unreachable": nothing ever goes by another.
"""
