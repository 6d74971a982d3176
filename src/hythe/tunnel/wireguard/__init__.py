"""WireGuard: a sans-I/O protocol core, wg-quick's configuration files, and a link that stands on a UDP socket.

`config` reads a file, `link.WireguardLink` makes a link of it. Below them `device` has the verbs; it is given datagrams,
packets and the time, and gives back datagrams, packets and the next deadline. Nothing below the link reads a clock, throws
dice or opens a socket; the primitives come from `cryptography` and hashlib.
Sources: the WireGuard paper (Donenfeld, NDSS 2017) and https://www.wireguard.com/protocol/.
"""
