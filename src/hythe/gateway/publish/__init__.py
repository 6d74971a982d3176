"""Published ports: outside clients reach what the command listens on.

Theory of operation. `publications` reads what `-p` says. `listening` opens the kernel's sockets outside, before the command
starts, so that a port in use is told at once. Each client that connects becomes a splice (`streams`) whose inner side is
an active open towards the command, from an address that tells the client apart; a client's datagrams become an
association (`datagrams`). `publisher` ties these together.
"""
