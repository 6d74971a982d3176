"""Packet scripts: what a program calls, what a peer sends and what must leave, on one time line, run and compared.

The language is packetdrill's. `parser` turns a file into the events of `script`; `runner` plays them against something
with sockets on one side and a wire on the other: hythe's host on virtual time (`virtual`), or a Linux kernel behind a
TUN device in real time (`kernel`). `compare` holds what left against what was expected.
"""
