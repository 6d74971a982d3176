"""SOCKS4, SOCKS4a and SOCKS5 (RFC 1928, RFC 1929), both ends.

`messages` is bytes and meaning; `client` and `server` say, step by step, what is sent and how much is read, and know no
sockets; `exchange` runs such steps on one. `listening` is the server on asyncio.
"""
