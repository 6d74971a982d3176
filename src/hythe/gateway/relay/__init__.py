"""Joins the command's link with a tunnel that carries packets: what is for the network inside stays, all else goes through.

`relay` is the join; `flows` counts what passes, by socket pair; `translate` writes another address of the command's into
packets where only some of its traffic goes through the tunnel; `match` decides which; `names` asks DNS at the far end.
"""
