"""SSH behind a face of our own: asyncssh does the protocol, this folder what carrying much through it takes.

`client` connects, with host keys that are known or asked about (`hostkeys`); `server` is a forward-only sshd. A channel's
bytes go between it and a socket (`splice`) by a path of our own (`connection`, `records`), whose windows follow the path
(`window`). `datagrams` carries UDP to another hythe.
"""
