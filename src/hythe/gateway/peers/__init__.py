"""`hythe gateway`: the same gateway behind a tunnel, where its peers stand in the command's place.

`layout` says who has which address, `attend` serves from start to end, `changes` takes over what has changed in the file
while it runs, and `adding` writes a peer into it. `between` is what peers send each other.
"""
