"""A packet layer by layer: what each header says, field by field, and the table of a conversation going down and up.

`dissect` reads the bytes of one packet into headers and fields (`model`), as the `fields_*` declare them; `tables` makes of
those the rows that a sender and a receiver see; `text`, `page` and `plain` show them. Nothing here knows where packets are
from, but `demo`, which makes some.
"""
