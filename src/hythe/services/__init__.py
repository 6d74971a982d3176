"""Names for ports: IANA's registry, /etc/services beside it, and what is known of a port besides.

`ports` is what everything uses that takes or shows a port: text to number and back. It is read before the first fork of
`hythe run`, hence nothing is imported here, and IANA's table (`table.tsv`) only where /etc/services does not know a name.
"""
