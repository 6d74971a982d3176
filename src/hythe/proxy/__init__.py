"""`hythe proxy`: mapped ports, SOCKS and HTTP for the clients inside, by ways that are the administrator's.

`config` says what there is to configure, of `kinds`; `reading` makes it of TOML (`lines`, `sense`) and `schema` tells
others of it. `zones` is inside and outside, `access` who may go where, `limits` how much, `users` who is who. `clients`
is one who has come and `passage` his way out (with `names`, but not round in `circles`), for all entries alike:
`mapping` (with `balance`; `plain` where nothing stands between) and `datagrams` for mapped ports, `socks`, and `http`
(with `heads` and `exchange`).
`stages` stand before what is said and `behind` after it: the PROXY protocol (`proxyprotocol`) and TLS, whose ClientHello
`wire.tls` reads (both by `peeking`); `ftp` carries data connections. `server` puts it together, `service` runs it, and
`workers` several of it, whose accounts are one `ledger` and whose session is `whole`.
`transparent` is for those who know of no proxy, in a gateway.
"""
