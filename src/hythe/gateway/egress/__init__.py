"""Ways out of the gateway: `base` says what one is, `direct` uses this machine's own sockets."""
