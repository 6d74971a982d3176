"""What happens to each connection, and when: noted while somebody wants it, and then by the flows' own visits.

`record` is what is known of one, `handshake` follows TLS, `watch` stands before a splice, `noting` begins all of it and
finds out whose the connections are. Without `Session.note` nothing of this is imported, and nothing costs anything.
"""
