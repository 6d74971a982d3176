"""`hythe run --capture`: every packet in a file, written by a process of its own that nobody waits for.

`recorder` is the link that copies what passes into `ring`, memory shared with the writer; `writer` is that process: it cuts
what it finds there into the packets of a wire and writes pcapng, with what `flows` knows of each connection (whose it is,
what was sent again and why), the names that were looked up, and the secrets of TLS (`keylog`).
"""
