"""Ways: how the world is reached. Direct, through proxies, SSH or WireGuard, through several in a row, or by rules.

`base` says what a way is, `spec` reads the text of ``--via``, `make` makes the ways that it means. docs/via.md tells what
each can do.
"""
